"""A prediction log, scored under a protocol."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from merbench.analysis.selection_rules import fold_f1
from merbench.contracts.errors import listed
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.logs import Log
from merbench.report.numbers import NONE, number
from merbench.report.table import Report, Section, Table, text_cells
from merbench.report.views.rows import warned
from merbench.report.views.show import scores_tables
from merbench.scoring.metrics import accuracy, confusion_matrix, scores, unweighted_recall
from merbench.scoring.table import pooled_confusion

#: At most this many clips are named in a line.
_MOST = 20

#: Fold rule -> what its folds hold out.
_HELD_OUT = {
    "leave-one-subject-out": "subjects",
    "leave-one-database-out": "databases",
    "leave-one-video-out": "clips",
}


def log_notes(log: Log, spec: ProtocolSpec) -> list[Note]:
    """Say what a reader of a log's scores should know: missing clips, foreign clips and other labels are named."""
    notes = [Note("warning", f"warning: {warning}") for warning in spec.warnings]
    notes += log.notes
    if log.relabelled:
        known = scores(pooled_confusion(log.as_listed, spec.classes))
        figures = f"UF1 {number(known.uf1)}, UAR {number(known.uar)}"
        notes.append(_of_clips(f"truth differs from {log.origin} for", log.relabelled))
        if log.as_listed is not log.predictions:
            notes.append(Note("warning", f"with the labels of {log.origin}: {figures}"))
    if log.missing:
        notes.append(_of_clips("no prediction for", log.missing))
    if log.foreign:
        notes.append(_of_clips("not in the protocol, not scored:", log.foreign))
    return notes


def log_report(log: Log, spec: ProtocolSpec, name: str, synthetic: bool = False) -> Report:
    """Build the tables of a log's scores, with their notes."""
    title = f"{name} under {spec.name}{warned(spec.warnings)}{_held(log, spec, synthetic)}"
    first, *others = scores_tables(log.predictions, spec.classes, spec.parts, title)
    return Report([replace(_with_fold_mean(first, log, spec), notes=log_notes(log, spec)), *others])


def _of_clips(text: str, clips: Sequence[str]) -> Note:
    return Note("warning", f"{text} {len(clips)} clip{'s' if len(clips) > 1 else ''}: {listed(clips, most=_MOST)}")


def _held(log: Log, spec: ProtocolSpec, synthetic: bool) -> str:
    """Say in the title how many of the clips are there, and what the log was held against."""
    clips, expected = len(log.predictions), _expected_clips(spec)
    every = clips + len(log.missing) if log.origin else expected
    counted = "" if every is None or clips == every else f": {clips} of {every} clips"
    if every is not None and clips > every:
        counted = f": {clips} clips instead of {every}"
    if synthetic:
        return f", synthetic data{counted}" + (f" (compared with {log.origin})" if log.origin else "")
    if not log.origin:
        what = "compared with nothing" if spec.expected is None else "compared with expected counts only"
        return f"{counted} (truth of the log; {what})"
    of_list = log.origin == f"the official list of {spec.name}"
    return counted + ("" if of_list else f" (compared with {log.origin})")


def _expected_clips(spec: ProtocolSpec) -> int | None:
    """Return how many clips the protocol tests, if it says so."""
    if spec.expected is None:
        return None
    if set(spec.tested) == set(spec.datasets):
        return spec.expected.clips
    counts = [spec.expected.datasets.get(name) for name in spec.tested]
    return None if None in counts else sum(filter(None, counts))


def _with_fold_mean(table: Table, log: Log, spec: ProtocolSpec) -> Table:
    """Add the mean over folds to the table of pooled figures."""
    folds = log.folds or _folds_of(log, spec)
    if len(set(folds)) < 2:
        return table
    blocks = [block for _, block in log.predictions.groupby(folds)]
    counts = np.stack([confusion_matrix(list(each.truth), list(each.predicted), spec.classes) for each in blocks])
    f1, recall, right = (float(figure(counts).mean()) for figure in (fold_f1, unweighted_recall, accuracy))
    line = text_cells(
        "Mean over folds", number(f1), NONE, number(recall), NONE, number(right), len(log.predictions), ""
    )
    kind = _HELD_OUT.get(spec.folds.rule, "")
    legend = (
        f"Mean over folds: the mean of the figures of {len(blocks)} folds{f' ({kind})' if kind else ''}, not "
        "comparable with pooled figures. The F1 of a fold is the mean over the classes among its labels or predictions."
    )
    return replace(table, sections=[*table.sections, Section([line])], legend=[*table.legend, legend])


def _folds_of(log: Log, spec: ProtocolSpec) -> list[str]:
    """Return the fold of each clip where its name gives it."""
    clips = log.predictions
    if spec.folds.rule == "leave-one-subject-out":
        return list(clips.dataset + "/" + clips.subject)
    return list(clips.dataset) if spec.folds.rule == "leave-one-database-out" else []
