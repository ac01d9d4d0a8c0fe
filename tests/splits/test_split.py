import csv
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from merbench.protocols import megc2019
from pydantic import TypeAdapter

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_names, clip_table
from merbench.contracts.errors import DataError
from merbench.contracts.methods import Problem
from merbench.contracts.fold_rules import FoldRule, fold_rule
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.databases.registrations import open_source
from merbench.splits.expected import split_differences
from merbench.splits.labels import selected
from merbench.splits.split import make_split


def rule(name, **settings):
    """Return a fold rule."""
    return TypeAdapter(FoldRule).validate_python(fold_rule({"rule": name, **settings}))


@pytest.fixture
def protocol():
    """Return MEGC 2019 as it comes with the library."""
    return load_protocol(megc2019)


@pytest.fixture
def clips(protocol):
    """Return the 442 clips of the official list as a clip table."""
    return clip_table(protocol.official().rename(columns={"class": "emotion"}), "the official list")


@pytest.fixture
def small(small_protocol):
    return load_protocol(small_protocol)


def _table(*rows):
    """Make a clip table of ``dataset/subject/clip emotion`` lines."""
    split = [[*line.split(" ")[0].split("/"), line.split(" ")[1]] for line in rows]
    return clip_table(pd.DataFrame(split, columns=["dataset", "subject", "clip", "emotion"]), "test")


SMALL = (
    "casme2/sub06/EP01_01f disgust",
    "casme2/sub07/EP01_01f happiness",
    "samm/006/006_1_1 anger",
    "samm/007/007_1_1 surprise",
    "smic-hs/s06/s06_ne_01 negative",
    "smic-hs/s06/s06_po_01 positive",
)


def _official_rows():
    with (megc2019.parent / "lists" / "megc2019.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def _as_names(split):
    """Write a split as fold -> (names of training clips, names of test clips)."""
    names = clip_names(split.clips)
    return {fold.name: ([names[i] for i in fold.train], [names[i] for i in fold.test]) for fold in split.folds}


def _plain_folds(key):
    """Make the folds of the official list group by group, reading the file line by line."""
    groups = defaultdict(list)
    for row in _official_rows():
        groups[key(row)].append("/".join(row[:3]))
    return {
        name: (
            sorted(clip for other, theirs in groups.items() if other != name for clip in theirs),
            sorted(groups[name]),
        )
        for name in sorted(groups)
    }


def _sorted(folds):
    return {name: (sorted(train), sorted(test)) for name, (train, test) in folds.items()}


def test_leave_one_subject_out_on_megc_2019_equals_a_loop_over_the_list(protocol, clips):
    split = make_split(protocol, clips)
    plain = _plain_folds(lambda row: f"{row[0]}/{row[1]}")
    assert len(plain) == 68
    assert _sorted(_as_names(split)) == plain
    assert list(_as_names(split)) == list(plain)
    assert split.differences == []


def test_leave_one_database_out_on_megc_2019_equals_a_loop_over_the_list(protocol, clips):
    split = make_split(protocol.model_copy(update={"folds": rule("leave-one-database-out")}), clips)
    assert _sorted(_as_names(split)) == _plain_folds(lambda row: row[0])
    assert [(fold.name, len(fold.test)) for fold in split.folds] == [("casme2", 145), ("samm", 133), ("smic-hs", 164)]


def test_every_clip_is_tested_once_and_trained_on_in_all_other_folds(protocol, clips):
    folds = _as_names(make_split(protocol, clips)).values()
    everything = sorted(clip_names(clips))
    assert sorted(name for _, test in folds for name in test) == everything
    assert all(sorted(train + test) == everything for train, test in folds)


def test_no_subject_stands_on_both_sides_of_a_fold(protocol, clips):
    split = make_split(protocol, clips)
    people = (split.clips.dataset + "/" + split.clips.subject).to_numpy()
    assert all(not set(people[fold.train]) & set(people[fold.test]) for fold in split.folds)
    assert all(len(set(people[fold.test])) == 1 for fold in split.folds)


def test_labels_are_those_of_the_list(protocol, clips):
    split = make_split(protocol, clips)
    truth = split.truth()
    listed = {"/".join(row[:3]): row[3] for row in _official_rows()}
    assert dict(zip(clip_names(truth), truth.truth, strict=True)) == listed
    assert [protocol.classes[label] for label in split.labels] == truth.truth.tolist()
    assert truth.fold.tolist() == split.subjects.tolist() == (truth.dataset + "/" + truth.subject).tolist()
    assert split.datasets.tolist() == truth.dataset.tolist()


def test_subjects_06_006_and_s06_are_three_folds(protocol, clips):
    folds = _as_names(make_split(protocol, clips))
    for name in ("casme2/sub06", "samm/006", "smic-hs/s06"):
        assert {clip.rpartition("/")[0] for clip in folds[name][1]} == {name}


def test_subjects_of_exactly_one_name_in_several_datasets_are_several_folds(small):
    table = _table("casme2/6/1 disgust", "samm/6/1 anger", "smic-hs/6/1 negative")
    split = make_split(small, table)
    assert [fold.name for fold in split.folds] == ["casme2/6", "samm/6", "smic-hs/6"]
    assert [fold.test.tolist() for fold in split.folds] == [[0], [1], [2]]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_the_clips_and_what_else_is_known_of_them_means_nothing(protocol, clips, seed):
    split = make_split(protocol, clips)
    turned = make_split(protocol, clips.sample(frac=1, random_state=seed).assign(path="elsewhere", onset=3))
    assert turned.digest() == split.digest()
    assert _as_names(turned) == _as_names(split)
    assert turned.labels.tolist() == split.labels.tolist()
    assert turned.truth().equals(split.truth())


def test_the_digest_changes_with_every_label_clip_and_fold(small):
    table = _table(*SMALL)
    tables = [
        table,
        _table(*SMALL[1:]),
        _table(SMALL[0].replace("disgust", "surprise"), *SMALL[1:]),
        _table(SMALL[0].replace("EP01_01f", "EP01_02f"), *SMALL[1:]),
        _table(SMALL[0].replace("sub06", "sub08"), *SMALL[1:]),
    ]
    digests = {make_split(small, changed).digest() for changed in tables}
    by_database = small.model_copy(update={"folds": rule("leave-one-database-out")})
    assert len(digests | {make_split(by_database, table).digest()}) == 6
    same_class = _table(SMALL[0].replace("disgust", "repression"), *SMALL[1:])
    assert make_split(small, same_class).digest() == make_split(small, table).digest()


def test_a_fold_is_found_by_its_name(small):
    split = make_split(small, _table(*SMALL))
    assert split.fold("samm/007").test.tolist() == [3]
    with pytest.raises(KeyError):
        split.fold("samm/7")


def test_emotions_are_mapped_dataset_by_dataset(small):
    split = make_split(small, _table(*SMALL))
    assert split.truth().truth.tolist() == ["negative", "positive", "negative", "surprise", "negative", "positive"]
    with pytest.raises(DataError, match="casme2: 'anger'"):
        make_split(small, _table("casme2/sub06/EP01_01f anger", *SMALL[1:]))


def test_a_classs_own_name_counts_as_it_unless_it_is_mapped(small):
    table = _table("casme2/sub06/EP01_01f negative", *SMALL[1:])
    assert make_split(small, table).truth().truth[0] == "negative"
    rules = small.datasets | {
        "casme2": small.datasets["casme2"].model_copy(update={"classes": {"positive": ("negative", "happiness")}})
    }
    assert make_split(small.model_copy(update={"datasets": rules}), table).truth().truth[0] == "positive"


def test_an_unknown_emotion_is_named_with_its_clip_and_their_number(small):
    table = _table(SMALL[0].replace("disgust", "happines"), SMALL[1].replace("happiness", "happines"), *SMALL[2:])
    with pytest.raises(DataError, match=r"neither .* casme2: 'happines' \(2 clips, first casme2/sub06/EP01_01f\)"):
        make_split(small, table)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_clip_without_emotion_is_named(small, missing):
    table = _table(*SMALL).astype({"emotion": object})
    table.loc[2, "emotion"] = missing
    with pytest.raises(DataError, match=r"samm/006/006_1_1"):
        make_split(small, table)


def test_a_dataset_without_clips_is_named(small):
    with pytest.raises(DataError, match="protocol small needs clips of samm, smic-hs, and the data has none"):
        make_split(small, _table(*SMALL[:2]))


def test_clips_of_datasets_that_the_protocol_does_not_use_are_passed_over(small):
    table = _table(*SMALL, "mmew/S01/1 tense")
    assert clip_names(make_split(small, table).clips) == clip_names(_table(*SMALL))


def test_clips_are_left_out_by_emotion_and_by_clip_in_their_own_dataset_only(small_protocol):
    left_out = (
        "left_out:\n"
        "  - {dataset: casme2, emotions: [others, sadness], clips: [sub08/1], reason: why}\n"
        "  - {dataset: samm, clips: [006/006_1_1], reason: why}\n"
    )
    small_protocol.write_text(small_protocol.read_text() + left_out)
    table = _table(
        *SMALL,
        "casme2/sub08/1 disgust",
        "casme2/sub08/2 disgust",
        "casme2/sub09/1 others",
        "casme2/sub09/2 sadness",
        "samm/sub08/1 anger",
        "samm/sub08/2 sadness",
    )
    gone = ["casme2/sub08/1", "casme2/sub09/1", "casme2/sub09/2", "samm/006/006_1_1"]
    split = make_split(load_protocol(small_protocol), table)
    assert clip_names(split.clips) == [name for name in clip_names(table) if name not in gone]
    assert "casme2/sub09" not in [fold.name for fold in split.folds]


@pytest.fixture
def damaged(clips):
    """Return the official clips with 12 missing, 2 too many and 1 of another class, and the names of each."""
    names = clip_names(clips)
    missing, relabelled = names[100:112], names[200]
    table = clips[~pd.Series(names).isin(missing)].copy()
    table.loc[200, "emotion"] = "surprise" if table.emotion[200] != "surprise" else "positive"
    extra = ["casme2/sub10/EP01_01f", "samm/099/099_1_1"]
    return pd.concat([table, _table(*(f"{name} negative" for name in extra))]), missing, extra, relabelled


def test_every_clip_that_differs_from_the_official_list_is_named(protocol, damaged):
    table, missing, extra, relabelled = damaged
    with pytest.raises(DataError, match="differs from protocol megc2019: 12 missing: ") as caught:
        make_split(protocol, table)
    said = str(caught.value).split("; ")
    assert [name for name in missing if name not in said[0]] == []
    assert (
        said[1]
        == f"2 not in the official list: {', '.join(extra)} (the list selects nothing, left_out takes clips out)"
    )
    assert said[2].startswith(f"1 labelled otherwise: {relabelled} (")
    assert "listed " in said[2]
    assert "432 clips instead of 442" in said
    assert "70 subjects instead of 68" in said


def test_counts_that_differ_are_each_told(protocol, clips):
    only_counts = protocol.model_copy(update={"official_list": None})
    table = clips[(clips.dataset != "samm") | (clips.emotion != "surprise")]
    with pytest.raises(DataError) as caught:
        make_split(only_counts, table)
    assert str(caught.value).endswith(
        ": 427 clips instead of 442; 118 clips of samm instead of 133; 68 clips of class surprise instead of 83; "
        "merbench check-protocol megc2019 --clips lists what is taken and what is left out"
    )
    pattern = only_counts.coming_from("cross:a->b")
    with pytest.raises(DataError, match="merbench check-protocol 'cross:a->b' --clips"):
        make_split(pattern, table)


def test_synthetic_clips_are_only_reported_to_differ(protocol, damaged, clips):
    table = damaged[0]
    split = make_split(protocol, table, synthetic=True)
    assert len(split.clips) == 432
    assert split.differences[0] == "432 clips instead of 442"
    assert not any("missing" in said for said in split.differences)  # the official list says nothing of made clips
    assert len(split.folds) == 70
    assert make_split(protocol, clips, synthetic=True).differences == []


def test_synthetic_clips_still_need_a_known_emotion(protocol, clips):
    with pytest.raises(DataError, match="'tense'"):
        make_split(protocol, clips.assign(emotion="tense"), synthetic=True)


def test_megc_2019_selects_its_clips_from_the_databases_own_emotions(protocol, clips):
    # What the sheets say: CASME II's negative clips are disgust or repression, and other emotions are not taken.
    words = {
        "casme2": {"negative": "repression", "positive": "happiness"},
        "samm": {"negative": "contempt", "positive": "happiness"},
    }
    emotions = [words.get(d, {}).get(e, e) for d, e in zip(clips.dataset, clips.emotion, strict=True)]
    others = _table(
        "casme2/sub10/EP01_01f others",
        "casme2/sub02/EP20_01 sadness",
        "casme2/sub02/EP20_02 fear",
        "casme2/sub04/EP12_01f disgust",
        "casme2/sub05/EP09_05f happiness",
        "casme2/sub24/EP02_07 surprise",
        "samm/025/025_3_1 other",
    )
    split = make_split(protocol, pd.concat([others, clips.assign(emotion=emotions)]))
    assert split.digest() == make_split(protocol, clips).digest()


def test_the_real_release_has_the_split_of_the_official_list(shared, protocol, clips):
    source = open_source("megc2019-flow28", shared / "data/megc2019-flow28")
    split = make_split(protocol, source.clips)
    assert split.digest() == make_split(protocol, clips).digest()
    assert len(split.folds) == 68


def test_the_small_release_has_a_fold_for_each_of_its_subjects(small, small_release):
    split = make_split(small, open_source("megc2019-flow28", small_release).clips)
    assert [len(fold.test) for fold in split.folds] == [3, 3, 2] * 3
    assert [fold.name for fold in split.folds][::3] == ["casme2/sub06", "samm/006", "smic-hs/s06"]


def test_a_person_who_is_tested_is_not_trained_on_under_another_dataset():
    names = {"smic-hs": ("s01", "s02"), "smic-vis": ("s01", "s02")}
    rows = [
        {"dataset": dataset, "subject": subject, "clip": f"{subject}_{take}", "emotion": "positive"}
        for dataset, subjects in names.items()
        for subject in subjects
        for take in (1, 2)
    ]
    spec = ProtocolSpec(
        name="cameras", title="Toy", summary="A toy.", source={"text": "tests"}, classes=("negative", "positive"),
        datasets={name: {"title": name, "classes": {}} for name in names}, folds="leave-one-subject-out",
    )  # fmt: skip
    clips = clip_table(pd.DataFrame(rows), "here")
    apart, alike = (make_split(spec, clips, same_people=people) for people in ({}, dict.fromkeys(names, "smic")))
    for fold in alike.folds:
        assert set(alike.clips.subject.iloc[fold.train]).isdisjoint(alike.clips.subject.iloc[fold.test])
    assert len(apart.fold("smic-hs/s01").train) == 6
    assert len(alike.fold("smic-hs/s01").train) == 4
    assert apart.digest() != alike.digest()


def test_one_database_is_held_against_its_part_of_a_protocol(protocol, clips):
    part = clips[clips.dataset == "casme2"].iloc[1:]
    kept = selected(protocol, part)
    assert set(kept["class"]) == {"negative", "positive", "surprise"}
    said = split_differences(protocol, kept, ["casme2"])
    assert said == [
        f"1 missing: {clip_names(clips[clips.dataset == 'casme2'])[0]}",
        "144 clips of casme2 instead of 145",
    ]
    assert split_differences(protocol, selected(protocol, clips[clips.dataset == "samm"]), ["samm"]) == []


def test_leave_one_video_out_trains_on_all_other_clips_of_the_person(small_protocol):
    spec = load_protocol(small_protocol).model_copy(update={"folds": rule("leave-one-video-out")})
    split = make_split(spec, _table(*SMALL))
    names = clip_names(_table(*SMALL))
    assert _as_names(split) == {name: ([other for other in names if other != name], [name]) for name in sorted(names)}
    assert split.truth().fold.tolist() == names


def _k_fold(spec, k, seed=1):
    return spec.model_copy(update={"folds": rule("subject-k-fold", k=k, seed=seed)})


def test_subject_k_fold_keeps_people_whole_and_their_order_means_nothing(protocol, clips):
    split = make_split(_k_fold(protocol, 5), clips)
    tested = [set(split.subjects[fold.test]) for fold in split.folds]
    assert [fold.name for fold in split.folds] == [f"fold-0{number}" for number in range(1, 6)]
    assert sorted(map(len, tested)) == [13, 13, 14, 14, 14]
    assert set().union(*tested) == set(split.subjects)
    assert all(not people & set(split.subjects[fold.train]) for people, fold in zip(tested, split.folds, strict=True))
    turned = make_split(_k_fold(protocol, 5), clips.sample(frac=1, random_state=1))
    assert turned.digest() == split.digest()
    assert make_split(_k_fold(protocol, 5, seed=2), clips).digest() != split.digest()


def test_subject_k_fold_holds_out_a_person_under_all_her_datasets(small):
    table = _table(
        "casme2/a/1 disgust", "samm/a/1 anger", "casme2/b/1 disgust", "samm/b/1 anger", "smic-hs/c/1 negative"
    )
    split = make_split(_k_fold(small, 3), table, same_people={"casme2": "lab", "samm": "lab"})
    tested = [sorted(set(split.subjects[fold.test])) for fold in split.folds]
    assert sorted(tested) == [["casme2/a", "samm/a"], ["casme2/b", "samm/b"], ["smic-hs/c"]]


def test_more_folds_than_people_are_refused(small):
    with pytest.raises(DataError, match="subject-k-fold: 5 people can't be dealt to 6 folds: take a smaller k"):
        make_split(_k_fold(small, 6), _table(*SMALL))


def test_clips_of_the_source_are_trained_on_and_never_tested(small):
    held = rule("hold-out", train=("casme2", "samm"), test=("smic-hs",))
    split = make_split(small.model_copy(update={"folds": held}), _table(*SMALL))
    names = clip_names(_table(*SMALL))
    assert _as_names(split) == {"smic-hs": (names[:4], names[4:])}
    assert clip_names(split.truth()) == names[4:]
    assert split.truth().fold.tolist() == ["smic-hs"] * 2
    other = make_split(
        small.model_copy(update={"folds": held}), _table(SMALL[0].replace("disgust", "surprise"), *SMALL[1:])
    )
    assert other.digest() != split.digest()  # what is trained on is part of it


def test_people_on_both_sides_are_taken_out_of_training_unless_they_are_shared(small):
    table = _table("casme2/a/1 disgust", "casme2/b/1 happiness", "samm/a/1 anger", "smic-hs/c/1 negative")
    held = rule("hold-out", train=("casme2", "smic-hs"), test=("samm",))
    alias = {"casme2": "lab", "samm": "lab"}
    apart, shared = (
        make_split(small.model_copy(update={"folds": held, "shares_people": why}), table, same_people=alias)
        for why in ("", "the same events")
    )
    assert _as_names(apart)["samm"][0] == ["casme2/b/1", "smic-hs/c/1"]
    assert _as_names(shared)["samm"][0] == ["casme2/a/1", "casme2/b/1", "smic-hs/c/1"]


def test_a_fold_without_clips_to_train_on_is_named(small):
    table = _table("casme2/a/1 disgust", "samm/a/1 anger", "smic-hs/a/1 negative")
    held = rule("hold-out", train=("casme2", "smic-hs"), test=("samm",))
    people = dict.fromkeys(("casme2", "samm", "smic-hs"), "lab")
    with pytest.raises(DataError, match="samm has no clip to be trained on: all the others are of people who are"):
        make_split(small.model_copy(update={"folds": held}), table, same_people=people)


GONE = "protocol small leaves out every clip of smic-hs: take it out of the protocol, or map a word of it"
RULES = [
    {"rule": "leave-one-database-out"},
    {"rule": "leave-one-subject-out"},
    {"rule": "leave-one-video-out"},
    {"rule": "subject-k-fold", "k": 2},
    {"rule": "hold-out", "train": ["casme2", "smic-hs"], "test": ["samm"]},
    {"rule": "hold-out", "train": ["casme2"], "test": ["smic-hs", "samm"]},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join([rule["rule"], *rule.get("train", [])]))
def test_a_dataset_whose_clips_are_all_left_out_is_refused_not_passed_over(small, rule):
    gone = {"dataset": "smic-hs", "clips": ["s06/s06_ne_01", "s06/s06_po_01"], "reason": "why"}
    content = small.model_dump() | {"left_out": [gone], "folds": held}
    with pytest.raises(DataError) as caught:
        make_split(ProtocolSpec.model_validate(content), _table(*SMALL))
    assert str(caught.value) == GONE


def test_a_protocol_that_leaves_all_of_its_one_dataset_out_says_what_to_do(small):
    table = _table("casme2/a/1 disgust", "casme2/b/1 others")
    content = small.model_dump() | {"datasets": {"casme2": {"title": "CASME II", "classes": {"negative": ["fear"]}}}}
    content["left_out"] = [{"dataset": "casme2", "emotions": ["disgust", "others"], "reason": "why"}]
    content["classes"] = ["negative", "none"]
    content["datasets"]["casme2"]["classes"]["none"] = ["calm"]
    with pytest.raises(DataError, match=r"protocol small leaves out every clip of casme2: map a word of it$"):
        make_split(ProtocolSpec.model_validate(content), table)


def test_a_clip_without_objective_class_is_named(small):
    spec = small.model_copy(update={"labels": "objective_class"})
    with pytest.raises(DataError, match=r"neither maps nor leaves out the objective classes casme2: nan.*6 clips"):
        make_split(spec, _table(*SMALL))


CODED = {
    "006/006_1_1": "4+7",
    "007/007_1_1": "12 or 14",
    "008/008_1_1": "?",
    "009/009_1_1": None,
    "010/010_1_1": "7+14?",
}


@pytest.fixture
def coded():
    rows = [
        {"dataset": "samm", "subject": name.split("/")[0], "clip": name.split("/")[1], "aus": read_coding(cell)}
        for name, cell in CODED.items()
    ]
    spec = ProtocolSpec(
        name="units", title="Units", summary="x", source={"text": "x"}, task="au-detection", units=(4, 7, 12, 14),
        datasets={"samm": {"title": "SAMM"}}, folds="leave-one-subject-out",
    )  # fmt: skip
    return spec, clip_table(pd.DataFrame(rows), "test")


def test_action_units_are_shown_not_shown_or_not_known(coded):
    split = make_split(*coded)
    nan = float("nan")
    expected = [[1, 1, 0, 0], [0, 0, nan, nan], [nan] * 4, [nan] * 4, [0, 1, 0, nan]]
    assert split.problem == Problem("au-detection", ("4", "7", "12", "14"))
    assert np.array_equal(split.labels, expected, equal_nan=True)
    assert split.truth().truth.tolist() == ["4+7", "- 12? 14?", "- 4? 7? 12? 14?", "- 4? 7? 12? 14?", "7 14?"]
    assert [len(fold.train) for fold in split.folds] == [4] * 5


def test_another_coding_is_another_split(coded):
    spec, clips = coded
    other = clips.assign(aus=[read_coding("4+7+12"), *clips.aus[1:]])
    outside = clips.assign(aus=[read_coding("4+7+25"), *clips.aus[1:]])  # 25 is not asked for
    assert make_split(spec, other).digest() != make_split(spec, clips).digest() == make_split(spec, outside).digest()


def test_action_units_that_no_clip_of_a_dataset_has_are_missed(coded):
    spec, clips = coded
    with pytest.raises(DataError, match="protocol units needs action units, and no clip of samm has any"):
        make_split(spec, clips.assign(aus=None))


def test_action_units_that_are_missing_are_told_before_counts_that_differ(coded):
    spec, clips = coded
    spec = spec.model_copy(update={"expected": spec.expected.model_copy(update={"clips": 159})})
    with pytest.raises(DataError, match="needs action units, and no clip of samm has any"):
        make_split(spec, clips.assign(aus=None))
    with pytest.raises(DataError, match="5 clips instead of 159"):
        make_split(spec, clips)
