"""How one row differs from another: by part, class, subject and clip; and what must not be compared."""

import io
import json

import pytest
from rich.console import Console

from merbench.analysis.explain import as_json, explain_rows, find_row
from merbench.contracts.errors import MerbenchError
from merbench.records.select import read_runs
from merbench.report.views.explain import print_explanation


def explained(record, one, two, **options):
    runs = read_runs(record.results)
    return explain_rows(find_row(runs, one), find_row(runs, two), **options)


def as_record(found):
    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(as_json(found), parse_constant=refuse)


def printed(found, width=None, most=10):
    out = io.StringIO()
    print_explanation(found, Console(file=out, highlight=False, width=width or 120, force_terminal=width is not None,
                                     color_system=None, _environ={}), most)  # fmt: skip
    return out.getvalue()


# UF1 of `answers` is 25/36 (see test_compare.py), of `right` 1, of `wrong` (all negative) 8/11/3 = 8/33.
def test_two_rows_worked_out_by_hand(record, answers, right):
    record(answers, method="a")
    record(right, method="b")
    found = as_record(explained(record, "a", "b"))
    full, alpha, beta = found["parts"]
    assert [part["part"] for part in (full, alpha, beta)] == ["full", "alpha", "beta"]
    assert (full["uf1_one"], full["uf1_two"]) == (pytest.approx(25 / 36), 1)
    assert full["uf1_difference"] == pytest.approx(-11 / 36)
    assert full["uar_difference"] == pytest.approx(-1 / 4)
    # s1 and t1 differ, s2 does not: 2 of 4 swaps differ as much as was seen. One subject of beta alone: always.
    assert full["uf1_p"] == pytest.approx(0.5, abs=0.03)
    assert (beta["uf1_p"], beta["uf1_low"], beta["clips"]) == (1, None, 3)
    # negative: 3 of 4 found, F1 3/4; positive: 1 of 2, F1 2/3; surprise: 1 of 1, F1 2/3
    by_class = {each["class"]: each for each in found["classes"]}
    assert [by_class[name]["recall_one"] for name in ("negative", "positive", "surprise")] == [0.75, 0.5, 1.0]
    assert [by_class[name]["f1_one"] for name in by_class] == pytest.approx([3 / 4, 2 / 3, 2 / 3])
    assert [each["f1_two"] for each in found["classes"]] == [1, 1, 1]
    assert [each["clips"] for each in found["classes"]] == [4, 2, 1]
    assert found["confusion_difference"]["clips"] == [[-1, 0, 1], [1, -1, 0], [0, 0, 0]]
    assert [(each["subject"], each["change"]) for each in found["subjects"]] == [("s1", -1), ("t1", -1), ("s2", 0)]
    moved = [(each["clip"], each["said"], each["other_said"]) for each in found["clips"]]
    assert moved == [("c2", "negative", "positive"), ("c1", "surprise", "negative")]
    assert (found["forced_despite"], found["clips_left_out"]) == ([], 0)


def test_rows_of_other_seeds_and_sanity_rows_are_called_so(record, answers, right):
    record(answers, method="a", seed=1)
    record(right, method="b", sanity=True)
    text = printed(explained(record, "a", "b"))
    assert "seeds: A 1 | B 0" in text
    assert "B  b [sanity row]: b-toys-s0" in text
    assert "A  a: a-toys-s1" in text


def test_what_the_rows_have_in_common_is_told_item_by_item(record, answers, right):
    record(answers, method="a", code="one")
    record(right, method="b", code="two", data="elsewhere", variant="x=1")
    agree = {each["what"]: each["agree"] for each in as_record(explained(record, "a", "b"))["agreement"]}
    assert agree == {
        "protocol": True, "split": True, "inputs": True, "selection": True, "libraries": True, "seeds": True,
        "data": False, "method": False, "settings": False,
    }  # fmt: skip
    text = printed(explained(record, "a", "b"))
    assert "the same: protocol, split, inputs, selection, libraries, seeds" in text
    assert "data: A toy-data, " in text
    assert "| B elsewhere, " in text


DEPENDENT = "subject-dependent: other clips of the tested person are in training"


def test_what_the_protocol_warns_of_and_made_data_are_said_in_text_and_json(record, answers, right):
    for made, method in ((answers, "a"), (right, "b")):
        record(made, method=method, warnings=[DEPENDENT], synthetic=True)
    found = explained(record, "a", "b")
    text = printed(found)
    assert text.count("toys on toy-data, synthetic data, subject-dependent (protocol ") == 1
    for letter in "AB":
        assert f"{letter}: {DEPENDENT}" in text
        assert f"{letter}: synthetic data" in text
    for row in (as_record(found)["one"], as_record(found)["two"]):
        assert (row["protocol"], row["data"], row["synthetic"]) == ("toys", "toy-data", True)
        assert row["warnings"] == [DEPENDENT]


def test_each_row_has_its_own_title_where_they_do_not_rank_together(record, answers, right):
    record(answers, method="a")
    record(right, method="b", synthetic=True)
    text = printed(explained(record, "a", "b", force=True))
    assert "A under toys on toy-data (protocol " in text
    assert "B under toys on toy-data, synthetic data (protocol " in text


def test_a_method_means_all_its_seeds_and_a_run_that_seed_alone(record, answers, right, wrong):
    first = record(answers, seed=0)
    record(right, seed=1)
    record(wrong, method="other")
    found = explained(record, "toy", "other")
    assert found.seeds[0] == pytest.approx([25 / 36, 1])
    assert found.parts[0].uf1[0] == pytest.approx(61 / 72)
    assert as_record(found)["one"]["seed_sd"] == pytest.approx(11 / 36 / 2**0.5)
    assert "A ±.216 (.6944 to 1.0000, 2 seeds); B unknown, it has one seed" in printed(found)
    alone = explained(record, first.name[:-3], "other")
    assert alone.seeds[0] == pytest.approx([25 / 36])
    assert [run.file.run_id for run in alone.one.runs] == [first.name]


def test_names_that_mean_nothing_or_too_much_are_refused(record, answers, right):
    record(answers, variant="epochs=1")
    record(right, variant="epochs=5")
    record(right, method="other")
    for name, words in {
        "toy": "could be any of toy",
        "toy-": "could be any of toy-toys-s0-",
        "othr": "no recorded method or run is called 'othr' .did you mean 'other'",
    }.items():
        with pytest.raises(MerbenchError, match=words):
            explained(record, name, "other")
    assert explained(record, "toy (epochs=5)", "other").one.label == "toy (epochs=5)"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"admissions": ["transductive"]}, "one card discloses more than the other (transductive)"),
        ({"synthetic": True}, "one is on synthetic data"),
        ({"protocol": "others"}, "the protocols are called toys and others"),
        ({"folds": ["alpha/s1"]}, "b: seed 0 has 1 of 3 folds"),
    ],
)
def test_what_does_not_rank_together_is_refused_and_compared_when_forced(record, answers, right, change, words):
    record(answers, method="a")
    record(right, method="b", **change)
    with pytest.raises(MerbenchError) as refused:
        explained(record, "a", "b")
    assert words in str(refused.value)
    assert "--force" in str(refused.value)
    found = explained(record, "a", "b", force=True)
    assert words in " ".join(found.against)
    assert f"forced although {words}" in printed(found)
    assert found.parts[0].difference.clips == (2 if "folds" in change else 7)


def test_forced_rows_are_compared_over_the_clips_that_both_have_with_the_same_class(record, answers, right):
    record(answers, method="a")
    changed = dict(list(right.items())[:-1]) | {"beta/t1/c2": ("positive", "positive")}
    record(changed, method="b")
    with pytest.raises(MerbenchError, match="clips, labels or folds differ"):
        explained(record, "a", "b")
    found = explained(record, "a", "b", force=True)
    assert (found.parts[0].difference.clips, found.left_out) == (5, 2)
    assert "left out, since only one has them, or with another class there: 2 clips" in printed(found)


def test_without_a_clip_in_common_even_force_is_refused(record, answers):
    record(answers, method="a", folds=["alpha/s1"])
    record(answers, method="b", folds=["alpha/s2"])
    with pytest.raises(MerbenchError, match="no clip in common"):
        explained(record, "a", "b", force=True)


@pytest.mark.parametrize("width", [80, 120, None])
def test_it_fits_a_terminal_and_lists_no_more_than_was_asked_for(record, answers, wrong, width):
    record(wrong, method="[bold]x")
    record(answers, method="b")
    text = printed(explained(record, "[bold]x", "b"), width, most=1)
    if width:
        assert all(len(line.rstrip()) <= width for line in text.splitlines())
    flat = " ".join(text.split())
    assert "the 1 that moved most" in flat
    for words in ("[bold]x", "UF1 and UAR: A minus B", "Classes", "Confusion of A minus that of B"):
        assert words in flat


def test_of_many_databases_the_p_values_are_adjusted(record):
    names = [f"{dataset}/s{s}/c{c}" for dataset in ("x", "y") for s in range(6) for c in range(3)]
    truth = {name: ("negative", "positive", "surprise")[int(name[-1])] for name in names}
    turned = {"negative": "positive", "positive": "surprise", "surprise": "negative"}
    record({name: (said, said) for name, said in truth.items()}, method="a")
    record({name: (said, turned[said]) for name, said in truth.items()}, method="b")
    full, x, y = explained(record, "a", "b").parts
    # two of 2**6 ways to swap the six subjects of a database differ as much: 1/32, times two
    assert (x.uf1_p, y.uf1_p) == (pytest.approx(1 / 16, abs=0.01), pytest.approx(1 / 16, abs=0.01))
    assert full.uf1_p < 0.005
