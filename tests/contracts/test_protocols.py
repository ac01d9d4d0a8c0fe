import json
import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from merbench.protocols import megc2019

from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.splits.made import crossed, read_family

ROOT = Path(__file__).parents[2] / "protocols"
ROWS = ["casme2,sub06,EP01_01f,negative", "samm,006,006_1_1,surprise", "smic-hs,s06,s06_po_01,positive"]
HEADER = "dataset,subject,clip,class"
AUS = {
    "task": "au-detection",
    "units": [1, 2, 4],
    "classes": None,
    "datasets": {"samm": {"title": "SAMM"}},
    "left_out": [],
}


def put(content, keys, value):
    """Return a copy of nested `content` with `value` at the path `keys`."""
    content = deepcopy(content)
    at = content
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return content


def merged(base, change):
    return {key: value for key, value in (base | change).items() if value is not None}


def hold_out(train, test):
    return {"rule": "hold-out", "train": train, "test": test}


@pytest.fixture
def base(small_protocol):
    """Return the content of the small protocol, with excluded clips."""
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
def refused(loaded):
    """Return what loads a protocol that must be refused: its one line names the file, and matches."""

    def load(content, *said):
        with pytest.raises(MerbenchError) as caught:
            loaded(content)
        line = str(caught.value)
        assert re.search(r"changed\.yaml(, line \d+)?( is|:) ", line)
        assert "\n" not in line
        for text in said:
            assert re.search(text, line), line
        return line

    return load


@pytest.fixture
def listing(tmp_path, base):
    """Return a function that writes an official list and the protocol's content with it."""

    def write(text: str):
        (tmp_path / "list.csv").write_text(text)
        return base | {"official_list": "list.csv"}

    return write


def test_parts_are_those_that_are_tested_of_several_datasets(base, loaded):
    spec = loaded(base)
    assert loaded(base | {"folds": {"rule": "leave-one-subject-out"}}) == spec
    assert spec.parts == {"full": "Full", "smic-hs": "SMIC", "casme2": "CASME II", "samm": "SAMM"}
    assert loaded(base | {"datasets": {"casme2": base["datasets"]["casme2"]}}).parts == {"full": "Full"}
    assert list(loaded(base | {"folds": hold_out(["samm"], ["smic-hs", "casme2"])}).parts) == [
        "full", "smic-hs", "casme2",
    ]  # fmt: skip
    assert loaded(base | {"folds": hold_out(["samm", "casme2"], ["smic-hs"])}).parts == {"full": "Full"}


def test_missing_keys_are_named(base, refused):
    for key in ("name", "title", "summary", "source", "classes", "datasets", "folds"):
        refused({k: v for k, v in base.items() if k != key}, f"'{key}' is missing")
    refused("name: small\ntitle: Small\nclasses: ]\n", "line 3 is not valid YAML")


def test_wrong_keys_and_values_are_named(base, refused):
    exclude, samm = ("left_out", 0), ("datasets", "samm")
    for keys, value, *said in (
        (("titel",), "x", "'titel'", "'title'"),
        ((*samm, "clases"), {}, "'datasets.samm.clases'", "'classes'"),
        ((*exclude, "emotion"), ["x"], "'left_out.0.emotion'", "'emotions'"),
        (("source", "link"), "x", "'source.link'"),
        ((*samm, "classes", "negative"), ["anger", "happiness"], "datasets.samm .*'happiness'"),
        ((*samm, "classes", "negative"), ["anger", "anger"], "datasets.samm .*'anger' to 'negative' twice"),
        ((*samm, "classes", "negativ"), ["tense"], "datasets.samm .*'negativ'.*negative, pos"),
        (("classes",), ["negative", "positive", "negative"], "classes: .*once"),
        (("classes",), ["negative"], "classes: .*at least 2"),
        ((*exclude, "dataset"), "casme", "left_out .*'casme'"),
        (
            exclude,
            {"dataset": "samm", "reason": "why"},
            "left_out.0: .*emotions, .* or subjects",
        ),
        (exclude, {"dataset": "samm", "emotions": ["other"]}, "'left_out.0.reason' is missing"),
        ((*exclude, "emotions"), ["others", "happiness"], "left_out: 'happiness' of casme2 .*'positive'"),
        ((*exclude, "emotions"), ["others", "others"], "left_out.0.emotions: 'others'"),
        ((*exclude, "objective_classes"), ["VI", "VI"], "left_out.0.objective_classes: 'VI'"),
        ((*exclude, "clips"), ["sub01/x"] * 2, "left_out.0.clips: 'sub01/x'"),
        ((*exclude, "clips"), ["EP02_01f"], "left_out.0.clips: 'EP02_01f' .*sub01/EP02"),
        ((*exclude, "clips"), ["sub01/"], "left_out.0.clips: 'sub01/'"),
        ((*exclude, "clips"), ["sub01/x", "/x"], "left_out.0.clips: '/x'"),
        (("expected",), {"clips": -1}, "expected.clips: .*, not -1"),
        (("expected",), {"datasets": {"samm": -8}}, "expected.datasets.samm: .*, not -8"),
        (("expected",), {}, "expected: .*clips, subjects, datasets or classes"),
        (("expected",), {"datasets": {"casme": 3}}, "expected.datasets .*'casme'.*smic-hs, casme2"),
        (("expected",), {"classes": {"fear": 3}}, "expected.classes .*'fear'.*negative"),
        (("name",), "Small protocol", "name: protocol name 'Small protocol' [^']*$"),
        (("source",), "our lab", "source: .*mapping.*'our lab'"),
        (samm, "SAMM", "datasets.samm: .*mapping"),
        (("datasets",), ["samm"], "datasets: .*mapping"),
        (("datasets",), {}, "datasets: .*at least one"),
        (("task",), "regression", "task: .*'classification' or 'au-detection', not 'regression'"),
        (("datasets", "full"), {"title": "x"}, "datasets: .*'full'"),
        (("datasets", "mean"), {"title": "x"}, "datasets: .*'mean'"),
        (("classes",), ["negative", "positive", "surprise", "fear"], "'fear'"),
        (("units",), [1], "units .*au-detection"),
    ):
        refused(put(base, keys, value), *said)


def test_blank_texts_and_titles_of_tables_are_refused(base, refused):
    for blank in ("", " ", "\n"):
        for *keys, where in (
            ("title", "title"),
            ("summary", "summary"),
            ("source", "text", "source.text"),
            ("datasets", "samm", "title", "datasets.samm.title"),
            ("left_out", 0, "reason", "left_out.0.reason"),
        ):
            refused(put(base, keys, blank), rf"line \d+: {where}: ")
    refused(base | {"folds": "leave-one-database-out", "shares_people": " "}, "shares_people: ")
    for title in ("Full", "mean of  Databases", "F1", "always shown", "Clips"):
        refused(put(base, ("datasets", "samm", "title"), title), rf"line \d+: datasets: .*{title}")


def test_wrong_fold_rules_are_named(base, refused):
    rule = "subject-k-fold"
    for folds, *said in (
        ("leave-one-actor-out", "folds: unknown 'leave-one-actor-out'", "'leave-one-subject-out'"),
        ({"rule": "leave-one-subject-out", "k": 3}, "'folds.k'"),
        *(
            (value, "folds: must name a rule, like .*subject-k-fold, k: 5}")
            for value in ({}, None, 5, ["leave-one-subject-out"])
        ),
        ({"rule": rule}, "'folds.k' is missing"),
        ({"rule": rule, "k": 1}, "folds.k: .*, not 1"),
        ({"rule": rule, "k": 2, "seed": 2**32}, "folds.*seed: .*4294967295"),
        (hold_out(["samm", "casme2"], ["smic-hs", "samm"]), "folds: 'samm' "),
        (hold_out(["samm"], ["smic-hs"]), "folds: 'casme2' .*neither"),
        (hold_out(["samm", "casme"], ["smic-hs"]), "folds.train .*'casme'"),
        (hold_out([], ["smic-hs"]), "folds.train: .*at least one"),
        (hold_out(["samm", "casme2", "samm"], ["smic-hs"]), "folds.*train: 'samm'"),
        (hold_out(["samm"], ["casme2", "smic-hs", "casme2"]), "folds.*test: 'casme2'"),
    ):
        refused(base | {"folds": folds}, *said)
    refused(base | {"shares_people": "why"}, "shares_people .*hold-out and leave-one-database-out")
    words = ["random", "Random", "random_split", "hold-out-random", "KFold", "K-Fold", "5-fold", "clip-k-fold",
             "shuffle", "ShuffleSplit", "stratified-k-fold", "train_test_split", "cross-validation",
             "80/20", "80 / 20"]  # fmt: skip
    for word in words:
        for form in (word, {"rule": word, "k": 5}):
            refused(base | {"folds": form}, rf"line \d+: folds: '{word}' .*person.*leave-one-subject-out")
    for word in ("SubjectKFold", "subject_k_fold", "group-k-fold", "GroupShuffleSplit", "leave-one-out"):
        refused(base | {"folds": {"rule": word, "k": 5}}, f"folds: unknown '{word}'")


def test_au_detection_and_classification_do_not_mix(base, refused):
    for change, *said in (
        ({"classes": None}, "'classes' is missing"),
        (AUS | {"units": None}, "'units' is missing"),
        (AUS | {"units": [1, 1]}, "units: .*once"),
        (AUS | {"units": [0]}, "units.0: "),
        (AUS | {"units": [100]}, "units.0: "),
        (AUS | {"classes": ["a", "b"]}, "classes.*classification"),
        (AUS | {"datasets": {"samm": {"title": "SAMM", "classes": {"a": ["b"]}}}}, "classes.*classification"),
        (AUS | {"official_list": "x.csv"}, "classes.*classification"),
        (AUS | {"expected": {"classes": {"a": 1}}}, "classes.*classification"),
        (AUS | {"labels": "objective_class"}, "labels .*classes"),
        (AUS | {"folds": "leave-one-database-out"}, "leave-one-database-out .*two databases"),
    ):
        refused(merged(base, change), *said)


def test_numbers_are_plain_decimals(base, loaded, refused):
    for change, where in (
        ("task: au-detection\nunits: [VALUE]", "units.0: "),
        ("folds: {rule: subject-k-fold, k: VALUE}", "folds.k: "),
        ("folds: {rule: subject-k-fold, k: 5, seed: VALUE}", "folds.seed: "),
        ("expected: {clips: VALUE}", "expected.clips: "),
        ("expected: {datasets: {samm: VALUE}}", "expected.datasets.samm: "),
    ):
        content = {name: each for name, each in base.items() if name != change.partition(":")[0]}
        if "au-detection" in change:
            content = {name: each for name, each in merged(content, AUS).items() if name not in change}
        text = yaml.safe_dump(content)
        loaded(text + change.replace("VALUE", "3"))
        for value in ("010", "0x1F", "1_0", "1:30", "true", "yes", "'3'", "3.0"):
            refused(text + change.replace("VALUE", value), rf"line \d+: {where}.*whole number, like 10")


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


def test_mistakes_are_named_with_their_line(loaded, refused):
    loaded(WRONG)
    for old, new, line in (
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
        ("left_out:", "  samm:\n    title: casme  II\n    classes: {}\nleft_out:", 14),  # two datasets of one title
    ):
        assert WRONG.count(old) == 1
        refused(WRONG.replace(old, new), rf"line {line}: ")


def test_official_lists_are_read_sorted(base, listing, loaded, refused):
    official = loaded(listing("\n".join([HEADER, *ROWS[::-1]]))).official()
    assert [",".join(row) for row in official.to_numpy().tolist()] == ROWS
    assert loaded(base).official() is None
    for place in ("../list.csv", "lists/../../list.csv", "/list.csv"):
        refused(base | {"official_list": place}, f"official_list .*{place}")
    with pytest.raises(MerbenchError, match="file"):
        ProtocolSpec(**(base | {"official_list": "list.csv"})).official()
    with pytest.raises(DataError, match=r"absent\.csv"):
        loaded(base | {"official_list": "absent.csv"}).official()


def test_damaged_official_lists_are_reported(listing, loaded):
    for lines, said in (
        ([HEADER, ROWS[0], ROWS[0]], "casme2/sub06/EP01_01f"),
        ([HEADER, ROWS[0], ROWS[0].replace("negative", "positive")], "casme2/sub06/EP01_01f"),
        ([HEADER, ROWS[0].replace("negative", "fear")], "class 'fear'"),
        ([HEADER, ROWS[0].replace("casme2", "casme3")], "dataset 'casme3'"),
        ([HEADER, ROWS[1], "casme2,sub06", ROWS[2]], "'casme2,sub06,,'"),
        (ROWS, "dataset,subject,clip,class, not casme2,"),
        (["dataset,clip,subject,class", *ROWS], "dataset,subject,clip,class, not dataset,clip"),
        ([HEADER, ROWS[0] + ",1,2"], "row "),
        ([""], "can't be read"),
    ):
        with pytest.raises(DataError, match=rf"list\.csv.*{said}"):
            loaded(listing("\n".join(lines))).official()


def test_texts_and_order_do_not_change_the_digest(base, loaded):
    digest = loaded(base).spec_digest()
    for keys, value in (
        (("name",), "other"),
        (("title",), "Other"),
        (("summary",), "Other."),
        (("notes",), "Other."),
        (("source", "text"), "Other."),
        (("source", "bibtex"), "see2019megc"),
        (("datasets", "samm", "title"), "Other"),
        (("left_out", 0, "reason"), "another"),
        (("expected",), {"clips": 9, "subjects": 3}),
        (("datasets",), dict(reversed(base["datasets"].items()))),
    ):
        assert loaded(put(base, keys, value)).spec_digest() == digest, keys
    one, other = (loaded(base | {"folds": hold_out(t, ["smic-hs"])}) for t in (["samm", "casme2"], ["casme2", "samm"]))
    assert one == other
    shared = [loaded(base | {"folds": "leave-one-database-out", "shares_people": why}) for why in ("one", "other")]
    assert shared[0].spec_digest() == shared[1].spec_digest()


def test_changes_of_meaning_change_the_digest(base, listing, loaded):
    samm = ("datasets", "samm", "classes")
    changes = [
        base,
        put(base, ("classes",), ["positive", "negative", "surprise"]),
        put(base, (*samm, "negative"), ["anger", "contempt", "disgust", "fear"]),
        put(base, samm, {"negative": ["anger"], "positive": ["happiness"], "surprise": ["surprise", "fear"]}),
        put(base, ("datasets", "casme3"), {"title": "CAS(ME)3", "classes": {"positive": ["happy"]}}),
        put(base, ("transductive",), True),
        put(base, ("left_out",), []),
        put(base, ("left_out", 0, "emotions"), ["others", "fear"]),
        put(base, ("left_out", 0, "clips"), ["sub04/EP12_02f"]),
        put(base, ("left_out", 0, "dataset"), "samm"),
        base | {"folds": {"rule": "subject-k-fold", "k": 3}},
        base | {"folds": {"rule": "subject-k-fold", "k": 4}},
        base | {"folds": {"rule": "subject-k-fold", "k": 4, "seed": 2}},
        base | {"folds": "leave-one-video-out"},
        base | {"folds": hold_out(["samm", "casme2"], ["smic-hs"])},
        base | {"folds": hold_out(["smic-hs"], ["samm", "casme2"])},
        base | {"folds": "leave-one-database-out", "shares_people": "why"},
        base | {"folds": "leave-one-database-out"},
        base | {"labels": "objective_class"},
        base | {"left_out": [{"dataset": "samm", "objective_classes": ["VII"], "reason": "why"}]},
        merged(base, AUS),
        merged(base, AUS | {"units": [1, 2, 7]}),
    ]
    digests = [loaded(content).spec_digest() for content in changes]
    assert len(set(digests)) == len(digests)
    # The list is looked up beside the file whenever it is needed, so each is digested before the next is written.
    whole, turned, part = (loaded(listing("\n".join([HEADER, *r]))).spec_digest() for r in (ROWS, ROWS[::-1], ROWS[:2]))
    assert whole == turned
    assert len({whole, part, *digests}) == len(digests) + 2


def test_warnings_of_a_protocol(base, loaded):
    assert loaded(base).warnings == []
    (shared,) = loaded(base | {"folds": "leave-one-database-out", "shares_people": "the  reason"}).warnings
    assert "the reason" in shared
    (dependent,) = loaded(base | {"folds": "leave-one-video-out"}).warnings
    assert "subject-dependent" in dependent


def test_specification_digests_are_those_of_recorded_runs():
    recorded = json.loads(Path(__file__).with_name("spec_digests.json").read_text())
    found = {path.stem: load_protocol(path).spec_digest() for path in ROOT.glob("*.yaml")}
    for path in (ROOT / "families").glob("*.yaml"):
        family = read_family(path)
        found |= {name: family.member(name, str(path)).spec_digest() for name in family.members()}
    found |= {name: crossed(name).spec_digest() for name in recorded if ":" in name}
    assert found == recorded


def test_bibtex_is_looked_up_by_key(base, loaded, tmp_path):
    spec = load_protocol(megc2019)
    assert spec.source.bibtex.startswith("@inproceedings{see2019megc,\n")
    both = loaded(put(base, ("source", "bibtex"), "see2019megc, li2013smic")).source.bibtex
    assert re.findall(r"^@\w+\{(\w+)", both, re.MULTILINE) == ["see2019megc", "li2013smic"]
    own = "@misc{mine,\n  title = {Mine}\n}\n"
    assert loaded(put(base, ("source", "bibtex"), own)).source.bibtex == own
    (tmp_path / "sources.bib").write_text(f"Text before the first entry\n{own}")
    assert loaded(put(base, ("source", "bibtex"), "mine")).source.bibtex == own


def test_unknown_keys_and_damaged_sources_are_reported(base, refused, loaded, tmp_path):
    refused(put(base, ("source", "bibtex"), "see2019meg"), "sources.bib", "'see2019meg'", "'see2019megc'")
    for number, text in enumerate(("@misc{a,\n}\n@misc{a,\n}", "@misc{\n}", "@misc{a,\n  title = {x\n}", b"\xff")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "sources.bib").write_bytes(text if isinstance(text, bytes) else text.encode())
        (folder / "changed.yaml").write_text(yaml.safe_dump(put(base, ("source", "bibtex"), "a")))
        with pytest.raises(MerbenchError, match=r"sources\.bib"):
            load_protocol(folder / "changed.yaml")
