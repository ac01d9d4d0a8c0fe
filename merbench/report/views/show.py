"""One run, or one log, in detail: scores, confusion, recall of each class, results of each subject, action units."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.diagnostics import Diagnostics, unit_series
from merbench.contracts.cards import Task
from merbench.contracts.notes import Note
from merbench.contracts.yamlfiles import settings_text
from merbench.records.model import FoldRecord
from merbench.records.read import RecordedRun
from merbench.report.numbers import NONE, interval_text, number
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.views.rows import as_notes
from merbench.scoring.detection import shown_f1, subject_unit_counts
from merbench.scoring.metrics import Counts
from merbench.scoring.table import part_scores, pooled_confusion
from merbench.scoring.unit_scores import LEAST_SHOWN, UnitScores


def run_report(
    run: RecordedRun,
    diagnostics: Diagnostics,
    command: str,
    record: FoldRecord | None = None,
    inner: npt.NDArray[np.float64] | None = None,
) -> Report:
    """Build the tables of a recorded run.

    `command` is the one that records diagnostics, if one does; `record` that of one of the folds, for machine and
    packages; `inner`, shape (n_folds, n_epochs), the scores by which epochs were selected
    (:meth:`merbench.records.read.RecordedRun.inner`).
    """
    file = run.file
    tables = [_facts(run, record, inner)]
    if len(run.predictions):
        tables += scores_tables(run.predictions, file.outputs, file.parts, "Scores", file.task)
    tables += [_unit_table(unit_series(diagnostics))] if unit_series(diagnostics) else []
    return Report(tables, _diagnostic_notes(diagnostics, command))


def scores_tables(
    predictions: pd.DataFrame,
    outputs: Sequence[str],
    parts: Mapping[str, str],
    title: str,
    task: Task = "classification",
) -> list[Table]:
    """Build the tables of predictions: scores by part; confusion and subjects, or action units."""
    scores = _part_table(predictions, outputs, parts, title, task)
    if task != "classification":
        return [scores, _detection_table(predictions, outputs, parts)]
    confusion = _confusion_table(pooled_confusion(predictions, outputs), outputs)
    return [scores, confusion, _subject_table(predictions, outputs)]


def _facts(run: RecordedRun, record: FoldRecord | None, inner: npt.NDArray[np.float64] | None) -> Table:
    file, key = run.file, run.file.key
    facts = {
        "run": f"{file.run_id} (record {file.digest()[:12]})",
        "method": file.method,
        "config": " ".join(filter(None, [file.config_name, file.variant])),
        "seed": str(key.seed),
        "settings": settings_text(key.config) or "none",
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
    if file.imported:
        facts["code"] = f"not seen; imported from {file.imported} by merbench {file.merbench}"
    elif record:
        machine = f"{record.hardware.get('processor')}, {record.hardware.get('system')}"
        facts["machine"] = f"{machine}; {record.device}, {record.threads} thread{'s' * (record.threads > 1)} per fold"
        facts["packages"] = ", ".join(f"{name} {version}" for name, version in record.packages.items())
    if run.mark and not file.imported:
        facts["time"] = f"{run.mark.seconds:.1f} s, sum over folds"
    lines = [[Cell(name, place=1), Cell(value)] for name, value in facts.items() if value]
    columns = [name_column("", wraps=False), Column("", align="left", wraps=True)]
    return Table("", columns, [Section(lines)], notes=_run_notes(run))


def _run_notes(run: RecordedRun) -> list[Note]:
    notes = [Note("problem", f"failed: {fold}: {why}") for fold, why in run.failed.items()]
    notes += [Note("problem", f"does not verify: {problem}") for problem in run.problems]
    notes += [Note("warning", f"warning: {warning}") for warning in run.file.warnings]
    if run.file.key.shuffled:
        notes.append(Note("warning", "warning: trained on shuffled labels: a sanity check, never a result"))
    if run.mark and run.mark.mixed:
        notes.append(Note("warning", f"folds differ in {', '.join(run.mark.mixed)}"))
    return notes


def _selected(inner: npt.NDArray[np.float64]) -> str:
    """Return the range of the selected epochs: the first best of each fold's inner training."""
    epochs = np.nanargmax(inner, axis=1) + 1
    return f" (epochs {epochs.min()} to {epochs.max()} of {inner.shape[1]}, median {np.median(epochs):g})"


def _part_table(
    predictions: pd.DataFrame, outputs: Sequence[str], parts: Mapping[str, str], title: str, task: Task
) -> Table:
    f1, scored = ("UF1", "Classes") if task == "classification" else ("F1", "AUs")
    lines = []
    for score in part_scores([predictions], outputs, parts, task):
        figures = [NONE] * 5
        if score.clips:
            uf1, uar = (interval_text(each, 4) or NONE for each in (score.uf1_interval, score.uar_interval))
            figures = [number(score.uf1), uf1, number(score.uar), uar, number(score.acc)]
        lines.append(text_cells(parts[score.part], *figures, score.clips, score.classes_scored if score.clips else 0))
    heads = (f1, f"{f1} 95 %", "UAR", "UAR 95 %", "Acc", "Clips", scored)
    return Table(title, [name_column("Part"), *map(Column, heads)], [Section(lines)])


def _detection_table(predictions: pd.DataFrame, units: Sequence[str], parts: Mapping[str, str]) -> Table:
    """F1 of each action unit, on all clips and on each dataset, and the number of clips that show it."""
    datasets = [part for part in parts if part not in ("full", "mean")]
    counts, of = subject_unit_counts([predictions], units)
    inside = {part: np.array([name == part for name in of]) for part in datasets}
    lines = []
    for unit, by_subject in zip(units, counts[0], strict=True):
        pooled = by_subject.sum(axis=0)
        clips, positive = int(pooled.sum()), int(pooled[1].sum())
        each = [number(float(shown_f1(by_subject[rows].sum(axis=0)))) for rows in inside.values()]
        floor = number(2 * positive / max(clips + positive, 1))
        lines.append(text_cells(f"AU{unit}", clips, positive, number(float(shown_f1(pooled))), *each, floor))
    heads = ("Clips", "Shown", "F1", *(parts[part] for part in datasets), "Always shown")
    title = "Action units: F1 at threshold 0, on clips whose coding is known"
    return Table(title, [name_column("AU"), *map(Column, heads)], [Section(lines)])


def _confusion_table(confusion: Counts, classes: Sequence[str]) -> Table:
    lines = []
    for index, name in enumerate(classes):
        hit, actual, given = int(confusion[index, index]), int(confusion[index].sum()), int(confusion[:, index].sum())
        counts = [Cell(str(n), place=1 if i == index else 0) for i, n in enumerate(confusion[index])]
        recall, precision = (hit / n if n else None for n in (actual, given))
        f1 = 2 * hit / (actual + given) if actual else None
        lines.append([Cell(name), *counts, *text_cells(actual, number(recall), number(precision), number(f1))])
    heads = (*classes, "Clips", "Recall", "Precision", "F1")
    return Table(
        "Confusion: rows true, columns predicted", [name_column("Class"), *map(Column, heads)], [Section(lines)]
    )


def _subject_table(predictions: pd.DataFrame, classes: Sequence[str]) -> Table:
    """Correct clips of clips shown, by class: one subject has too few for a meaningful UF1."""
    lines, identity = [], ["dataset", "subject"]
    hits = predictions.assign(hit=predictions.truth == predictions.predicted)
    counted = hits.groupby([*identity, "truth"]).hit.agg(["sum", "size"])
    of_class = {place: f"{right}/{clips}" for place, right, clips in counted.itertuples()}
    for (dataset, subject), right, clips in hits.groupby(identity).hit.agg(["sum", "size"]).itertuples():
        cells = [of_class.get((dataset, subject, name), "") for name in classes]
        lines.append(text_cells(f"{dataset}/{subject}", f"{right}/{clips}", *cells))
    title = "Subjects: correct clips / clips, by class"
    return Table(title, [name_column("Subject"), *map(Column, ("all", *classes))], [Section(lines)])


def _diagnostic_notes(diagnostics: Diagnostics, command: str) -> list[Note]:
    notes = [Note("excluded", f"excluded: {problem}") for problem in as_notes(diagnostics.problems)]
    if not diagnostics.folds and not command:
        return notes
    if not diagnostics.folds:
        return [*notes, Note("note", f"no diagnostics recorded; if the method offers any, record them: {command}")]
    aligned = diagnostics.decoupling.alignment if diagnostics.decoupling else None
    if aligned:
        one, other = diagnostics.features
        small = f", {aligned.left_out} with too few clips excluded" if aligned.left_out else ""
        said = f"Linear CKA of {one} and {other} on held-out clips (0: unrelated, 1: equal up to a rotation): "
        notes.append(Note("note", f"{said}{number(aligned.cka, 2)} over {aligned.folds} folds{small}"))
    return notes


def _unit_table(series: Mapping[str, UnitScores]) -> Table:
    """F1 of each action unit: predicted by the method, and by a linear probe on each of its features."""
    by_unit = {name: {score.unit: score for score in scores.units if score.shown} for name, scores in series.items()}
    lines = []
    for unit in sorted({unit for scores in by_unit.values() for unit in scores}):
        found = [scores.get(unit) for scores in by_unit.values()]
        known = next(score for score in found if score)
        lines.append([*text_cells(unit, known.shown), *map(_f1_cell, found), Cell(number(known.floor))])
    floors = {number(scores.floor) for scores in series.values()}  # several where the means are over different units
    mean = [*text_cells("mean", ""), *map(_f1_cell, series.values()), Cell(floors.pop() if len(floors) == 1 else NONE)]
    legend = [
        f"Mean: over the action units that at least {LEAST_SHOWN} clips show. Floor: every unit predicted as shown. "
        "95 % intervals over subjects."
    ]
    columns = [name_column("AU"), *map(Column, ("Clips", *series, "Floor"))]
    return Table("Action units on held-out clips: F1", columns, [Section(lines), Section([mean])], legend)


def _f1_cell(score: Any) -> Cell:
    """Return F1 with its interval, of one unit or of the mean over units."""
    return Cell(NONE) if score is None or isnan(score.f1) else Cell(number(score.f1), interval_text(score.interval))
