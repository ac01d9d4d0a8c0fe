import numpy as np
import pandas as pd
import pytest
from merbench.protocols import megc2019
from support.refusals import refusal

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_names, clip_table
from merbench.contracts.errors import DataError
from merbench.contracts.methods import Problem
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.databases.registrations import open_source
from merbench.splits.expected import clips_not_found, split_differences
from merbench.splits.labels import output_counts, selected
from merbench.splits.split import make_split


def changed(spec, **content):
    return ProtocolSpec.model_validate(spec.model_dump() | content)


def folded(spec, name, **settings):
    """Return a protocol with another fold rule."""
    return spec.model_copy(update={"folds": changed(spec, folds={"rule": name, **settings}).folds})


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


def table_of(*rows):
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


def first(old, new):
    """Return the table of `SMALL` with other words in its first row."""
    return table_of(SMALL[0].replace(old, new), *SMALL[1:])


def as_names(split):
    """Write a split as fold -> (sorted names of training clips, of test clips)."""
    names = clip_names(split.clips)
    return {f.name: (sorted(names[i] for i in f.train), sorted(names[i] for i in f.test)) for f in split.folds}


def plain_folds(clips, key):
    """Hold out group by group, one clip after the other."""
    names = sorted(clip_names(clips))
    groups = sorted({key(name) for name in names})
    return {g: ([n for n in names if key(n) != g], [n for n in names if key(n) == g]) for g in groups}


def refused(spec, table, *said, **options):
    line = refusal(lambda: make_split(spec, table, **options), error=DataError)
    assert [text for text in said if text not in line] == []
    return line


def held_out(split):
    """Return the subjects of each fold's test clips."""
    return [set(split.subjects[fold.test]) for fold in split.folds]


def test_subjects_of_megc2019_are_held_out_as_a_loop_does_it(protocol, clips, small):
    split = make_split(protocol, clips)
    plain = plain_folds(clips, lambda name: name.rpartition("/")[0])
    assert len(plain) == 68
    assert list(as_names(split).items()) == list(plain.items())
    assert split.differences == []
    truth = split.truth()
    assert truth.drop(columns="fold").to_numpy().tolist() == protocol.official().to_numpy().tolist()
    assert [protocol.classes[label] for label in split.labels] == truth.truth.tolist()
    assert truth.fold.tolist() == split.subjects.tolist() == (truth.dataset + "/" + truth.subject).tolist()
    assert split.datasets.tolist() == truth.dataset.tolist()
    by_database = make_split(folded(protocol, "leave-one-database-out"), clips)
    assert as_names(by_database) == plain_folds(clips, lambda name: name.partition("/")[0])
    assert [(fold.name, len(fold.test)) for fold in by_database.folds] == [
        ("casme2", 145),
        ("samm", 133),
        ("smic-hs", 164),
    ]
    # Subjects of one name in two datasets are two folds.
    split = make_split(small, table_of("casme2/6/1 disgust", "samm/6/1 anger", "smic-hs/6/1 negative"))
    found = [(fold.name, fold.test.tolist()) for fold in split.folds]
    assert found == [("casme2/6", [0]), ("samm/6", [1]), ("smic-hs/6", [2])]
    assert split.fold("samm/6").test.tolist() == [1]
    with pytest.raises(KeyError):
        split.fold("samm/7")


def test_the_digest_is_of_labels_clips_and_folds(protocol, clips, small):
    split = make_split(protocol, clips)
    turned = make_split(protocol, clips.sample(frac=1, random_state=1).assign(path="elsewhere", onset=3))
    assert turned.digest() == split.digest()
    assert as_names(turned) == as_names(split)
    assert turned.labels.tolist() == split.labels.tolist()
    assert turned.truth().equals(split.truth())
    pairs = (("disgust", "surprise"), ("EP01_01f", "EP01_02f"), ("sub06", "sub08"))
    tables = [table_of(*SMALL), table_of(*SMALL[1:]), *(first(old, new) for old, new in pairs)]
    digests = {make_split(small, table).digest() for table in tables}
    by_database = folded(small, "leave-one-database-out")
    assert len(digests | {make_split(by_database, tables[0]).digest()}) == 6
    assert make_split(small, first("disgust", "repression")).digest() == make_split(small, tables[0]).digest()


def test_emotions_are_mapped_per_dataset_and_own_names_count(small, protocol, clips):
    split = make_split(small, table_of(*SMALL))
    assert split.truth().truth.tolist() == ["negative", "positive", "negative", "surprise", "negative", "positive"]
    assert output_counts(small, selected(small, table_of(*SMALL))) == [3, 2, 1]
    refused(small, first("disgust", "anger"), "casme2: 'anger'")
    table = first("disgust", "negative")
    assert make_split(small, table).truth().truth[0] == "negative"
    mapped = small.datasets["casme2"].model_copy(update={"classes": {"positive": ("negative", "happiness")}})
    other = small.model_copy(update={"datasets": small.datasets | {"casme2": mapped}})
    assert make_split(other, table).truth().truth[0] == "positive"
    twice = table_of(SMALL[0].replace("disgust", "happines"), SMALL[1].replace("happiness", "happines"), *SMALL[2:])
    refused(small, twice, "casme2: 'happines' (2 clips, first casme2/sub06/EP01_01f)")
    for missing in (None, float("nan")):
        table = table_of(*SMALL).astype({"emotion": object})
        table.loc[2, "emotion"] = missing
        refused(small, table, "samm/006/006_1_1")
    refused(small.model_copy(update={"labels": "objective_class"}), table_of(*SMALL), "objective classes", "6 clips")
    refused(protocol, clips.assign(emotion="tense"), "'tense'", synthetic=True)
    # Datasets without clips are named, and others ignored.
    refused(small, table_of(*SMALL[:2]), "protocol small needs clips of samm, smic-hs, ")
    table = table_of(*SMALL, "mmew/S01/1 tense")
    assert clip_names(make_split(small, table).clips) == clip_names(table_of(*SMALL))


def test_exclusions_hold_for_their_dataset_and_leave_some_of_it(small):
    entry = {"dataset": "casme2", "emotions": ["others", "sadness"], "clips": ["sub08/1", "sub99/1"], "reason": "why"}
    spec = changed(small, left_out=[entry, {"dataset": "samm", "clips": ["006/006_1_1"], "reason": "why"}])
    more = ("casme2/sub08/1 disgust", "casme2/sub08/2 disgust", "casme2/sub09/1 others", "casme2/sub09/2 sadness")
    table = table_of(*SMALL, *more, "samm/sub08/1 anger", "samm/sub08/2 sadness")
    gone = ["casme2/sub08/1", "casme2/sub09/1", "casme2/sub09/2", "samm/006/006_1_1"]
    split = make_split(spec, table)
    assert clip_names(split.clips) == [name for name in clip_names(table) if name not in gone]
    assert "casme2/sub09" not in [fold.name for fold in split.folds]
    assert clips_not_found(spec, table) == ["casme2/sub99/1"]
    # Datasets whose clips are all excluded are refused.
    gone = {"dataset": "smic-hs", "clips": ["s06/s06_ne_01", "s06/s06_po_01"], "reason": "why"}
    for rule in (
        *({"rule": f"leave-one-{what}-out"} for what in ("database", "subject", "video")),
        {"rule": "subject-k-fold", "k": 2},
        {"rule": "hold-out", "train": ["casme2", "smic-hs"], "test": ["samm"]},
        {"rule": "hold-out", "train": ["casme2"], "test": ["smic-hs", "samm"]},
    ):
        spec = changed(small, left_out=[gone], folds=rule)
        refused(spec, table_of(*SMALL), "every clip of smic-hs: take it out of the protocol, or map")
    spec = changed(
        small,
        classes=["negative", "none"],
        datasets={"casme2": {"title": "CASME II", "classes": {"negative": ["fear"], "none": ["calm"]}}},
        left_out=[{"dataset": "casme2", "emotions": ["disgust", "others"], "reason": "why"}],
    )
    table = table_of("casme2/a/1 disgust", "casme2/b/1 others")
    assert refused(spec, table).endswith("every clip of casme2: map a word of it")


def test_whole_subjects_can_be_excluded(small):
    entry = {"dataset": "samm", "subjects": ["006", "099"], "reason": "not of this study"}
    spec = changed(small, left_out=[entry])
    assert [name for name in clip_names(selected(spec, table_of(*SMALL))) if name.startswith("samm")] == [
        "samm/007/007_1_1"
    ]
    assert clips_not_found(spec, table_of(*SMALL)) == ["samm/099"]
    assert spec.spec_digest() != small.spec_digest()


@pytest.fixture
def damaged(clips):
    """Return the official clips with 12 missing, 2 too many and 1 of another class, and the names of each."""
    names = clip_names(clips)
    missing, relabelled = names[100:112], names[200]
    table = clips[~pd.Series(names).isin(missing)].copy()
    table.loc[200, "emotion"] = "surprise" if table.emotion[200] != "surprise" else "positive"
    extra = ["casme2/sub10/EP01_01f", "samm/099/099_1_1"]
    return pd.concat([table, table_of(*(f"{name} negative" for name in extra))]), missing, extra, relabelled


def test_differences_from_list_and_counts_are_named(protocol, damaged, clips):
    table, missing, extra, relabelled = damaged
    said = refused(protocol, table, "megc2019: 12 missing: ", "left_out").split("; ")
    assert said[0].endswith(f"12 missing: {', '.join(missing[:5])} and 7 more")
    assert said[1].startswith(f"2 not in the official list: {', '.join(extra)} (")
    assert said[2].startswith("1 ")
    assert f"{relabelled} (" in said[2]
    assert "listed " in said[2]
    assert {"432 clips instead of 442", "70 subjects instead of 68"} <= set(said)
    assert said[-1] == "merbench check-protocol megc2019 --clips lists every clip"
    only_counts = protocol.model_copy(update={"official_list": None})
    fewer = clips[(clips.dataset != "samm") | (clips.emotion != "surprise")]
    counts = ": 427 clips instead of 442; 118 clips of samm instead of 133; 68 clips of class surprise instead of 83; "
    refused(only_counts, fewer, counts, "merbench check-protocol megc2019 --clips")
    refused(only_counts.coming_from("cross:a->b"), fewer, "merbench check-protocol 'cross:a->b' --clips")
    split = make_split(protocol, table, synthetic=True)  # only reported
    assert (len(split.clips), len(split.folds)) == (432, 70)
    assert split.differences[0] == "432 clips instead of 442"
    assert not any("missing" in said for said in split.differences)  # the official list has real clips
    assert make_split(protocol, clips, synthetic=True).differences == []
    # One database is compared with its part of the protocol.
    part = clips[clips.dataset == "casme2"]
    kept = selected(protocol, part.iloc[1:])
    assert set(kept["class"]) == {"negative", "positive", "surprise"}
    expected = [f"1 missing: {clip_names(part)[0]}", "144 clips of casme2 instead of 145"]
    assert split_differences(protocol, kept, ["casme2"]) == expected
    (all_missing, *_) = split_differences(protocol, kept.iloc[:0], ["casme2"], every=True)
    assert all_missing == f"145 missing: {', '.join(clip_names(part))}"
    assert split_differences(protocol, selected(protocol, clips[clips.dataset == "samm"]), ["samm"]) == []


def test_releases_have_the_folds_of_their_subjects(shared, protocol, clips, small, small_release):
    split = make_split(protocol, open_source("megc2019-flow28", shared / "data/megc2019-flow28").clips)
    assert split.digest() == make_split(protocol, clips).digest()
    split = make_split(small, open_source("megc2019-flow28", small_release).clips)
    assert [len(fold.test) for fold in split.folds] == [3, 3, 2] * 3
    assert [fold.name for fold in split.folds][::3] == ["casme2/sub06", "samm/006", "smic-hs/s06"]


def test_subject_k_fold_keeps_people_together(protocol, clips, small):
    split = make_split(folded(protocol, "subject-k-fold", k=5), clips)
    assert [fold.name for fold in split.folds] == [f"fold-0{number}" for number in range(1, 6)]
    assert sorted(map(len, held_out(split))) == [13, 13, 14, 14, 14]
    assert set().union(*held_out(split)) == set(split.subjects)
    assert not any(set(split.subjects[f.test]) & set(split.subjects[f.train]) for f in split.folds)
    turned = clips.sample(frac=1, random_state=1)
    assert make_split(folded(protocol, "subject-k-fold", k=5), turned).digest() == split.digest()
    assert make_split(folded(protocol, "subject-k-fold", k=5, seed=2), clips).digest() != split.digest()
    people = ("casme2/a/1 disgust", "samm/a/1 anger", "casme2/b/1 disgust", "samm/b/1 anger", "smic-hs/c/1 negative")
    alias = {"casme2": "lab", "samm": "lab"}
    split = make_split(folded(small, "subject-k-fold", k=3), table_of(*people), same_people=alias)
    assert sorted(map(sorted, held_out(split))) == [["casme2/a", "samm/a"], ["casme2/b", "samm/b"], ["smic-hs/c"]]
    assert len(make_split(folded(small, "subject-k-fold", k=5), table_of(*SMALL)).folds) == 5
    refused(folded(small, "subject-k-fold", k=6), table_of(*SMALL), "subject-k-fold: 5 people", "6 folds")


def test_videos_and_whole_databases_are_held_out(small):
    names = clip_names(table_of(*SMALL))
    split = make_split(folded(small, "leave-one-video-out"), table_of(*SMALL))
    assert as_names(split) == plain_folds(table_of(*SMALL), str)  # keeps other clips of the person
    assert split.truth().fold.tolist() == names
    spec = folded(small, "hold-out", train=("casme2", "samm"), test=("smic-hs",))
    split = make_split(spec, table_of(*SMALL))
    assert as_names(split) == {"smic-hs": (names[:4], names[4:])}
    assert clip_names(split.truth()) == names[4:]
    assert split.truth().fold.tolist() == ["smic-hs"] * 2
    other = make_split(spec, first("disgust", "surprise"))
    assert other.digest() != split.digest()  # the labels of training clips are part of it


def test_tested_people_are_not_trained_on_under_another_dataset(small):
    table = table_of("casme2/a/1 disgust", "casme2/b/1 happiness", "samm/a/1 anger", "smic-hs/c/1 negative")
    alias = {"casme2": "lab", "samm": "lab"}
    apart, alike = (make_split(small, table, same_people=people) for people in ({}, alias))
    assert as_names(apart)["casme2/a"][0] == ["casme2/b/1", "samm/a/1", "smic-hs/c/1"]
    assert as_names(alike)["casme2/a"][0] == ["casme2/b/1", "smic-hs/c/1"]
    assert apart.digest() != alike.digest()
    spec = folded(small, "hold-out", train=("casme2", "smic-hs"), test=("samm",))
    apart, shared = (
        make_split(spec.model_copy(update={"shares_people": why}), table, same_people=alias) for why in ("", "why")
    )
    assert as_names(apart)["samm"][0] == ["casme2/b/1", "smic-hs/c/1"]
    assert as_names(shared)["samm"][0] == ["casme2/a/1", "casme2/b/1", "smic-hs/c/1"]
    table = table_of("casme2/a/1 disgust", "samm/a/1 anger", "smic-hs/a/1 negative")
    people = dict.fromkeys(("casme2", "samm", "smic-hs"), "lab")
    refused(spec, table, "samm has no clip to be trained on: ", same_people=people)
    one = small.model_copy(update={"datasets": {"samm": small.datasets["samm"]}})
    said = refused(one, table_of("samm/a/1 anger", "samm/a/2 anger"), "samm/a has no clip to be trained on")
    assert said.endswith("trained on")  # no others were removed


def test_action_units_are_shown_not_shown_or_unknown():
    cells = {6: "4+7", 7: "12 or 14", 8: "?", 9: None, 10: "7+14?"}
    rows = [(f"{n:03d}", f"{n:03d}_1_1", read_coding(cell)) for n, cell in cells.items()]
    clips = clip_table(pd.DataFrame(rows, columns=["subject", "clip", "aus"]).assign(dataset="samm"), "test")
    spec = ProtocolSpec(
        name="units", title="Units", summary="x", source={"text": "x"}, task="au-detection", units=(4, 7, 12, 14),
        datasets={"samm": {"title": "SAMM"}}, folds="leave-one-subject-out",
    )  # fmt: skip
    split = make_split(spec, clips)
    nan = float("nan")
    expected = [[1, 1, 0, 0], [0, 0, nan, nan], [nan] * 4, [nan] * 4, [0, 1, 0, nan]]
    assert split.problem == Problem("au-detection", ("4", "7", "12", "14"))
    assert np.array_equal(split.labels, expected, equal_nan=True)
    assert split.truth().truth.tolist() == ["4+7", "- 12? 14?", "- 4? 7? 12? 14?", "- 4? 7? 12? 14?", "7 14?"]
    assert [len(fold.train) for fold in split.folds] == [4] * 5
    assert output_counts(spec, selected(spec, clips)) == [1, 2, 0, 0]
    other = clips.assign(aus=[read_coding("4+7+12"), *clips.aus[1:]])
    outside = clips.assign(aus=[read_coding("4+7+25"), *clips.aus[1:]])  # 25 is not in the protocol
    assert make_split(spec, other).digest() != make_split(spec, clips).digest() == make_split(spec, outside).digest()
    counted = changed(spec, expected={"clips": 159})
    refused(counted, clips.assign(aus=None), "protocol units needs action units, ", "samm")  # before counts
    refused(counted, clips, "5 clips instead of 159")
    every = [f"{n:03d}/{n:03d}_1_1" for n in cells]
    none = changed(spec, left_out=[{"dataset": "samm", "clips": every, "reason": "x"}])
    refused(none, clips, "every clip of samm: leave fewer of its clips out")
