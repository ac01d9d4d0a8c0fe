"""An ablation table: what is compared with what, what is missing, and how it is printed."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from support.coded_clips import CLASSES, PEOPLE, answered, coded_clips
from support.tables import notes_of, printed

from merbench.analysis.ablation import read_ablation
from merbench.contracts.yamlfiles import settings_text
from merbench.records.read import read_run
from merbench.report.views.ablation import ablation_report
from merbench.report.write import write
from merbench.scoring.decoupling import decoupling
from merbench.scoring.paired import paired_difference, restricted
from merbench.scoring.same_units import same_units
from merbench.scoring.table import part_scores

COMMAND = "merbench ablate net --protocol toys --seeds 0-1"


@pytest.fixture(scope="module")
def clips():
    return coded_clips()


@pytest.fixture
def trial(record):
    """Return what records the runs of a row: ``trial(group, name, changes, right=.., seeds=.., ...) -> trial``."""

    def make(group="whole", name="net", changes=None, right=0.7, seeds=(0, 1), variant=None, **fields):
        variant = settings_text(changes or {}, " ") if variant is None else variant
        runs = [
            record(answered(right, seed, len(variant)), method="net", seed=seed, variant=variant, **fields)
            for seed in seeds
        ]
        return group, name, changes or {}, tuple(folder.name for folder in runs)

    return make


@pytest.fixture
def read(record, clips):
    """Return what reads an ablation: ``read(*trials, diagnosed=False, folds=())``."""

    def call(*trials, diagnosed=False, clips=clips, folds=()):
        table, classes = clips
        truth = pd.DataFrame({"truth": classes, "fold": table.dataset + "/" + table.subject})
        return read_ablation(trials, record.results / "runs", table, truth, COMMAND, diagnosed, folds)

    return call


@pytest.fixture
def told(clips):
    """Return what makes diagnostics up: ``told(*features, scores=True) -> fold -> arrays``."""

    def call(*features, scores=True):
        table, _ = clips
        rng = np.random.default_rng(1)
        shown = np.stack([table.aus.str.contains(unit).to_numpy() for unit in ("4", "12")], axis=1)
        values = {name: shown @ rng.normal(size=(2, 6)) + rng.normal(size=(len(table), 6)) for name in features}
        folds = {}
        for dataset, subject in PEOPLE:
            test = ((table.dataset == dataset) & (table.subject == subject)).to_numpy()
            arrays = {
                f"test/au/{unit}": np.where(shown[test, i], 1.0, -1.0) for i, unit in enumerate((4, 12)) if scores
            }
            for side, rows in (("test", test), ("train", ~test)):
                arrays |= {f"{side}/{c}": table[c].to_numpy()[rows].astype(str) for c in ("dataset", "subject", "aus")}
                arrays |= {f"{side}/feature/{name}": value[rows] for name, value in values.items()}
            folds[f"{dataset}/{subject}"] = arrays
        return folds

    return call


def clips_of(table):
    return set(table[["dataset", "subject", "clip"]].itertuples(index=False, name=None))


def said_of(ablation):
    return notes_of(ablation_report(ablation))


def predictions_of(record, trial):
    return [read_run(record.results / "runs" / run_id).predictions for run_id in trial[3]]


def test_rows_are_compared_with_the_full_method(trial, read, record, clips):
    whole, row = trial(), trial("fusion", "add", {"fusion": "add"}, right=0.3)
    single = trial("beside", "other", variant="other", seeds=(0,), deterministic=True)
    ablation = read(whole, row, ("rates", "all", {"rates": [0.5]}, whole[3]), single)
    first, second, same, third = ablation.lines
    one, two = predictions_of(record, row), predictions_of(record, whole)
    assert (first.difference, first.shared_difference) == (None, None)
    assert second.difference == paired_difference(one, two, CLASSES)
    table, classes = clips
    groups = table.assign(units=table.aus.replace("R4+7", "4+7"), label=classes).groupby(["dataset", "units"])
    only = clips_of(table[groups.label.transform("nunique").gt(1) & (table.aus != "")])
    assert 0 < len(only) < len(table)
    assert second.shared_difference == paired_difference(one, two, CLASSES, only)
    (score,) = part_scores([restricted(each, only) for each in one], CLASSES, {"full": ""})
    assert (second.shared, ablation.shared_clips) == (score, len(only))
    assert (same.row, same.difference) == (first.row, None)
    assert [each["as_whole"] for each in ablation.records()] == [True, False, True, False]
    names = [(row[0].text, row[0].detail) for part in ablation_report(ablation).tables[0].sections for row in part.rows]
    assert names[::2] == [("net", "the full method"), ("all", "rates=[0.5] (as the full method)")]
    assert third.difference == paired_difference(predictions_of(record, single), two, CLASSES)
    assert ablation.records()[3]["seeds"] == 1


def test_rows_with_missing_folds_have_no_difference(trial, read):
    ablation = read(trial(), trial("fusion", "add", {"fusion": "add"}, failing={"beta/t1": "no light"}))
    assert (ablation.lines[1].difference, ablation.lines[1].shared_difference) == (None, None)
    record = ablation.records()[1]
    assert (record["status"], record["difference"], record["uf1"] > 0) == ("failed", None, True)
    for words in ("fusion/add: not ranked: seed 0 has 6 of 7 folds", "no light"):
        assert words in said_of(ablation)
    ablation = read(trial(folds=["alpha/s0"], code="second"), trial("fusion", "sum", {"fusion": "sum"}))
    assert [line.difference for line in ablation.lines] == [None, None]
    assert "net: not ranked: seed 0 has 1 of 7 folds" in said_of(ablation)


def test_only_the_requested_folds_are_compared(trial, read, record, clips):
    asked = ["beta/t0", "alpha/s1", "alpha/s3"]
    whole, row = trial(), trial("fusion", "add", {"fusion": "add"}, right=0.3, folds=[*asked, "alpha/s0"])
    ablation = read(whole, row, folds=asked)
    table, classes = clips
    inside = (table.dataset + "/" + table.subject).isin(asked)
    one, two = (
        [restricted(each, clips_of(table[inside])) for each in predictions_of(record, of)] for of in (row, whole)
    )
    assert [line.row.status for line in ablation.lines] == ["complete", "complete"]
    assert {(each["folds"], each["clips"]) for each in ablation.records()} == {(3, 24)}
    assert ablation.lines[1].difference == paired_difference(one, two, CLASSES)
    shares = same_units(table, classes)
    assert 0 < ablation.shared_clips == shares[inside].sum() < shares.sum()
    assert ablation.lines[1].shared_difference.clips == ablation.shared_clips
    assert "Restricted to 3 of the protocol's 7 folds." in said_of(ablation)
    assert "not ranked" not in said_of(ablation)
    assert "Restricted to" not in said_of(read(whole, whole))
    ablation = read(whole, row, folds=["alpha/s0", "alpha/s2"])
    assert ablation.lines[1].difference is None
    assert "fusion/add: not ranked: seed 0 has 1 of 2 folds" in said_of(ablation)


def test_diagnostics_give_cka_probes_and_detection(trial, read, told):
    both, one = told("motion", "emotion"), told("motion", scores=False)
    branch = trial("branch", "motion", {"branch": "motion"}, diagnostics=one)
    ablation = read(trial(diagnostics=both), branch, diagnosed=True)
    expected = decoupling([list(both.values())] * 2)
    emotion, motion = expected.probes["emotion"], expected.probes["motion"]
    whole, row = ablation.records()
    names = ("au_probe_emotion", "au_probe_motion", "au_probe_motion_low", "au_detection")
    assert whole["cka"] == pytest.approx(expected.alignment.cka)
    assert [whole[name] for name in names] == [emotion.f1, motion.f1, motion.interval.low, expected.detection.f1]
    assert (expected.detection.f1, row["au_probe_motion"]) == (1, motion.f1)
    assert {row[name] for name in ("cka", "au_probe_emotion", "au_detection", "au_detection_floor")} == {None}
    (table,) = ablation_report(ablation).tables
    assert [column.head for column in table.columns[-4:]] == ["CKA", "AU probe emotion", "AU probe motion", "AU F1"]
    assert [cell.text == "–" for cell in table.sections[1].rows[0][-4:]] == [True, True, False, True]
    ablation = read(trial(diagnostics=both))
    assert (ablation.lines[0].decoupling, "cka" in ablation.records()[0]) == (None, False)


def test_diagnostics_that_do_not_verify_are_named_and_excluded(trial, read, record, told):
    whole = trial(diagnostics=told("motion"))
    (damaged, *_) = (record.results / "runs" / whole[3][0]).glob("folds/*/diagnostics.npz")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    ablation = read(whole, trial("beside", "plain", variant="plain"), diagnosed=True)
    assert [line.decoupling for line in ablation.lines] == [None, None]
    (note,) = ablation.notes
    assert (note.kind, str(damaged) in note.text) == ("excluded", True)
    assert "No row has diagnostics." in said_of(ablation)
    folds = told("motion")
    folds.pop("beta/t1")
    ablation = read(trial(diagnostics=folds, code="second"), diagnosed=True)
    assert (ablation.lines[0].decoupling, [note.kind for note in ablation.notes]) == (None, ["excluded"])


def test_json_and_csv_have_the_same_fields(trial, read, told):
    trials = [trial(diagnostics=told("motion")), trial("fusion", "add", {"fusion": "add", "rates": [0.5, 1]})]
    for diagnosed in (False, True):
        ablation = read(*trials, diagnosed=diagnosed)
        objects = json.loads(write(ablation_report(ablation), "json"))
        assert [list(each) for each in objects] == [list(objects[0])] * 2
        assert objects[1]["settings"] == {"fusion": "add", "rates": [0.5, 1]}
        lines = list(csv.DictReader(io.StringIO(write(ablation_report(ablation), "csv"))))
        assert list(lines[0]) == list(objects[0])
        assert lines[1]["settings"] == "fusion=add rates=[0.5, 1]"
        assert lines[1]["run_ids"].split() == objects[1]["run_ids"]
        assert float(lines[1]["difference_low"]) == objects[1]["difference_low"]
        assert lines[0]["difference"] == ""


def test_data_configuration_and_command_are_shown(trial, read, clips):
    fields = {"synthetic": True, "data": "synthetic-small", "config_name": "quick"}
    table, classes = clips
    ablation = read(trial(**fields), trial("a", "b", {"c": 1}, **fields), clips=(table.assign(aus=None), classes))
    report = ablation_report(ablation)
    (table,) = report.tables
    assert {each["synthetic"] for each in ablation.records()} == {True}
    assert "synthetic data" in table.title
    for words in ("synthetic-small (synthetic", "toys", "configuration quick", "seeds 0, 1", "7 folds, 56 clips"):
        assert words in table.notes[-1].text
    assert report.command == COMMAND
    # no clips share their action units: no columns for these
    assert (ablation.records()[1]["same_units_uf1"], ablation.records()[1]["same_units_clips"]) == (None, 0)
    assert "same AUs" not in {column.group for column in table.columns}
    assert "share their action units" in notes_of(report)


def test_differences_whose_interval_excludes_0_are_bold(trial, read):
    trials = [trial("a", name, {"c": name}, right=right) for name, right in (("far", 0.0), ("equal", 0.9))]
    (table,) = ablation_report(read(trial(right=0.9), *trials)).tables
    found = {row[0].text: row[3] for row in table.sections[1].rows}
    assert (found["far"].place, found["equal"].place) == (1, 0)
    assert re.fullmatch(r"-\.\d{3}, -\.\d{3}", found["far"].detail)


def test_an_ablation_fits_a_terminal(trial, read, told):
    folds = told("motion", "emotion")
    changes = {"rates": [0.25, 0.5, 0.75], "selection": "random", "heads": 4}
    other = trial("sparsity", "random", changes, diagnostics=folds)
    report = ablation_report(read(trial(diagnostics=folds), other, diagnosed=True))
    for width in (60, 100, 140):
        text = printed(report, width)
        assert max(map(len, text.splitlines())) <= width
        assert ("…" in text, "CKA" in text) == (False, True)
