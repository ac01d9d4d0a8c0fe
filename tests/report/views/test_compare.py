"""The comparison: figures, ranks, marks, groups and notes. Its layout is in the golden files."""

import csv
import io
import json
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score
from support.cases import each
from support.damage import flip
from support.recording import Recorder, run_file, run_key
from support.tables import notes_of, printed, strictly, texts

from merbench.analysis.claims.published import published_rows
from merbench.analysis.held import hold_all
from merbench.analysis.rows import FIELDS, measured_rows
from merbench.engine.plan.truths import truths
from merbench.records.declared import Declared
from merbench.records.entries import write_entry
from merbench.records.read import RecordedRun, read_run
from merbench.records.select import read_entries, read_leaderboard, read_runs
from merbench.records.states import FILE, State, state_of
from merbench.report.views.compare import best_two, comparison, groups, ranks
from merbench.report.write import write


def rows_of(record, **options):
    return strictly(record.compared(**options))


def full_of(record, **options):
    """Return the rows of all parts together, by method."""
    return {row["method"]: row for row in rows_of(record, **options) if row["part"] == "full"}


def lines_of(record):
    """Return the texts of all rows of all tables."""
    return [line for table in record.compared().tables for line in texts(table)]


# Three subjects: s1 and s2 of alpha, t1 of beta. Pooled over all: negative has 4 clips, 3 found, 1 taken for surprise;
# positive 2, 1 found, 1 taken for negative; surprise 1, found.
#   F1: negative 2*3/(2*3 + 1 + 1) = 3/4, positive 2/(2 + 0 + 1) = 2/3, surprise 2/(2 + 1 + 0) = 2/3
#   UF1 = (3/4 + 2/3 + 2/3)/3 = 25/36; UAR = (3/4 + 1/2 + 1)/3 = 3/4; accuracy 5/7
# alpha: negative 2 of 2 and one false positive, positive 1 of 2; it has no surprise, so that two classes count.
#   UF1 = (4/5 + 2/3)/2 = 11/15; UAR = (1 + 1/2)/2 = 3/4; accuracy 3/4
# beta: negative 1 of 2, surprise 1 of 1 and one false positive.
#   UF1 = (2/3 + 2/3)/2 = 2/3; UAR = (1/2 + 1)/2 = 3/4; accuracy 2/3
# The interval: beta has one subject, who is always drawn, so it has none of its own. Of alpha's two subjects, two are
# drawn: both s1 (probability 1/4), one of each (1/2), both s2 (1/4); of two subjects the ends of the interval are the
# smallest and largest of the three values.
#   alpha, s1 twice: negative 2 of 2 with two false positives, positive 0 of 2: UF1 = (2/3 + 0)/2 = 1/3, UAR 1/2;
#   s2 twice: all right, 1 and 1.
#   full, s1 twice and t1: negative 3 of 4 with two false positives 6/9, positive 0, surprise 2/3: UF1 = 4/9,
#   UAR = (3/4 + 0 + 1)/3 = 7/12; s2 twice and t1: negative 3 of 4 6/7, positive 1, surprise 2/3: UF1 = 53/63,
#   UAR = 11/12.
BY_HAND = {
    "full": {"clips": 7, "classes_scored": 3, "uf1": 25 / 36, "uf1_low": 4 / 9, "uf1_high": 53 / 63,
             "uar": 3 / 4, "uar_low": 7 / 12, "uar_high": 11 / 12, "acc": 5 / 7},
    "alpha": {"clips": 4, "classes_scored": 2, "uf1": 11 / 15, "uf1_low": 1 / 3, "uf1_high": 1.0,
              "uar": 3 / 4, "uar_low": 1 / 2, "uar_high": 1.0, "acc": 3 / 4},
    "beta": {"clips": 3, "classes_scored": 2, "uf1": 2 / 3, "uf1_low": None, "uf1_high": None,
             "uar": 3 / 4, "uar_low": None, "uar_high": None, "acc": 2 / 3},
}  # fmt: skip


def test_a_small_table_computed_by_hand(record, answers):
    folder = record(answers)
    rows = rows_of(record)
    lines = list(csv.DictReader(io.StringIO(write(record.compared(), "csv"))))
    assert [row["part"] for row in rows] == [line["part"] for line in lines] == ["full", "alpha", "beta"]
    for row, line in zip(rows, lines, strict=True):
        by_hand = BY_HAND[row["part"]]
        assert list(row) == list(line) == list(FIELDS)
        assert {name: row[name] for name in by_hand} == pytest.approx(by_hand, abs=1e-6)
        assert {name: float(line[name]) if line[name] else None for name in by_hand} == pytest.approx(by_hand, abs=1e-6)
        assert {name: value for name, value in row.items() if name not in by_hand} == {
            "method": "toy", "config": "default", "variant": "", "protocol": "toys", "task": "classification",
            "data": "toy-data", "synthetic": False, "part": row["part"], "selection": "last", "origin": "measured",
            "status": "complete", "folds": 3, "seeds": 1, "seed_sd": None, "run_ids": [folder.name], "p_best": None,
            "sanity": False, "compared_with": "the clips of the test",
        }  # fmt: skip
        assert (line["seed_sd"], line["synthetic"], line["run_ids"]) == ("", "false", folder.name)
    (cells,) = record.compared().tables[0].sections[0].rows
    assert [cell.text for cell in cells[2:8]] == [".6944", ".7500", ".7333", ".7500", ".6667", ".7500"]
    assert [cell.detail for cell in cells[2:8]] == [".444–.841", ".583–.917", ".333–1.000", ".500–1.000", "", ""]
    assert [cell.text for cell in cells[8:]] == [".7143", "7", "3", "1"]


def test_seeds_are_averaged_with_their_spread(record, answers, right):
    record(answers, seed=0)
    record(right, seed=3)
    full = full_of(record)["toy"]
    # UF1 25/36 and 1: mean 61/72, and the standard deviation of two values is their difference over the root of two;
    # the same subjects are drawn for both seeds: (4/9 + 1)/2 and (53/63 + 1)/2
    found = [full[name] for name in ("uf1", "seed_sd", "acc", "uf1_low", "uf1_high")]
    assert found == pytest.approx([61 / 72, 11 / 36 / 2**0.5, 6 / 7, 13 / 18, 58 / 63], abs=1e-6)
    assert (full["seeds"], full["clips"], len(full["run_ids"])) == (2, 7, 2)
    assert lines_of(record)[0][-1] == "2 ±.216"
    record(answers, method="sure", seed=0, deterministic=True, folds=["alpha/s1"])
    whole = [record(answers, method="sure", seed=seed, deterministic=True).name for seed in (1, 2)]
    sure = full_of(record)["sure"]  # of a deterministic method one complete seed counts
    assert (sure["status"], sure["seeds"], sure["run_ids"][0] in whole) == ("complete", 1, True)


def test_rows_are_ranked_by_uf1_and_the_best_two_marked(record, answers, right, wrong):
    record(wrong, method="worst")
    record(right, method="incomplete", folds=["alpha/s1", "beta/t1"])
    record(answers, method="middle")
    record(right, method="best")
    rows, _ = record.rows()
    assert [row.label for row in rows] == ["best", "middle", "worst", "incomplete"]
    assert ranks(rows) == {0: 1, 1: 2, 2: 3}
    assert [line[:2] for line in lines_of(record)] == [
        ["1", "best"], ["2", "middle"], ["3", "worst"], ["–", "incomplete"]
    ]  # fmt: skip
    (table,) = record.compared().tables
    assert [[cell.place for cell in row[2:8]] for row in table.sections[0].rows] == [[1] * 6, [2] * 6, [0] * 6, [0] * 6]


def test_values_that_print_alike_share_a_place(record, answers):
    values = {"a": 0.70004, "b": 0.69996, "c": 0.69994, "d": 0.6998, "e": 0.5}
    for method in values:
        record(answers, method=method)
    rows = [
        replace(row, scores=row.scores | {"full": replace(row.scores["full"], uf1=values[row.label])})
        for row in record.rows()[0]
    ]
    assert (best_two(rows, "full", "uf1"), best_two(rows[:1], "full", "uf1")) == ([".7000", ".6999"], [".7000"])
    (table,) = comparison(rows).tables
    assert [(row[2].text, row[2].place) for row in table.sections[0].rows] == [
        (".7000", 1), (".7000", 1), (".6999", 2), (".6998", 0), (".5000", 0)
    ]  # fmt: skip


def test_missing_and_failed_folds_are_visible_and_take_the_rank(record, answers, right):
    record(answers, folds=["alpha/s1", "beta/t1"])
    assert {(row["part"], row["status"], row["folds"], row["clips"]) for row in rows_of(record)} == {
        ("full", "partial", 2, 5), ("alpha", "partial", 2, 2), ("beta", "partial", 2, 3)
    }  # fmt: skip
    (line,) = lines_of(record)
    assert (line[0], line[-3:]) == ("–", ["5/7", "2/3", "1"])
    assert "toy: not ranked: seed 0 has 2 of 3 folds" in notes_of(record.compared())
    record(right, seed=1, method="other")
    record(right, seed=2, method="other", folds=["alpha/s1"])
    full = full_of(record)["other"]
    assert (full["status"], full["seeds"], full["folds"], full["clips"]) == ("partial", 2, 1, 2)
    assert ranks(record.rows()[0]) == {}
    record(answers, method="less", folds=["alpha/s1"])
    (beta,) = [row for row in rows_of(record) if (row["method"], row["part"]) == ("less", "beta")]
    assert (beta["clips"], beta["classes_scored"]) == (0, 0)
    undefined = ("uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc", "seed_sd")
    assert {beta[name] for name in undefined} == {None}
    assert [line[6:8] for line in lines_of(record) if line[1] == "less"] == [["–", "–"]]
    record(answers, method="failing", failing={"alpha/s2": "no face", "beta/t1": "no face either"})
    found = [(row["status"], row["folds"]) for row in rows_of(record) if row["method"] == "failing"]
    assert set(found) == {("failed", 1)}
    assert "alpha/s2: ValueError: no face and 1 more" in notes_of(record.compared())


def test_damaged_files_are_named_and_not_counted(record, answers, right):
    partial = record(right, method="partial", folds=["alpha/s1", "alpha/s2"])
    whole, gone = record(answers, method="whole"), record(right, method="gone")
    before = full_of(record)
    flip("predictions.parquet")(partial / "folds" / "alpha--s2")
    flip("predictions.parquet")(whole)
    (gone / "run.json").write_text("{", encoding="utf-8")
    found = full_of(record)
    assert [found["partial"][name] for name in ("status", "folds", "clips")] == ["partial", 1, 2]
    assert found["whole"] | {"status": "complete", "p_best": None} == before["whole"] | {"p_best": None}
    assert (set(found), ranks(record.rows()[0])) == ({"partial", "whole"}, {})
    text = printed(record.compared())
    for path in ("alpha--s2/predictions.parquet", f"{whole.name}/predictions.parquet", f"{gone.name}/run.json"):
        assert path in text
    mark = whole / "folds" / "beta--t1" / "record.json"
    mark.write_bytes(mark.read_bytes()[:-2])
    assert [full_of(record)["whole"][name] for name in ("status", "folds")] == ["partial", 2]
    assert str(mark) in printed(record.compared())


def test_folds_computed_with_different_packages_are_flagged(record, answers, monkeypatch):
    versions = cycle(["1.0", "2.0"])
    monkeypatch.setattr("merbench.engine.environment.packages", lambda: {"numpy": next(versions)})
    record(answers)
    assert "toy: folds differ in numpy" in notes_of(record.compared())


CHANGES = (
    ({"data": "another copy"}, -1, {}, True, "of 6 in 3"),
    ({}, None, {"beta/t1/c2": ("positive", "positive")}, True, "split"),
    ({"protocol": "others"}, None, {}, True, ""),
    ({"synthetic": True, "data": "synthetic-small"}, None, {}, True, "synthetic data"),
    ({"admissions": ["transductive"]}, None, {}, True, "transductive"),
    ({"remark": "a reconstruction"}, None, {}, False, "b: a reconstruction"),
)


def test_rows_rank_together_only_if_they_are_comparable(tmp_path, answers, right):
    for number, (fields, most, relabelled, apart, words) in enumerate(each(CHANGES)):
        record = Recorder(tmp_path / str(number))
        record(answers, method="a")
        record(dict(list(right.items())[:most]) | relabelled, method="b", **fields)
        found = sorted(sorted(row.label for row in group) for group in groups(record.rows()[0]))
        assert found == ([["a"], ["b"]] if apart else [["a", "b"]])
        assert [line[0] for line in lines_of(record)] == (["1", "1"] if apart else ["1", "2"])
        assert words in notes_of(record.compared()) + "".join(table.title for table in record.compared().tables)


def test_rows_whose_card_says_so_are_shown_without_rank_or_test(record, answers, right):
    record(answers, method="plain")
    record(right, method="known", not_ranked=["settings known from test clips"])
    rows, _ = record.rows()
    assert [(row.label, row.ranked, row.p_best) for row in rows] == [("plain", True, None), ("known", False, None)]
    assert [line[0] for line in lines_of(record)] == ["1", "–"]
    assert "known: not ranked: settings known from test clips" in notes_of(record.compared())
    assert full_of(record)["known"]["not_ranked"] == ["settings known from test clips"]
    assert "not_ranked" not in full_of(record)["plain"]


ABOUT = {"protocol": "toys", "parts": {"full": "Full"}, "data": "toy-data", "folds": {}}


def test_committed_rows_are_ranked_if_they_were_declared(record, answers, right, wrong, tmp_path):
    record(answers, method="sure", deterministic=True)
    record(right, method="sure", deterministic=True, config_name="tuned", code="tuned")
    for seed in (0, 1):
        record(wrong, method="random", seed=seed)
    record(right, method="single")
    record(right, method="sure", deterministic=True, selection="inner")
    for run in read_runs(record.results):
        verified(write_entry(run, tmp_path / "committed"))
    record(right, method="own")
    runs = hold_all(read_entries(tmp_path / "committed") + read_runs(record.results).where(method="own"), truths())
    declared = Declared(primary=("sure", "random", "single"))
    rows, _ = measured_rows(runs, declared=declared)
    found = {row.label.partition(" [")[0]: row for row in rows}
    assert {label: row.unranked for label, row in found.items()} == {
        "sure": [], "random": [], "own": [], "single": ["one seed of a random method"],
        "sure (tuned)": ["not a declared row"], "sure (inner epoch)": ["not a declared row"],
    }  # fmt: skip
    assert {label: row.tries for label, row in found.items() if row.ranked} == {"sure": 3, "random": 1, "own": 1}
    assert {row.balanced for row in rows} == {False}
    for config in ({"balanced": True}, {"class_weight": "balanced"}, {"class_weights": "published"}):
        key = run_key("sure", config=config | {"epochs": 3})
        assert replace(rows[0], runs=[RecordedRun(run_file("sure", key, **ABOUT), None)]).balanced
    table = comparison(rows).tables[0]
    assert [column.title for column in table.columns][-3:] == ["Balanced", "Tries", "State"]
    assert "single [leaderboard]: not ranked: one seed of a random method" in notes_of(comparison(rows))
    assert "declared.yaml" in "".join(table.legend)
    assert {row.tries for row in measured_rows(runs)[0]} == {None}


def verified(entry, state="verified", **fields):
    """Keep beside an entry that it was verified, or another state."""
    mark = json.loads((entry / "complete.json").read_text(encoding="utf-8"))
    about = {name: mark[name] for name in ("run_id", "key_digest", "sha256")}
    agrees = {"agreement": "bitwise", "isolated": True, "folds": 3} if state in ("rerun", "verified") else {}
    who = {"by": "A maintainer", "when": "2026-11-29T20:00:00", "merbench": "0.1.0"}
    content = about | {"state": state, "of": 3} | agrees | who | fields
    (entry / FILE).write_text(json.dumps(content), encoding="utf-8")


def test_committed_rows_show_how_far_they_were_verified(record, answers, tmp_path):
    drawn = {"state": "rerun", "folds": 2, "isolated": False}
    states = {
        "plain": ({}, "claimed", False),
        "files": ({"state": "consistent"}, "consistent", False),
        "drawn": (drawn, "rerun (2 of 3 folds), not isolated, bitwise", True),
        "whole": ({"agreement": "within tolerance"}, "verified, within tolerance", True),
        "wrong": ({"state": "failed", "reasons": ["other predictions"]}, "failed", False),
        "other": ({"sha256": "0" * 64}, "claimed", False),
        "alone": ({"state": "verified", "isolated": False}, "claimed", False),
        "parts": ({"state": "verified", "folds": 2}, "claimed", False),
    }  # fmt: skip
    for name, (fields, _, _) in states.items():
        entry = write_entry(read_run(record(answers, method=name, deterministic=True)), tmp_path / "board")
        if fields:
            verified(entry, **fields)
    held = hold_all(read_entries(tmp_path / "board"), truths())
    rows, _ = measured_rows(held, declared=Declared(primary=tuple(states)))
    assert {row.label: (row.state.text, row.ranked) for row in rows} == {
        name: (text, ranked) for name, (_, text, ranked) in states.items()
    }
    report = comparison(rows)
    assert {record["method"]: record["state"] for record in report.records} == {n: s[1] for n, s in states.items()}
    notes = notes_of(report)
    assert "wrong: failed: by A maintainer, 2026-11-29, merbench 0.1.0; other predictions" in notes
    assert "plain: not ranked: claimed, not verified" in notes
    assert f"other: claimed: {FILE} is about other files: verify it again" in notes
    seeds = [run for run in held if run.file.method in ("drawn", "files")]
    assert state_of(seeds).word == "consistent"  # the least of its seeds
    assert state_of([read_run(record(answers, method="mine"))]) == State()


def test_rows_of_different_data_and_settings_have_different_names(record, answers, right):
    record(answers, data="databases")
    record(right, data="release")
    rows, notes = record.rows()
    assert [[row.label for row in group] for group in groups(rows)] == [["toy"], ["toy"]]  # ranked apart
    assert any("toys: toy not ranked with toy: the data is databases and release" in str(note) for note in notes)
    record(right, data="release", variant="epochs=5", config_name="quick")
    assert "toy (quick, epochs=5)" in [row.label for row in record.rows()[0]]
    assert {(row["config"], row["variant"]) for row in rows_of(record)} == {("default", ""), ("quick", "epochs=5")}


def test_rows_of_older_code_are_hidden_and_never_averaged(record, answers, right):
    old = record(right, code="old", created="2026-01-01T00:00:00+00:00")
    new = record(answers, code="new", created="2026-02-01T00:00:00+00:00")
    assert [row["run_ids"] for row in rows_of(record)] == [[new.name]] * 3
    (note,) = record.compared().notes
    assert ("toy" in note.text, "--older" in note.text) == (True, True)
    assert [row["run_ids"] for row in rows_of(record, older=True)] == [[old.name]] * 3 + [[new.name]] * 3
    assert record.compared(older=True).notes == []
    record(right, seed=1, code="old", created="2026-03-01T00:00:00+00:00")
    assert [full_of(record)["toy"][name] for name in ("seeds", "uf1")] == [2, 1.0]
    assert [row["seeds"] for row in rows_of(record, older=True) if row["part"] == "full"] == [2, 1]


ONLY_PUBLISHED = ["year", "kind", "source", "remarks"]
ONLY_PUBLISHED += ["uf1_printed", "uar_printed", "acc_printed", "verdict", "evidence"]


def test_published_figures_come_last_with_sources_and_remarks(record, answers):
    record(answers)
    published = published_rows("megc2019")
    for row in published:
        assert list(row)[: len(FIELDS)] == list(FIELDS)
        assert set(row) - set(FIELDS) == set(ONLY_PUBLISHED)
        assert (row["origin"], row["protocol"], row["run_ids"]) == ("published", "megc2019", [])
        assert row["folds"] is row["seeds"] is row["uf1_low"] is None
    assert published_rows("toys") == []
    report = comparison(record.rows()[0], published)
    notes = notes_of(report)
    for row in published:
        assert {row["source"], *row["remarks"].values()} <= {line.partition(" ")[2] for line in notes.splitlines()}
    lines = list(csv.DictReader(io.StringIO(write(report, "csv"))))
    assert list(lines[0]) == [*FIELDS, *ONLY_PUBLISHED]
    assert [bool(line["source"]) for line in lines] == [False] * 3 + [True] * len(published)
    assert all(len(line) <= 80 for line in printed(report, 80).splitlines())


def test_rows_significantly_below_the_best_are_marked(record):
    people = [*(f"alpha/s{s}" for s in range(9)), *(f"beta/t{s}" for s in range(3))]
    truth = {f"{name}/c{c}": ("negative", "positive", "surprise")[c % 3] for name in people for c in range(6)}
    turned = {"negative": "positive", "positive": "surprise", "surprise": "negative"}
    best = {name: (each, each) for name, each in truth.items()}
    record(best, method="best")
    record(best | {"alpha/s3/c0": ("negative", "positive")}, method="close")
    for seed in (0, 1):
        record({name: (each, turned[each]) for name, each in truth.items()}, method="far", seed=seed)
    record(best, method="incomplete", folds=["alpha/s1"])
    p = {row.label: row.p_best for row in record.rows()[0]}
    # only one subject tells best and close apart, so that no swap gives less than what was seen
    assert (p["best"], p["incomplete"], p["close"]) == (None, None, 1)
    # two of the 2**12 ways to swap differ as much as best and far; times three pairs
    assert 3 / 10_001 <= p["far"] < 0.01
    report = record.compared()
    assert {row[1].text: row[2].mark for row in report.tables[0].sections[0].rows if row[2].mark} == {"far": "†"}
    assert report.tables[0].legend[1].startswith("†: UF1 significantly below")
    assert {row["p_best"] for row in strictly(report) if row["part"] == "alpha"} == {None}
    assert {name: row["p_best"] for name, row in full_of(record).items()} == p


def test_more_rows_than_can_be_tested_are_ranked_without_a_test(record, answers, right, wrong, monkeypatch):
    for name, given in (("one", answers), ("two", right), ("three", wrong)):
        record(given, method=name)
    assert all(row.p_best is not None for row in record.rows()[0][1:])
    monkeypatch.setattr("merbench.analysis.rows.MOST_ROWS", 2)
    rows, notes = record.rows()
    assert [(row.ranked, row.p_best) for row in rows] == [(True, None)] * 3
    assert any(note.startswith("toys: 3 rows are ranked together, and at most 2 are tested") for note in notes)


def test_sanity_rows_come_last_without_rank_place_or_test(record, answers, right, wrong):
    record(answers, method="a")
    record(wrong, method="b")
    alone = [row.records() for row in record.rows()[0]]
    record(right, method="c", sanity=True)
    rows, _ = record.rows()
    assert [row.label for row in rows] == ["a", "b", "c"]
    assert [row.records() for row in rows[:2]] == alone
    (table,) = record.compared().tables
    assert [section.title for section in table.sections] == ["", "Sanity rows, not ranked"]
    (line,) = table.sections[1].rows
    assert (line[0].text, {(cell.place, cell.mark) for cell in line}) == ("–", {(0, "")})
    assert [row["sanity"] for row in full_of(record).values()] == [False, False, True]


def test_settings_known_from_test_clips_are_a_curve_and_no_rows(record, answers):
    known = ["settings known from test clips"]
    right = {clip: (truth, truth) for clip, (truth, _) in answers.items()}
    record(answers)
    for value, given in (("100", right), ("10", answers)):
        record(given, variant=f"strength={value}", not_ranked=known)
    record(right, variant="depth=many", not_ranked=known)  # no curve along one number
    rows, curves = record.compared().tables
    assert [line[1] for line in texts(rows)] == ["toy", "toy (depth=many)"]
    assert texts(curves) == [["toy (default)", "strength", "10: .6944 · 100: 1.0000"]]
    assert len(rows_of(record)) == 4 * 3  # as data, each is there


def test_the_committed_leaderboard_verifies():
    runs = read_leaderboard()
    assert runs.problems == []
    assert {"majority", "svm-flow", "ststnet"} <= {run.file.method for run in runs}
    assert all(run.complete for run in runs)
    rows, _ = measured_rows(runs.where(protocol="megc2019"))
    full = {row["method"]: row for each in rows for row in each.records() if row["part"] == "full"}
    assert {row["origin"] for row in full.values()} == {"leaderboard"}
    # always negative: F1 of negative is 2*250/(442 + 250), the two others 0; a third of the recalls is 1
    assert full["majority"]["uf1"] == pytest.approx(500 / 692 / 3, abs=1e-6)
    assert full["majority"]["uar"] == pytest.approx(1 / 3, abs=1e-6)


def test_figures_equal_those_of_scikit_learn(record):
    rng = np.random.default_rng(1)
    classes = ("negative", "positive", "surprise")
    names = [f"{d}/s{s}/c{c}" for d in ("alpha", "beta") for s in range(5) for c in range(8)]
    truth = {name: classes[rng.integers(3 if name.startswith("alpha") else 2)] for name in names}
    tables = []
    for seed in range(3):
        folder = record({name: (truth[name], classes[rng.integers(3)]) for name in names}, seed=seed)
        tables.append(read_run(folder).predictions)
    for row in rows_of(record):
        inside = [table if row["part"] == "full" else table[table.dataset == row["part"]] for table in tables]
        present = sorted(set(inside[0].truth))
        uf1 = [f1_score(t.truth, t.predicted, labels=present, average="macro", zero_division=0) for t in inside]
        uar = [recall_score(t.truth, t.predicted, labels=present, average="macro", zero_division=0) for t in inside]
        acc = [accuracy_score(table.truth, table.predicted) for table in inside]
        found = [row[name] for name in ("uf1", "uar", "acc", "seed_sd")]
        assert found == pytest.approx([np.mean(uf1), np.mean(uar), np.mean(acc), np.std(uf1, ddof=1)], abs=1e-6)
        assert (row["seeds"], row["classes_scored"], row["clips"]) == (3, len(present), len(inside[0]))
        assert row["uf1_low"] <= row["uf1"] <= row["uf1_high"]
        assert row["uar_low"] <= row["uar"] <= row["uar_high"]
    assert [row["classes_scored"] for row in rows_of(record)] == [3, 3, 2]


def test_seeds_of_a_deterministic_method_that_differ_are_reported(record, answers, right):
    for method, second in (("sure", answers), ("unsure", right)):
        record(answers, method=method, deterministic=True)
        record(second, method=method, seed=1, deterministic=True)
    rows = {row.label: row for row in record.rows()[0]}
    assert [len(rows[name].runs) for name in ("sure", "unsure")] == [1, 1]
    said = "its card says deterministic, but seeds"
    assert [sum(said in each for each in rows[name].remarks) for name in ("sure", "unsure")] == [0, 1]
    assert any("differ in the predictions for 2 clips" in each for each in rows["unsure"].remarks)
