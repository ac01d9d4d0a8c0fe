"""An ablation table: what is compared with what, what is missing, and how it is printed."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from merbench.analysis.ablation import Trial, read_ablation, setting_text
from merbench.records.folder import RunFolder
from merbench.records.read import read_run
from merbench.report.views.ablation import as_csv, as_json, as_markdown, print_ablation
from merbench.scoring.decoupling import decoupling
from merbench.scoring.paired import paired_difference, restricted
from merbench.scoring.same_units import same_units
from merbench.scoring.table import part_scores

CLASSES = ("negative", "positive", "surprise")
COMMAND = "merbench ablate net --protocol toys --seeds 0-1"
PEOPLE = [("alpha", f"s{i}") for i in range(4)] + [("beta", f"t{i}") for i in range(3)]
WILD = "a_b | *c* <d>"


@pytest.fixture
def clips():
    """Return the clip table of 7 people with 8 clips each, and their classes; clips of t2 have no action units."""
    rng = np.random.default_rng(0)
    rows = [(d, s, f"c{i}") for d, s in PEOPLE for i in range(8)]
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip"])
    table["aus"] = np.where(table.subject == "t2", "", rng.choice(["4", "12", "1+2", "R4+7"], len(table)))
    classes = [CLASSES[i % 3] if aus != "1+2" else "surprise" for i, aus in enumerate(table.aus)]
    return table, classes


@pytest.fixture
def trial(record, clips):
    """Return what records the runs of a row: ``trial(group, name, changes, right=.., seeds=.., ...) -> Trial``."""

    def make(group="whole", name="net", changes=None, right=0.7, seeds=(0, 1), **fields):
        table, classes = clips
        names = table[["dataset", "subject", "clip"]].agg("/".join, axis=1)
        variant = fields.pop("variant", setting_text(changes or {}))
        run_ids = []
        for seed in seeds:
            rng = np.random.default_rng([seed, len(variant), int(100 * right)])
            said = np.where(rng.random(len(names)) < right, classes, rng.choice(CLASSES, len(names)))
            answers = dict(zip(names, zip(classes, said.tolist(), strict=True), strict=True))
            folder = record(answers, method="net", seed=seed, variant=variant, **fields)
            run_ids.append(folder.name)
        return Trial(group, name, changes or {}, tuple(run_ids))

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
            arrays = {}
            for side, rows in (("test", test), ("train", ~test)):
                arrays |= {f"{side}/{c}": table[c].to_numpy()[rows].astype(str) for c in ("dataset", "subject", "aus")}
                arrays |= {f"{side}/feature/{name}": value[rows] for name, value in values.items()}
            if scores:
                arrays |= {f"test/au/{unit}": np.where(shown[test, i], 1.0, -1.0) for i, unit in enumerate((4, 12))}
            folds[f"{dataset}/{subject}"] = arrays
        return folds

    return call


def printed(ablation, width=None):
    """Return what is printed on a terminal of a width, or where there is no terminal."""
    out = io.StringIO()
    print_ablation(ablation, Console(file=out, width=width, force_terminal=width is not None, color_system=None))
    return out.getvalue()


def predictions_of(record, trial):
    return [RunFolder(record.results / "runs" / run_id).read_complete(
        RunFolder(record.results / "runs" / run_id).read_run())[1] for run_id in trial.run_ids]  # fmt: skip


def test_rows_are_held_against_the_whole_method_over_all_clips_and_over_those_that_share_action_units(
    trial, read, record, clips
):
    whole, row = trial(), trial("fusion", "add", {"fusion": "add"}, right=0.3)
    found = read(whole, row).lines
    one, two = predictions_of(record, row), predictions_of(record, whole)
    assert found[0].difference is None
    assert found[0].shared_difference is None
    assert found[1].difference == paired_difference(one, two, CLASSES)
    table, classes = clips
    groups = table.assign(units=table.aus.replace("R4+7", "4+7"), label=classes).groupby(["dataset", "units"])
    shares = groups.label.transform("nunique").gt(1) & (table.aus != "")
    only = set(table[shares][["dataset", "subject", "clip"]].itertuples(index=False, name=None))
    assert 0 < len(only) < len(table)
    assert found[1].shared_difference == paired_difference(one, two, CLASSES, only)
    (score,) = part_scores([restricted(each, only) for each in one], CLASSES, {"full": ""})
    assert found[1].shared == score
    assert read(whole, row).shared_clips == len(only)


def test_a_row_with_the_settings_of_the_whole_method_is_shown_as_such(trial, read):
    whole = trial()
    ablation = read(whole, replace(whole, group="rates", name="all", changes={"rates": [0.5]}))
    one, two = ablation.lines
    assert (two.row, two.difference) == (one.row, None)
    assert [record["as_whole"] for record in ablation.records()] == [True, True]
    assert "rates=[0.5] (as the " in printed(ablation)
    assert "rates=\\[0.5\\] (as the whole)" in as_markdown(ablation)


def test_a_row_with_holes_is_shown_without_difference_and_says_what_is_missing(trial, read):
    ablation = read(trial(), trial("fusion", "add", {"fusion": "add"}, failing={"beta/t1": "no light"}))
    row = ablation.lines[1]
    assert (row.difference, row.shared_difference) == (None, None)
    assert ablation.records()[1]["status"] == "failed"
    assert ablation.records()[1]["difference"] is None
    assert ablation.records()[1]["uf1"] > 0
    assert "fusion/add: not ranked: seed 0 has 6 of 7 folds" in printed(ablation)
    assert "no light" in printed(ablation)


def test_nothing_is_compared_with_a_whole_method_that_has_holes(trial, read):
    ablation = read(trial(folds=["alpha/s0"]), trial("fusion", "add", {"fusion": "add"}))
    assert [line.difference for line in ablation.lines] == [None, None]
    assert "net: not ranked: seed 0 has 1 of 7 folds" in printed(ablation)


def test_a_row_with_other_numbers_of_seeds_is_compared_by_its_mean(trial, read, record):
    whole, row = trial(), trial("beside", "other", variant="other", seeds=(0,), deterministic=True)
    found = read(whole, row).lines[1]
    assert found.difference == paired_difference(predictions_of(record, row), predictions_of(record, whole), CLASSES)
    assert read(whole, row).records()[1]["seeds"] == 1


def test_only_the_folds_asked_for_are_compared_whatever_else_is_recorded(trial, read, record, clips):
    asked = ["beta/t0", "alpha/s1", "alpha/s3"]
    whole, row = trial(), trial("fusion", "add", {"fusion": "add"}, right=0.3, folds=[*asked, "alpha/s0"])
    ablation = read(whole, row, folds=asked)
    table, classes = clips
    names = set(table[(table.dataset + "/" + table.subject).isin(asked)].dataset.index)
    only = {tuple(table.loc[i, ["dataset", "subject", "clip"]]) for i in names}
    one = [read_run(record.results / "runs" / run_id).predictions for run_id in row.run_ids]
    one, two = ([restricted(each, only) for each in runs] for runs in (one, predictions_of(record, whole)))
    assert [line.row.status for line in ablation.lines] == ["complete", "complete"]
    assert {record["folds"] for record in ablation.records()} == {3}
    assert {record["clips"] for record in ablation.records()} == {24}
    assert ablation.lines[1].difference == paired_difference(one, two, CLASSES)
    shares = same_units(table, classes)
    assert 0 < ablation.shared_clips == sum(shares[i] for i in names) < sum(shares)
    assert ablation.lines[1].shared_difference.clips == ablation.shared_clips
    assert "Only 3 of the protocol's 7 folds were asked for." in " ".join(printed(ablation).split())
    assert "not ranked" not in printed(ablation)
    assert "were asked for" not in printed(read(whole, whole))


def test_a_row_that_lacks_a_fold_asked_for_is_not_compared(trial, read):
    row = trial("fusion", "add", {"fusion": "add"}, folds=["alpha/s0"])
    ablation = read(trial(), row, folds=["alpha/s0", "alpha/s1"])
    assert ablation.lines[1].difference is None
    assert "fusion/add: not ranked: seed 0 has 1 of 2 folds" in printed(ablation)


def test_without_clips_that_share_action_units_the_columns_are_left_out_and_a_line_says_so(trial, read, clips):
    table, classes = clips
    ablation = read(trial(), trial("a", "b", {"c": 1}), clips=(table.assign(aus=None), classes))
    assert ablation.records()[1]["same_units_uf1"] is None
    assert ablation.records()[1]["same_units_clips"] == 0
    for text in (printed(ablation), as_markdown(ablation)):
        assert "same AUs" not in text
        assert "No clip is known to share its action units with another class" in text


def test_diagnostics_give_cka_probes_and_detection_and_a_missing_branch_a_dash(trial, read, told):
    both, one = told("motion", "emotion"), told("motion", scores=False)
    ablation = read(
        trial(diagnostics=both), trial("branch", "motion", {"branch": "motion"}, diagnostics=one), diagnosed=True
    )
    expected = decoupling([list(both.values())] * 2)
    whole, row = ablation.records()
    assert whole["cka"] == pytest.approx(expected.alignment.cka)
    assert whole["au_probe_emotion"] == expected.probes["emotion"].f1
    assert whole["au_probe_motion_low"] == expected.probes["motion"].interval.low
    assert whole["au_detection"] == expected.detection.f1 == 1
    assert row["au_probe_motion"] == expected.probes["motion"].f1
    assert (row["cka"], row["au_probe_emotion"], row["au_detection"], row["au_detection_floor"]) == (None,) * 4
    (line,) = (line for line in as_markdown(ablation).splitlines() if line.startswith("| branch | motion |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert [cell == "–" for cell in cells[-4:]] == [True, True, False, True]


def test_a_row_without_diagnostics_has_dashes_and_diagnostics_that_do_not_verify_are_told(trial, read, record, told):
    whole = trial(diagnostics=told("motion"))
    (damaged, *_) = (record.results / "runs" / whole.run_ids[0]).glob("folds/*/diagnostics.npz")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    ablation = read(whole, trial("beside", "plain", variant="plain"), diagnosed=True)
    assert [line.decoupling for line in ablation.lines] == [None, None]
    said = printed(ablation)
    assert str(damaged) in said
    assert "net/net" not in said
    assert "No row has diagnostics." in said


def test_a_fold_without_diagnostics_is_not_passed_over_in_silence(trial, read, told):
    folds = told("motion")
    folds.pop("beta/t1")
    assert read(trial(diagnostics=folds), diagnosed=True).lines[0].decoupling is None


def test_decoupling_is_read_only_where_it_is_asked_for(trial, read, told):
    ablation = read(trial(diagnostics=told("motion")))
    assert ablation.lines[0].decoupling is None
    assert "cka" not in ablation.records()[0]
    assert "CKA" not in printed(ablation)


def test_json_and_csv_hold_the_same_and_every_object_has_the_same_fields(trial, read, told):
    trials = [trial(diagnostics=told("motion")), trial("fusion", "add", {"fusion": "add", "rates": [0.5, 1]})]
    for diagnosed in (False, True):
        ablation = read(*trials, diagnosed=diagnosed)
        objects = json.loads(as_json(ablation))
        assert [list(each) for each in objects] == [list(objects[0])] * 2
        assert objects[1]["settings"] == {"fusion": "add", "rates": [0.5, 1]}
        lines = list(csv.DictReader(io.StringIO(as_csv(ablation))))
        assert list(lines[0]) == list(objects[0])
        assert lines[1]["settings"] == "fusion=add rates=[0.5, 1]"
        assert lines[1]["run_ids"].split() == objects[1]["run_ids"]
        assert float(lines[1]["difference_low"]) == objects[1]["difference_low"]
        assert lines[0]["difference"] == ""


def test_synthetic_data_is_called_so_everywhere(trial, read):
    ablation = read(trial(synthetic=True, data="synthetic-small"), trial("a", "b", {"c": 1}, synthetic=True))
    assert {each["synthetic"] for each in ablation.records()} == {True}
    for text in (printed(ablation), as_markdown(ablation)):
        assert "synthetic data" in text.splitlines()[0]
        assert re.search(r"Run on synthetic\\?-small \(synthetic", text)


def test_it_says_what_it_was_run_on_and_by_which_command(trial, read):
    ablation = read(trial(config_name="quick"))
    for text in (printed(ablation), as_markdown(ablation)):
        assert "Run on toy-data, protocol toys, configuration quick, seeds 0, 1, 7 folds, 56 clips." in text
        assert COMMAND in text
    assert f"```sh\n{COMMAND}\n```" in as_markdown(ablation)


def test_a_difference_is_bold_where_its_interval_leaves_0_out(trial, read):
    far, near = trial("a", "far", {"c": 1}, right=0.0), trial("a", "near", {"c": 2}, right=0.69)
    text = as_markdown(read(trial(right=0.9), far, near, trial("a", "much", {"c": 3}, right=0.9)))
    assert re.search(r"\| far \|.*\*\*-\.\d{4}\*\* \[-\.\d{3}, -\.\d{3}\]", text)
    assert "**" not in next(line for line in text.splitlines() if "| much |" in line)


@pytest.mark.parametrize("width", [100, 140])
@pytest.mark.parametrize("diagnosed", [False, True])
def test_it_fits_an_ordinary_terminal(trial, read, told, width, diagnosed):
    folds = told("motion", "emotion")
    changes = {"rates": [0.25, 0.5, 0.75], "selection": "random", "heads": 4}
    text = printed(
        read(trial(diagnostics=folds), trial("sparsity", "random", changes, diagnostics=folds), diagnosed=diagnosed),
        width,
    )
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "heads=4" in text
    assert ("CKA" in text) is diagnosed
    assert text.count("sparsity") == (2 if diagnosed and width == 100 else 1)


def test_markdown_stays_a_table_whatever_names_and_settings_hold(trial, read):
    text = as_markdown(read(trial(remark=WILD), trial(WILD, WILD, {"word": WILD})))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "a\\_b \\| \\*c\\*" in text


def test_a_terminal_gets_no_control_characters(trial, read):
    text = printed(read(trial(), trial("a", "b", {"word": "red \x1b[31m"})), 100)
    assert "\x1b[31m" not in text
    assert "\\x1b" in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"fusion": "add"}, "fusion=add"), ({"on": False, "rate": 1e-05}, "on=false rate=1e-05"), ({"a": None}, "a=null")],
)
def test_settings_are_written_as_they_would_be_given(changes, text):
    assert setting_text(changes) == text
