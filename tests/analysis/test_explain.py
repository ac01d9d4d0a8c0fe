"""How one row differs from another: by part, class, subject and clip; and which rows can't be compared."""

import pytest
from support.cases import each
from support.tables import printed, strictly, texts

from merbench.analysis.explain import explain_rows, find_rows
from merbench.contracts.errors import MerbenchError
from merbench.report.views.explain import explanation_report


def explained(record, one="a", two="b", **options):
    runs = record.held()
    return explain_rows(*find_rows(runs, one, two), **options)


def facts(found):
    """Return the first table: fact -> its values."""
    return {name: values for name, *values in texts(explanation_report(found, 10).tables[0])}


# UF1 of `answers` is 25/36 (see test_compare.py), of `right` 1, of `wrong` (all negative) 8/11/3 = 8/33.
def test_two_rows_worked_out_by_hand(record, answers, right):
    record(answers, method="a")
    record(right, method="b")
    found = strictly(explanation_report(explained(record, "a", "b"), 10))
    full, alpha, beta = found["parts"]
    assert [part["part"] for part in (full, alpha, beta)] == ["full", "alpha", "beta"]
    values = [full[name] for name in ("uf1_one", "uf1_two", "uf1_difference", "uar_difference")]
    assert values == pytest.approx([25 / 36, 1, -11 / 36, -1 / 4])
    # s1 and t1 differ, s2 does not: 2 of 4 swaps differ as much as was seen. One subject of beta alone: always.
    assert full["uf1_p"] == pytest.approx(0.5, abs=0.03)
    assert (beta["uf1_p"], beta["uf1_low"], beta["clips"]) == (1, None, 3)
    # negative: 3 of 4 found, F1 3/4; positive: 1 of 2, F1 2/3; surprise: 1 of 1, F1 2/3
    by_class = {each["class"]: [each[name] for name in ("clips", "recall_one", "f1_two")] for each in found["classes"]}
    assert by_class == {"negative": [4, 0.75, 1], "positive": [2, 0.5, 1], "surprise": [1, 1, 1]}
    assert [each["f1_one"] for each in found["classes"]] == pytest.approx([3 / 4, 2 / 3, 2 / 3])
    assert found["confusion_difference"]["clips"] == [[-1, 0, 1], [1, -1, 0], [0, 0, 0]]
    assert [(each["subject"], each["change"]) for each in found["subjects"]] == [("s1", -1), ("t1", -1), ("s2", 0)]
    moved = [(each["clip"], each["said"], each["other_said"]) for each in found["clips"]]
    assert moved == [("c2", "negative", "positive"), ("c1", "surprise", "negative")]
    assert (found["forced_despite"], found["clips_left_out"]) == ([], 0)


def test_differing_settings_warnings_and_data_are_shown(record, answers, right):
    dependent = "subject-dependent: the person who is tested is also trained on"
    shared = {"warnings": [dependent], "synthetic": True}
    record(answers, method="a", code="one", seed=1, **shared)
    record(right, method="b", code="two", data="elsewhere", variant="x=1", sanity=True, **shared)
    found = explained(record)
    report = explanation_report(found, 10)
    agree = {each["what"]: each["agree"] for each in strictly(report)["agreement"]}
    equal = ["protocol", "split", "inputs", "selection", "merbench code"]
    assert agree == dict.fromkeys(equal, True) | dict.fromkeys(["data", "method", "settings", "seeds"], False)
    assert set(facts(found)) == {"row", "runs", "ranked under", "data", "method", "settings", "seeds"}
    assert facts(found)["row"] == ["a", "b (x=1) [sanity row]"]
    assert facts(found)["seeds"] == ["1", "0"]
    (legend,) = report.tables[0].legend
    assert all(name in legend for name in equal)
    notes = [note.text for note in report.tables[0].notes]
    assert {"A: synthetic data", *(f"{letter}: {dependent}" for letter in "AB")} <= set(notes)
    for row, data in ((strictly(report)["one"], "toy-data"), (strictly(report)["two"], "elsewhere")):
        assert (row["protocol"], row["data"], row["synthetic"], row["warnings"]) == ("toys", data, True, [dependent])


def test_a_method_stands_for_all_its_seeds_and_a_run_for_one(record, answers, right, wrong):
    first = record(answers, seed=0)
    record(right, seed=1)
    record(wrong, method="other")
    found = explained(record, "toy", "other")
    assert found.seeds[0] == pytest.approx([25 / 36, 1])
    assert found.parts[0].uf1[0] == pytest.approx(61 / 72)
    assert strictly(explanation_report(found, 10))["one"]["seed_sd"] == pytest.approx(11 / 36 / 2**0.5)
    assert "A .216 (.6944 to 1.0000, 2 seeds)" in explanation_report(found, 10).tables[1].legend[0]
    alone = explained(record, first.name[:-3], "other")
    assert alone.seeds[0] == pytest.approx([25 / 36])
    assert [run.file.run_id for run in alone.one.runs] == [first.name]


def test_unknown_and_ambiguous_names_are_refused(record, answers, right):
    record(answers, variant="epochs=1")
    record(right, variant="epochs=5")
    record(right, method="other")
    cases = {"toy": "ambiguous: toy ", "toy-": "ambiguous: toy-toys-s0-", "othr": "'othr' .did you mean 'other'"}
    for name, words in cases.items():
        with pytest.raises(MerbenchError, match=words):
            explained(record, name, "other")
    assert explained(record, "toy (epochs=5)", "other").one.label == "toy (epochs=5)"


CHANGES = (
    ({"admissions": ["transductive"]}, "transductive"),
    ({"synthetic": True}, "synthetic"),
    ({"protocol": "others"}, "toys and others"),
    ({"folds": ["alpha/s1"]}, "c: seed 0 has 1 of 3 folds"),
)


def test_rows_that_do_not_rank_together_need_force(record, answers, right):
    record(answers, method="a")
    for other, (change, words) in zip("wxyc", each(CHANGES), strict=True):
        record(right, method=other, **change)
        with pytest.raises(MerbenchError, match="--force") as refused:
            explained(record, "a", other)
        assert words in str(refused.value)
        found = explained(record, "a", other, force=True)
        assert words in " ".join(found.against)
        assert words in " ".join(note.text for note in explanation_report(found, 10).tables[0].notes)
        assert found.parts[0].difference.clips == (2 if "folds" in change else 7)
        one, two = facts(found)["ranked under"]
        assert (one == two) is ("folds" in change)


def test_forced_rows_are_compared_on_their_common_clips(record, answers, right):
    record(answers, method="a")
    record(dict(list(right.items())[:-1]) | {"beta/t1/c2": ("positive", "positive")}, method="b")
    with pytest.raises(MerbenchError, match="clips, labels or folds differ"):
        explained(record)
    found = explained(record, force=True)
    assert (found.parts[0].difference.clips, found.excluded) == (5, 2)
    notes = explanation_report(found, 10).tables[0].notes
    assert any(note.kind == "excluded" and "2 clips" in note.text for note in notes)
    for method, fold in (("c", "alpha/s1"), ("d", "alpha/s2")):
        record(answers, method=method, folds=[fold])
    with pytest.raises(MerbenchError, match="no clips in common"):
        explained(record, "c", "d", force=True)


def test_an_explanation_fits_and_is_shortened_on_request(record, answers, wrong):
    record(wrong, method="[bold]x")
    record(answers, method="b")
    report = explanation_report(explained(record, "[bold]x", "b"), 1)
    for width in (80, 120, None):
        text = printed(report, width)
        assert width is None or max(map(len, text.splitlines())) <= width
        assert "[bold]x" in text
    assert [len(texts(table)) for table in report.tables[-2:]] == [1, 1]
    assert "the 1 largest changes" in report.tables[-1].title


def test_of_many_databases_the_p_values_are_adjusted(record):
    names = [f"{dataset}/s{s}/c{c}" for dataset in ("x", "y") for s in range(6) for c in range(3)]
    truth = {name: ("negative", "positive", "surprise")[int(name[-1])] for name in names}
    turned = {"negative": "positive", "positive": "surprise", "surprise": "negative"}
    record({name: (said, said) for name, said in truth.items()}, method="a")
    record({name: (said, turned[said]) for name, said in truth.items()}, method="b")
    full, x, y = explained(record).parts
    # two of 2**6 ways to swap the six subjects of a database differ as much: 1/32, times two
    assert (x.uf1_p, y.uf1_p) == (pytest.approx(1 / 16, abs=0.01), pytest.approx(1 / 16, abs=0.01))
    assert full.uf1_p < 0.005


def test_a_method_is_compared_with_itself_on_another_release(record, answers, right):
    record(answers, method="a", data="one")
    record(right, method="a", data="two")
    assert facts(explained(record, "a on one", "a on two"))["data"][0].startswith("one, ")
    with pytest.raises(MerbenchError, match=r"'a' is ambiguous: a on one \(toys, .*, a on two \(toys"):
        explained(record, "a", "a")
    record(right, method="b", data="two")
    for one, two in (("a", "b"), ("b", "a")):  # the one on the data of the other
        assert facts(explained(record, one, two))["runs"][one == "b"].startswith("a-toys-s0")
        assert "data" not in facts(explained(record, one, two))
