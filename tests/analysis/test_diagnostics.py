"""Diagnostics read back: all folds in one table, damaged folds excluded and named, and their tables."""

import re

import numpy as np
import pandas as pd
import pytest
from support.tables import notes_of, printed

from merbench.analysis.diagnostics import check_fold, gathered, read_diagnostics, unit_series, units_of
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError
from merbench.records.read import read_run
from merbench.report.numbers import interval_text, number
from merbench.report.views.show import run_report


@pytest.fixture(scope="module")
def made(made_up):
    """Return a made-up run of 80 clips and 8 subjects; clips of smic-hs have no action units."""
    return made_up.made_up({"alpha": (30, 3), "beta": (30, 3), "smic-hs": (20, 2)})


@pytest.fixture
def told(made):
    """Return what gathers diagnostics, by default all of the made-up run."""
    return lambda folds=made.folds, table=made.run.predictions: gathered(folds, table, [])


@pytest.fixture
def folds(made):
    """Return the run's diagnostics by fold, to be spoilt."""
    return {fold: dict(arrays) for fold, arrays in made.folds.items()}


@pytest.fixture
def recorded(record, made):
    """Return what records the made-up run and returns its folder; its folds are named as in `made`."""
    rows = made.run.predictions.itertuples()
    answers = {f"{row.dataset}/{row.subject}/{row.clip}": (row.truth, row.predicted) for row in rows}
    return lambda **changes: record(answers, **{"diagnostics": made.folds} | changes)


def read(folder):
    return read_diagnostics(read_run(folder))


def test_held_out_clips_of_all_folds_are_in_one_table(recorded, made):
    found = read(recorded())
    assert (found.problems, len(found.clips), found.features) == ([], 80, ["emotion", "motion"])
    assert not found.clips[IDENTITY].duplicated().any()
    assert not any(name.startswith("feature") for name in found.arrays)  # they are never pooled
    for fold, arrays in made.folds.items():
        rows = (found.clips.fold == fold).to_numpy()
        assert found.clips["clip"][rows].tolist() == arrays["test/clip"].tolist()
        for name in ("gate/motion", "kept/0.5", "au/4", "face"):
            np.testing.assert_array_equal(found.arrays[name][rows], arrays[f"test/{name}"])
        np.testing.assert_array_equal(found.folds[fold]["train/feature/motion"], arrays["train/feature/motion"])
    both = found.clips.merge(made.run.predictions, on=IDENTITY, suffixes=("", "_recorded"))
    said = both[["predicted", "truth"]].to_numpy() == both[["predicted_recorded", "truth_recorded"]].to_numpy()
    assert (len(both), said.all()) == (80, True)
    assert [units is None for units in found.clips.units] == (found.clips.dataset == "smic-hs").tolist()
    kinds = [list(found.of_kind(kind))[:4] for kind in ("kept", "au", "gate", "nothing")]
    assert kinds == [["0.25", "0.5", "0.75"], ["1", "2", "4", "5"], ["emotion", "motion"], []]
    assert (units_of("4+R7B+12?+(1 or 2)"), units_of("12?")) == ({4, 7}, frozenset())
    assert [units_of(text) for text in ("", "?", "soft focus", "twelve")] == [None] * 4


def test_folds_without_diagnostics_are_not_a_problem(recorded, made):
    found = read(recorded(diagnostics={}))
    assert (found.folds, found.arrays, found.features, found.problems) == ({}, {}, [], [])
    assert (found.clips.empty, found.decoupling) == (True, None)
    some = {fold: arrays for fold, arrays in made.folds.items() if fold.startswith("alpha")}
    found = read(recorded(diagnostics=some, method="some"))
    assert (found.problems, sorted(found.folds), len(found.clips)) == ([], sorted(some), 30)
    part = ["alpha/s00", "beta/s01"]
    assert sorted(read(recorded(folds=part, method="part")).folds) == part


def test_damaged_folds_are_named_once_and_others_kept(recorded, made):
    folder = recorded()
    (folder / "folds" / "beta--s01" / "diagnostics.npz").write_bytes(b"changed")
    found = read(folder)
    (problem,) = found.problems
    assert re.search(r"beta--s01.*changed", problem)
    assert set(found.clips.fold) == set(found.folds) == set(made.folds) - {"beta/s01"}
    (folder / "complete.json").unlink()
    (folder / "folds" / "beta--s01" / "record.json").write_text("{")
    assert any("beta--s01" in problem for problem in read_run(folder).problems)
    assert read(folder).problems == []  # the run names it


def test_what_cannot_be_combined_is_excluded(made, told):
    whole = made.folds["alpha/s01"]
    lacking = {name: values for name, values in whole.items() if name != "test/kept/0.5"}
    for spoilt in (lacking, whole | {"test/kept/0.5": whole["test/kept/0.5"][:, :3]}):
        found = told(made.folds | {"alpha/s01": spoilt})
        (problem,) = found.problems
        assert problem.startswith("kept/0.5 differs in shape")
        assert (list(found.of_kind("kept")), set(found.folds)) == (["0.25", "0.75"], set(made.folds))
    there = made.run.predictions[made.run.predictions.subject != "s02"]
    found = told({fold: made.folds[fold] for fold in ("alpha/s01", "alpha/s02")}, there)
    (problem,) = found.problems
    assert "alpha/s02" in problem
    assert set(found.clips.fold) == set(found.folds) == {"alpha/s01"}
    units = pd.DataFrame({"dataset": ["a"], "subject": ["s"], "clip": ["c"], "truth_4": [1.0], "score_4": [0.3]})
    assert told({}, units).problems == []
    (problem,) = told({"a/s": {}}, units).problems
    assert "AU detection" in problem


def test_unreadable_action_units_only_exclude_their_figures(folds, told):
    for arrays in folds.values():
        for side in ("test", "train"):
            arrays[f"{side}/aus"] = np.where(arrays[f"{side}/aus"] == "4", "four", arrays[f"{side}/aus"])
    found = told(folds)
    (problem,) = found.problems
    assert "'four'" in problem
    assert (found.decoupling, unit_series(found), len(found.clips)) == (None, {}, 80)


def test_the_drawn_fold_has_most_clips_with_action_units(made, told):
    sizes = {fold: len(arrays["test/clip"]) for fold, arrays in made.folds.items()}
    coded = [fold for fold in sizes if not fold.startswith("smic-hs")]
    uncoded = {fold: made.folds[fold] for fold in sizes if fold not in coded}
    assert told().telling_fold == max(coded, key=sizes.get)
    assert told(uncoded).telling_fold == max(uncoded, key=sizes.get)
    smallest, largest = min(coded, key=sizes.get), max(uncoded, key=sizes.get)
    assert sizes[smallest] < sizes[largest]
    assert told({fold: made.folds[fold] for fold in (largest, smallest)}).telling_fold == smallest


def test_a_fold_that_cannot_be_drawn_is_refused(made, told):
    found = told({fold: arrays for fold, arrays in made.folds.items() if fold != "alpha/s02"})
    check_fold("alpha/s01", found, made.run)
    for fold, words in (("alpha/s02", "'alpha/s02' of two-branch-megc2019-s0 has no diagnostics; .*--diagnose"),
                        ("alpha/s2", r"no fold 'alpha/s2' \(did you mean 'alpha/s02'")):  # fmt: skip
        with pytest.raises(MerbenchError, match=words):
            check_fold(fold, found, made.run)


def shown(made, found):
    """Return the report of the made-up run with these diagnostics, and its table of action units."""
    report = run_report(made.run, found, "merbench run --diagnose")
    return report, next((table for table in report.tables if table.title.startswith("Action units")), None)


def test_f1_of_action_units_probes_and_floor_are_shown(made, told):
    found = told()
    report, table = shown(made, found)
    for width in (80, 140):
        assert max(map(len, printed(report, width).splitlines())) <= width
    cells = {row[0].text: row for section in table.sections for row in section.rows}
    for score in found.decoupling.detection.units:
        if score.shown:
            assert [cell.text for cell in cells[str(score.unit)][1:3]] == [str(score.shown), number(score.f1)]
            assert cells[str(score.unit)][2].detail == interval_text(score.interval)
    for score in found.decoupling.probes["motion"].units:
        assert number(score.f1) in [cell.text for cell in cells[str(score.unit)]]
        assert cells[str(score.unit)][-1].text == number(score.floor)
    assert number(found.decoupling.probes["emotion"].f1) in [cell.text for cell in cells["mean"]]
    alignment = found.decoupling.alignment
    assert f"{number(alignment.cka, 2)} over {alignment.folds} folds" in notes_of(report)


def test_without_diagnostics_the_command_is_named(made):
    report, table = shown(made, gathered({}, made.run.predictions, ["fold [red]x\x1b[31m changed"]))
    assert table is None
    assert report.notes[-1].text.rpartition(": ")[2] == "merbench run --diagnose"
    assert "fold [red]x\\x1b[31m changed" in printed(report)


def test_methods_and_clips_without_action_units_get_no_such_table(made, folds, told):
    names = {"dataset", "subject", "clip", "truth", "aus", "gate/motion"}
    bare = {
        fold: {name: values for name, values in arrays.items() if name.partition("/")[2] in names}
        for fold, arrays in made.folds.items()
    }
    for arrays in folds.values():
        arrays |= {f"{side}/aus": np.full_like(arrays[f"{side}/aus"], "") for side in ("test", "train")}
    for given in (bare, folds):
        found = told(given)
        assert (found.problems, unit_series(found), shown(made, found)[1]) == ([], {}, None)
