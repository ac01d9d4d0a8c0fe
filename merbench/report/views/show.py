"""One run, or one log, in detail: scores, confusion, recall of each class, results of each subject, action units."""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from merbench.analysis.diagnostics import Diagnostics, unit_series
from merbench.contracts.cards import Task
from merbench.contracts.names import shown
from merbench.records.model import FoldRecord
from merbench.records.read import RecordedRun
from merbench.report.views.compare import number
from merbench.report.write.terminal import print_columns
from merbench.scoring.alignment import Alignment
from merbench.scoring.detection import shown_f1, subject_unit_counts
from merbench.scoring.intervals import Interval
from merbench.scoring.metrics import Counts
from merbench.scoring.table import part_scores, pooled_confusion
from merbench.scoring.unit_scores import LEAST_SHOWN, UnitScore, UnitScores


def print_run(
    run: RecordedRun,
    console: Console,
    record: FoldRecord | None = None,
    inner: npt.NDArray[np.float64] | None = None,
) -> None:
    """Print a recorded run.

    Parameters
    ----------
    run : RecordedRun
        The run.
    console : Console
        Where to.
    record : FoldRecord, optional
        That of one of its folds, which tells what it was computed with.
    inner : ndarray of float, shape (n_folds, n_epochs), optional
        What epochs were selected by, from :func:`merbench.records.read.read_inner`.
    """
    file, key = run.file, run.file.key
    facts = {
        "run": file.run_id,
        "method": file.method,
        "config": " ".join(filter(None, [file.config_name, file.variant])),
        "seed": str(key.seed),
        "settings": ", ".join(f"{name}={value}" for name, value in key.config.items()) or "none",
        "protocol": f"{file.protocol} (specification {key.spec_digest[:12]}, split {key.split_digest[:12]})",
        "data": f"{file.data}{' (synthetic)' if file.synthetic else ''} ({key.data_digest[:12]})",
        "inputs": ", ".join(f"{name} ({value[:12]})" for name, value in key.input_digests.items()) or "none",
        "prepared": "; ".join(
            f"{name} of {data}: {how}" for name, made in file.prepared.items() for data, how in made.items()
        ),
        "code": f"{key.code_digest[:12]}, merbench {file.merbench}, commit {file.git_commit or 'unknown'}",
        "selection": key.selection + ("" if inner is None else _selected(inner)),
        "recorded": f"{run.folds} of {len(file.folds)} folds, started {file.created}",
    }
    if record:
        machine = f"{record.hardware.get('processor')}, {record.hardware.get('system')}"
        facts["machine"] = f"{machine}; {record.device}, {record.threads} thread{'s' * (record.threads > 1)} a fold"
        facts["packages"] = ", ".join(f"{name} {version}" for name, version in record.packages.items())
    if run.mark:
        facts["took"] = f"{run.mark.seconds:.1f} s, all folds together"
    for name, value in facts.items():
        if not value:
            continue
        console.print(Text.assemble((f"{name:<10}", "bold"), shown(value)), soft_wrap=True)
    for fold, why in run.failed.items():
        console.print(Text(shown(f"failed    {fold}: {why}"), style="red"), soft_wrap=True)
    for problem in run.problems:
        console.print(Text(f"does not verify: {problem}", style="red"), soft_wrap=True)
    for warning in file.warnings:
        console.print(Text(shown(f"warning   {warning}"), style="yellow"), soft_wrap=True)
    if key.shuffled:
        told = "warning   labels of the training clips were shuffled: a check of sanity, never a result"
        console.print(Text(told, style="yellow"), soft_wrap=True)
    if run.mark and run.mark.mixed:
        console.print(Text(f"folds differ in {', '.join(run.mark.mixed)}", style="yellow"), soft_wrap=True)
    if len(run.predictions):
        console.print()
        if file.task == "classification":
            print_scores(run.predictions, file.outputs, file.parts, console, "Scores")
        else:
            _print_part_scores(run.predictions, file.outputs, file.parts, console, "Scores", file.task)
            _print_detection(run.predictions, file.outputs, file.parts, console)


def _selected(inner: npt.NDArray[np.float64]) -> str:
    """Tell which epochs were selected: the first best of each fold's inner training."""
    epochs = np.nanargmax(inner, axis=1) + 1
    return f" (epochs {epochs.min()} to {epochs.max()} of {inner.shape[1]}, median {np.median(epochs):g})"


def print_scores(
    predictions: pd.DataFrame, classes: Sequence[str], parts: Mapping[str, str], console: Console, title: str
) -> None:
    """Print the scores of predictions by part, their confusion, and the results of each class and each subject."""
    _print_part_scores(predictions, classes, parts, console, title)
    _print_confusion(pooled_confusion(predictions, classes), classes, console)
    _print_subjects(predictions, classes, console)


def _table(title: str) -> Table:
    return Table(title=Text(shown(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _range(interval: Interval) -> str:
    return "–" if isnan(interval.low) else f"{number(interval.low)}–{number(interval.high)}"


def _print_detection(
    predictions: pd.DataFrame, units: Sequence[str], parts: Mapping[str, str], console: Console
) -> None:
    """F1 of each action unit, of all clips and of each dataset, beside how many clips show it."""
    datasets = [part for part in parts if part not in ("full", "mean")]
    heads = ["AU", "clips", "shown", "F1", *(parts[part] for part in datasets), "always shown"]
    rows = []
    counts, of = subject_unit_counts([predictions], units)
    inside = {part: np.array([name == part for name in of]) for part in datasets}
    for unit, by_subject in zip(units, counts[0], strict=True):
        pooled = by_subject.sum(axis=0)
        clips, positive = int(pooled.sum()), int(pooled[1].sum())
        each = [number(float(shown_f1(by_subject[rows].sum(axis=0)))) for rows in inside.values()]
        floor = number(2 * positive / max(clips + positive, 1))
        rows.append([f"AU{unit}", str(clips), str(positive), number(float(shown_f1(pooled))), *each, floor])
    title = "Action units: F1 of being shown, decided at score 0; of clips of which it is known"
    print_columns(console, title, heads, rows, left=False)


def _print_part_scores(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    parts: Mapping[str, str],
    console: Console,
    title: str,
    task: Task = "classification",
) -> None:
    f1, scored = ("UF1", "Classes") if task == "classification" else ("F1", "AUs")
    rows = []
    for score in part_scores([predictions], classes, parts, task):
        if not score.clips:
            rows.append([parts[score.part], *["–"] * 5, "0", "0"])
            continue
        uf1, uar = map(_range, (score.uf1_interval, score.uar_interval))
        counts = (str(score.clips), str(score.classes_scored))
        rows.append([parts[score.part], number(score.uf1), uf1, number(score.uar), uar, number(score.acc), *counts])
    print_columns(console, title, ["Part", f1, f"{f1} 95 %", "UAR", "UAR 95 %", "Acc", "Clips", scored], rows)


def _print_confusion(confusion: Counts, classes: Sequence[str], console: Console) -> None:
    rows: list[list[str | Text]] = []
    for index, name in enumerate(classes):
        hit, actual, given = int(confusion[index, index]), int(confusion[index].sum()), int(confusion[:, index].sum())
        counts = [Text(str(n), style="bold" if i == index else "") for i, n in enumerate(confusion[index])]
        recall, precision = (hit / n if n else None for n in (actual, given))
        f1 = 2 * hit / (actual + given) if actual else None
        rows.append([name, *counts, str(actual), number(recall), number(precision), number(f1)])
    title = "Confusion: a row is the truth, a column what was predicted"
    print_columns(console, title, ["", *classes, "clips", "recall", "precision", "F1"], rows)


def _print_subjects(predictions: pd.DataFrame, classes: Sequence[str], console: Console) -> None:
    """Clips right of clips shown, by class: one subject has too few for a meaningful UF1."""
    rows = []
    hits = predictions.assign(hit=predictions.truth == predictions.predicted)
    for (dataset, subject), block in hits.groupby(["dataset", "subject"], sort=True):
        cells = [f"{block.hit.sum()}/{len(block)}"]
        for name in classes:
            of_class = block[block.truth == name]
            cells.append(f"{of_class.hit.sum()}/{len(of_class)}" if len(of_class) else "")
        rows.append([f"{dataset}/{subject}", *cells])
    print_columns(console, "Subjects: clips right / clips, by class", ["Subject", "all", *classes], rows)


def print_diagnostics(diagnostics: Diagnostics, command: str, console: Console) -> None:
    """Print what was measured inside the method: action units found, and how far its features keep apart."""
    for problem in diagnostics.problems:
        console.print(Text(shown(f"left out: {problem}"), style="red"), soft_wrap=True)
    if not diagnostics.folds:
        told = f"no diagnostics are recorded: {command} does, where the method offers any, and shows what it sees"
        console.print(Text(shown(told), style="dim"), soft_wrap=True)
        return
    series = unit_series(diagnostics)
    if series:
        console.print(_unit_table(series))
    if diagnostics.decoupling and diagnostics.decoupling.alignment:
        line = _alignment_line(diagnostics.features, diagnostics.decoupling.alignment)
        console.print(Text(shown(line)), soft_wrap=True)


def _unit_table(series: Mapping[str, UnitScores]) -> Table:
    """F1 of each action unit: found by the method, and read off each of its features by a linear rule."""
    table = _table(
        f"Action units in held-out clips: F1, 95 % over subjects; the mean is that of units that {LEAST_SHOWN} clips "
        "or more show, the floor that of always answering that a unit is shown"
    )
    for name in ("AU", "clips", *series, "floor"):
        table.add_column(Text(shown(name)), justify="right", overflow="fold")
    by_unit = {name: {score.unit: score for score in scores.units if score.shown} for name, scores in series.items()}
    for unit in sorted({unit for scores in by_unit.values() for unit in scores}):
        found = [scores.get(unit) for scores in by_unit.values()]
        known = next(score for score in found if score)
        table.add_row(str(unit), str(known.shown), *map(_f1_cell, found), number(known.floor))
    table.add_section()
    floors = {number(scores.floor) for scores in series.values()}  # several where they are means over different units
    table.add_row("mean", "", *map(_f1_cell, series.values()), floors.pop() if len(floors) == 1 else "–")
    return table


def _f1_cell(score: UnitScore | UnitScores | None) -> str:
    if score is None or isnan(score.f1):
        return "–"
    interval = "" if isnan(score.interval.low) else f"{score.interval.low:.3f}–{score.interval.high:.3f}"
    return f"{number(score.f1)} {interval.replace('0.', '.')}".rstrip()


def _alignment_line(features: Sequence[str], alignment: Alignment) -> str:
    one, other = features
    told = f"Linear CKA of {one} and {other} in held-out clips: {number(alignment.cka, 2)} over {alignment.folds} folds"
    if alignment.left_out:
        told += f", {alignment.left_out} with too few clips left out"
    return f"{told} (0: nothing in common, 1: the same but for a rotation)"
