import re
from copy import deepcopy

import pytest
import yaml
from merbench.protocols import megc2019
from sklearn.model_selection import KFold

from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.protocols import ProtocolSpec, load_protocol


def _put(content, keys, value):
    """Return a copy of nested `content` with `value` at the path `keys`."""
    content = deepcopy(content)
    at = content
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return content


@pytest.fixture
def base(small_protocol):
    """Return the content of the small protocol, with clips left out."""
    content = yaml.safe_load(small_protocol.read_text())
    content["left_out"] = [{"dataset": "casme2", "emotions": ["others"], "clips": ["sub04/EP12_01f"], "reason": "why"}]
    return content


@pytest.fixture
def loaded(tmp_path):
    def load(content) -> ProtocolSpec:
        path = tmp_path / "changed.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return load_protocol(path)

    return load


@pytest.fixture
def listing(tmp_path, base):
    """Return a function that writes an official list and the protocol's content with it."""

    def write(text: str):
        (tmp_path / "list.csv").write_text(text)
        return base | {"official_list": "list.csv"}

    return write


ROWS = ["casme2,sub06,EP01_01f,negative", "samm,006,006_1_1,surprise", "smic-hs,s06,s06_po_01,positive"]
HEADER = "dataset,subject,clip,class"


def test_a_fold_rule_may_be_written_as_a_word_or_a_mapping(base, loaded):
    assert loaded(base | {"folds": {"rule": "leave-one-subject-out"}}) == loaded(base)


def test_parts_are_all_and_each_dataset_where_there_are_several(base, loaded):
    assert loaded(base).parts == {"full": "Full", "smic-hs": "SMIC", "casme2": "CASME II", "samm": "SAMM"}
    one = base | {"datasets": {"casme2": base["datasets"]["casme2"]}}
    assert loaded(one).parts == {"full": "Full"}


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("titel",), "x", r"unknown key 'titel' \(did you mean 'title'\?\)"),
        (("datasets", "samm", "clases"), {}, r"unknown key 'datasets.samm.clases' \(did you mean 'classes'\?\)"),
        (("left_out", 0, "emotion"), ["x"], r"unknown key 'left_out.0.emotion' \(did you mean 'emotions'\?\)"),
        (("source", "link"), "x", "unknown key 'source.link'"),
        (
            ("datasets", "samm", "classes", "negative"),
            ["anger", "happiness"],
            "datasets.samm maps .* 'happiness' to two classes",
        ),
        (
            ("datasets", "samm", "classes", "negativ"),
            ["tense"],
            "datasets.samm maps to 'negativ', which is none of negative, pos",
        ),
        (("classes",), ["negative", "positive", "negative"], "classes: each class must be named once"),
        (("classes",), ["negative"], "classes: .*at least 2"),
        (("left_out", 0, "dataset"), "casme", "left_out names the dataset 'casme', which the protocol does not use"),
        (
            ("left_out", 0),
            {"dataset": "samm", "reason": "why"},
            "left_out.0: name the emotions, objective_classes or clips",
        ),
        (("left_out", 0), {"dataset": "samm", "emotions": ["other"]}, "'left_out.0.reason' is missing"),
        (
            ("folds",),
            "leave-one-actor-out",
            "folds: unknown 'leave-one-actor-out' .did you mean 'leave-one-subject-out'",
        ),
        (("folds",), {"rule": "leave-one-subject-out", "k": 3}, r"unknown key 'folds.k' \(known: rule\)"),
        (("folds",), {}, r"folds: name a rule: leave-one-subject-out, or \{rule: subject-k-fold, k: 5\}"),
        (("folds",), None, "folds: name a rule: .*, not None"),
        (("folds",), 5, "folds: name a rule: .*, not 5"),
        (("folds",), ["leave-one-subject-out"], "folds: name a rule: "),
        (("expected",), {"clips": -1}, "expected.clips: .*greater than or equal to 0, not -1"),
        (("expected",), {"datasets": {"samm": -8}}, "expected.datasets.samm: .*greater than or equal to 0, not -8"),
        (
            ("left_out", 0, "emotions"),
            ["others", "happiness"],
            "left_out: 'happiness' of casme2 is left out and mapped to 'positive': one is a slip",
        ),
        (("name",), "Small protocol", "name: protocol name 'Small protocol' must be lower-case [^']*$"),
        (("source",), "our lab", r"source: must be a mapping of keys to values, like \{key: value\}, not 'our lab'"),
        (("datasets", "samm"), "SAMM", "datasets.samm: must be a mapping of keys to values"),
        (("datasets",), ["samm"], "datasets: must be a mapping of keys to values"),
        (("task",), "regression", "task: .*'classification' or 'au-detection', not 'regression'"),
        (("datasets",), {}, "datasets: must have at least one entry"),
        (("expected",), {}, "expected: name clips, subjects, datasets or classes"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(base, loaded, keys, value, said):
    with pytest.raises(MerbenchError, match=said) as caught:
        loaded(_put(base, keys, value))
    assert re.search(r"changed\.yaml(, line \d+)?: ", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "title", "summary", "source", "classes", "datasets", "folds"])
def test_what_a_protocol_must_say_is_asked_for(base, loaded, key):
    with pytest.raises(MerbenchError, match=f"changed.yaml: '{key}' is missing"):
        loaded({k: v for k, v in base.items() if k != key})


def test_text_that_is_no_yaml_is_named_with_its_line(loaded):
    with pytest.raises(MerbenchError, match=r"changed\.yaml, line 3 is not valid YAML"):
        loaded("name: small\ntitle: Small\nclasses: ]\n")


@pytest.mark.parametrize("place", ["../list.csv", "lists/../../list.csv", "/list.csv"])
def test_an_official_list_outside_the_protocols_folder_is_refused(base, loaded, place):
    with pytest.raises(MerbenchError, match=r"changed\.yaml: official_list must lie beside the protocol, not at"):
        loaded(base | {"official_list": place})


def test_an_official_list_is_read_sorted_by_identity(listing, loaded):
    official = loaded(listing("\n".join([HEADER, *ROWS[::-1]]))).official()
    assert [",".join(row) for row in official.to_numpy().tolist()] == ROWS
    assert loaded(listing(HEADER) | {"official_list": None}).official() is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER, ROWS[0], ROWS[0]], "lists twice: casme2/sub06/EP01_01f"),
        ([HEADER, ROWS[0], ROWS[0].replace("negative", "positive")], "lists twice: casme2/sub06/EP01_01f"),
        ([HEADER, ROWS[0].replace("negative", "fear")], "names 'fear', which protocol small does not know"),
        ([HEADER, ROWS[0].replace("casme2", "casme3")], "names 'casme3', which protocol small does not know"),
        (
            [HEADER, ROWS[1], "casme2,sub06", ROWS[2]],
            "names '', which protocol small does not know, in the row 'casme2,sub06,,'",
        ),
        (ROWS, r"must have the columns dataset,subject,clip,class, not casme2,"),
        (["dataset,clip,subject,class", *ROWS], "must have the columns dataset,subject,clip,class, not dataset,clip"),
        ([HEADER, ROWS[0] + ",1,2"], "names "),
        ([""], "can't be read"),
    ],
)
def test_a_damaged_official_list_is_named_with_what_is_wrong(listing, loaded, lines, said):
    with pytest.raises(DataError, match=rf"list\.csv.*{said}"):
        loaded(listing("\n".join(lines))).official()


def test_an_official_list_that_is_not_there_is_named(base, loaded):
    with pytest.raises(DataError, match=r"absent\.csv of protocol small can't be read"):
        loaded(base | {"official_list": "absent.csv"}).official()


def test_an_official_list_needs_the_protocols_file(base):
    with pytest.raises(MerbenchError, match="was not read from a file"):
        ProtocolSpec(**(base | {"official_list": "list.csv"})).official()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("name",), "other"),
        (("title",), "Other"),
        (("summary",), "Other."),
        (("notes",), "Other."),
        (("source", "text"), "Other."),
        (("datasets", "samm", "title"), "Other"),
        (("left_out", 0, "reason"), "another"),
        (("expected",), {"clips": 9, "subjects": 3}),
    ],
)
def test_what_is_only_said_does_not_change_the_digest(base, loaded, keys, value):
    assert loaded(_put(base, keys, value)).spec_digest() == loaded(base).spec_digest()


def test_the_order_in_which_datasets_are_written_does_not_change_the_digest(base, loaded):
    turned = base | {"datasets": dict(reversed(base["datasets"].items()))}
    assert loaded(turned).spec_digest() == loaded(base).spec_digest()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("classes",), ["positive", "negative", "surprise"]),
        (("datasets", "samm", "classes", "negative"), ["anger", "contempt", "disgust", "fear"]),
        (
            ("datasets", "samm", "classes"),
            {"negative": ["anger"], "positive": ["happiness"], "surprise": ["surprise", "fear"]},
        ),
        (("datasets", "casme3"), {"title": "CAS(ME)3", "classes": {"positive": ["happy"]}}),
        (("folds",), "leave-one-database-out"),
        (("transductive",), True),
        (("left_out",), []),
        (("left_out", 0, "emotions"), ["others", "fear"]),
        (("left_out", 0, "clips"), ["sub04/EP12_02f"]),
        (("left_out", 0, "dataset"), "samm"),
    ],
)
def test_what_can_change_a_result_changes_the_digest(base, loaded, keys, value):
    assert loaded(_put(base, keys, value)).spec_digest() != loaded(base).spec_digest()


def test_the_content_of_the_official_list_changes_the_digest_and_its_order_does_not(base, listing, loaded):
    # The list is looked up beside the file whenever it is asked for, so each is digested before the next is written.
    whole = loaded(listing("\n".join([HEADER, *ROWS]))).spec_digest()
    turned = loaded(listing("\n".join([HEADER, *ROWS[::-1]]))).spec_digest()
    part = loaded(listing("\n".join([HEADER, *ROWS[:2]]))).spec_digest()
    assert turned == whole
    assert len({whole, part, loaded(base).spec_digest()}) == 3


def _hold_out(train, test):
    return {"rule": "hold-out", "train": train, "test": test}


AUS = {
    "task": "au-detection",
    "units": [1, 2, 4],
    "classes": None,
    "datasets": {"samm": {"title": "SAMM"}},
    "left_out": [],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"folds": "random"}, "folds: 'random' would put clips of one person on both sides"),
        (
            {"folds": {"rule": "clip-k-fold", "k": 5}},
            "'clip-k-fold' would put .* take leave-one-subject-out, or .*k: 5}$",
        ),
        ({"folds": {"rule": "subject-k-fold"}}, "'folds.k' is missing"),
        ({"folds": {"rule": "subject-k-fold", "k": 1}}, "folds.k: must be greater than or equal to 2, not 1"),
        ({"folds": _hold_out(["samm", "casme2"], ["smic-hs", "samm"])}, "folds: 'samm' is both trained on and tested"),
        ({"folds": _hold_out(["samm"], ["smic-hs"])}, "folds: 'casme2' is neither trained on nor tested"),
        (
            {"folds": _hold_out(["samm", "casme"], ["smic-hs"])},
            "folds.train names the dataset 'casme', which is none of",
        ),
        ({"folds": _hold_out([], ["smic-hs"])}, "folds.train: must have at least one entry"),
        ({"shares_people": "why"}, "shares_people is for hold-out and leave-one-database-out"),
        ({"classes": ["negative", "positive", "surprise", "fear"]}, "no dataset maps anything to the class 'fear'"),
        ({"classes": None}, "'classes' is missing"),
        ({"units": [1]}, "units are for task: au-detection"),
        (
            {"expected": {"datasets": {"casme": 3}}},
            "expected.datasets counts 'casme', which is none of smic-hs, casme2",
        ),
        ({"expected": {"classes": {"fear": 3}}}, "expected.classes counts 'fear', which is none of negative"),
        (AUS | {"units": None}, "'units' is missing: task: au-detection needs"),
        (AUS | {"units": [1, 1]}, "units: each action unit must be named once"),
        (AUS | {"classes": ["a", "b"]}, "classes, their maps, counts and lists are for task: classification"),
        (
            AUS | {"datasets": {"samm": {"title": "SAMM", "classes": {"a": ["b"]}}}},
            "classes, their maps, counts and lists",
        ),
        (AUS | {"labels": "objective_class"}, "labels are mapped to classes"),
        (AUS | {"folds": "leave-one-database-out"}, "leave-one-database-out needs two datasets"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_one_line(base, loaded, change, said):
    content = {key: value for key, value in (base | change).items() if value is not None}
    with pytest.raises(MerbenchError, match=rf"changed\.yaml.*: .*{said}") as caught:
        loaded(content)
    assert "\n" not in str(caught.value)


WRONG = """\
name: wrong
title: Wrong
summary: x
source:
  text: x
classes: [negative, positive]
datasets:
  casme2:
    title: CASME II
    classes:
      negative: [disgust]
      positive: [happiness]
left_out:
  - {dataset: casme2, emotions: [others], reason: why}
  - dataset: casme2
    emotions: [fear]
    reason: why
folds:
  rule: leave-one-subject-out
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("title: Wrong", "titel: Wrong", 2),
        ("  text: x", "  text: x\n  link: y", 6),
        ("[happiness]", "[happiness, disgust]", 12),
        ("      positive: [happiness]", "      positiv: [happiness]", 12),
        ("[negative, positive]", "[negative, positive, surprise]", 6),
        ("  - dataset: casme2", "  - dataset: samm", 15),
        ("    emotions: [fear]", "    emotion: [fear]", 16),
        ("    emotions: [fear]", "    emotions: [fear, disgust]", 16),
        ("    reason: why", "", 15),
        ("rule: leave-one-subject-out", "rule: leave-one-person-out", 18),
        ("rule: leave-one-subject-out", "rule: random", 18),
        ("rule: leave-one-subject-out", "rule: leave-one-subject-out\n  k: 3", 20),
        ("text: x", "text: [x]", 5),
    ],
)
def test_a_mistake_is_named_with_its_line(loaded, old, new, line):
    loaded(WRONG)
    assert WRONG.count(old) == 1
    with pytest.raises(MerbenchError, match=rf"changed\.yaml, line {line}: "):
        loaded(WRONG.replace(old, new))


@pytest.mark.parametrize(
    "change",
    [
        {"folds": {"rule": "subject-k-fold", "k": 3}},
        {"folds": {"rule": "subject-k-fold", "k": 4}},
        {"folds": {"rule": "subject-k-fold", "k": 4, "seed": 2}},
        {"folds": "leave-one-video-out"},
        {"folds": _hold_out(["samm", "casme2"], ["smic-hs"])},
        {"folds": _hold_out(["smic-hs"], ["samm", "casme2"])},
        {"folds": "leave-one-database-out", "shares_people": "why"},
        {"folds": "leave-one-database-out"},
        {"labels": "objective_class"},
        {"left_out": [{"dataset": "samm", "objective_classes": ["VII"], "reason": "why"}]},
        AUS,
        AUS | {"units": [1, 2, 7]},
    ],
)
def test_every_rule_has_a_digest_of_its_own(base, loaded, change, request):
    content = {key: value for key, value in (base | change).items() if value is not None}
    digest = loaded(content).spec_digest()
    assert digest != loaded(base).spec_digest()
    seen = request.config.stash.setdefault(DIGESTS, {})
    assert seen.setdefault(digest, change) == change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("task: au-detection\nunits: [VALUE]", "units.0: "),
        ("folds: {rule: subject-k-fold, k: VALUE}", "folds.k: "),
        ("folds: {rule: subject-k-fold, k: 5, seed: VALUE}", "folds.seed: "),
        ("expected: {clips: VALUE}", "expected.clips: "),
        ("expected: {datasets: {samm: VALUE}}", "expected.datasets.samm: "),
    ],
)
@pytest.mark.parametrize("value", ["010", "0x1F", "0b11", "1_0", "1:30", "1:30.5", "true", "yes", "on", "'3'", "3.0"])
def test_a_number_is_a_plain_decimal_or_an_error_with_its_line(base, loaded, change, said, value):
    content = {name: each for name, each in base.items() if name != change.partition(":")[0]}
    if "au-detection" in change:
        content = {name: each for name, each in (content | AUS).items() if each is not None and name not in change}
    text = yaml.safe_dump(content)
    loaded(text + change.replace("VALUE", "3"))
    with pytest.raises(
        MerbenchError, match=rf"changed\.yaml, line \d+: {said}must be a whole number in plain decimals, not "
    ):
        loaded(text + change.replace("VALUE", value))


DIGESTS = pytest.StashKey[dict]()


@pytest.mark.parametrize(
    "word",
    ["random", "Random", "random_split", "hold-out-random", "KFold", "kfold", "K-Fold", "5-fold", "shuffle",
     "ShuffleSplit", "stratified-k-fold", "train_test_split", "cross-validation", "80/20", "80 / 20"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "{{rule: {}, k: 5}}"])
def test_a_random_split_is_refused_with_the_reason_however_it_is_spelt(base, loaded, word, form):
    text = yaml.safe_dump({name: value for name, value in base.items() if name != "folds"})
    with pytest.raises(MerbenchError, match=f"line .*: folds: '{word}' would put clips of one person on both sides"):
        loaded(f"{text}folds: {form.format(word)}\n")


@pytest.mark.parametrize(
    "word", ["SubjectKFold", "subject_k_fold", "group-k-fold", "GroupShuffleSplit", "leave-one-out"]
)
def test_a_rule_by_people_that_is_misspelt_is_not_called_random(base, loaded, word):
    with pytest.raises(MerbenchError, match=f"folds: unknown '{word}' .(did you mean|known)"):
        loaded(base | {"folds": {"rule": word, "k": 5}})


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), "title"),
        (("summary",), "summary"),
        (("source", "text"), "source.text"),
        (("datasets", "samm", "title"), "datasets.samm.title"),
        (("left_out", 0, "reason"), "left_out.0.reason"),
    ],
)
@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_what_a_reader_is_told_is_not_empty(base, loaded, keys, line, blank):
    with pytest.raises(MerbenchError, match=rf"changed\.yaml, line \d+: {line}: must say something"):
        loaded(_put(base, keys, blank))


def test_a_reason_to_share_people_is_not_blank(base, loaded):
    with pytest.raises(MerbenchError, match="shares_people: must say something"):
        loaded(base | {"folds": "leave-one-database-out", "shares_people": " "})


@pytest.mark.parametrize("title", ["Full", "mean of  Databases", "F1", "always shown", "Clips"])
def test_a_dataset_is_not_called_what_tables_call_their_own_columns(base, loaded, title):
    with pytest.raises(MerbenchError, match=r"line \d+: datasets: the title .* is a part or a column of every table"):
        loaded(_put(base, ("datasets", "samm", "title"), title))


def test_two_datasets_of_one_title_are_named_with_the_line_of_the_second(loaded):
    second = WRONG.replace("left_out:", "  samm:\n    title: casme  II\n    classes: {}\nleft_out:")
    with pytest.raises(MerbenchError, match="line 14: datasets: casme2 and samm have the same title 'casme  II'"):
        loaded(second)


def test_a_reason_to_share_people_is_said_and_only_that_they_are_shared_is_digested(base, loaded):
    specs = [loaded(base | {"folds": "leave-one-database-out", "shares_people": why}) for why in ("one", "the other")]
    assert specs[0].spec_digest() == specs[1].spec_digest()
    assert specs[0].warnings == ["people are shared between training and test: one"]


def test_leave_one_video_out_warns_in_every_table(base, loaded):
    (said,) = loaded(base | {"folds": "leave-one-video-out"}).warnings
    assert said.startswith("subject-dependent: ")
    assert loaded(base).warnings == []


def test_only_tested_datasets_are_parts(base, loaded):
    spec = loaded(base | {"folds": _hold_out(["samm"], ["smic-hs", "casme2"])})
    assert list(spec.parts) == ["full", "smic-hs", "casme2"]
    assert loaded(base | {"folds": _hold_out(["samm", "casme2"], ["smic-hs"])}).parts == {"full": "Full"}


def test_the_protocol_of_committed_results_means_what_it_meant():
    assert load_protocol(megc2019).spec_digest() == "12da40528124184a1d1452b007e0cc61059fd3b4518c03675b114499921204e9"


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("folds",), _hold_out(["samm", "casme2", "samm"], ["smic-hs"]), "folds.*train: 'samm' stands there twice"),
        (("folds",), _hold_out(["samm"], ["casme2", "smic-hs", "casme2"]), "folds.*test: 'casme2' stands there twice"),
        (("left_out", 0, "emotions"), ["others", "others"], "left_out.0.emotions: 'others' stands there twice"),
        (("left_out", 0, "objective_classes"), ["VI", "VI"], "left_out.0.objective_classes: 'VI' stands there twice"),
        (("left_out", 0, "clips"), ["sub01/x"] * 2, "left_out.0.clips: 'sub01/x' stands there twice"),
        (("left_out", 0, "clips"), ["EP02_01f"], "left_out.0.clips: 'EP02_01f' must be subject/clip, like sub01/EP02"),
        (("left_out", 0, "clips"), ["sub01/"], "left_out.0.clips: 'sub01/' must be subject/clip"),
        (("left_out", 0, "clips"), ["sub01/x", "/x"], "left_out.0.clips: '/x' must be subject/clip"),
        (
            ("folds",),
            {"rule": "subject-k-fold", "k": 2, "seed": 2**32},
            "folds.*seed: .*less than or equal to 4294967295",
        ),
    ],
)
def test_names_that_stand_twice_or_can_match_nothing_and_seeds_that_nothing_takes_are_refused(
    base, loaded, keys, value, said
):
    with pytest.raises(MerbenchError, match=said):
        loaded(_put(base, keys, value))


def test_the_largest_seed_deals_people(base, loaded):
    rule = loaded(base | {"folds": {"rule": "subject-k-fold", "k": 2, "seed": 2**32 - 1}}).folds
    assert [len(test) for _, test in KFold(rule.k, shuffle=True, random_state=rule.seed).split(range(4))] == [2, 2]
