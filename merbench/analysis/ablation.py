"""An ablation: the full method, rows that change some of its settings, and other methods for comparison."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merbench.analysis.held import hold
from merbench.analysis.rows import Row, finite, measured_rows
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import RecordError
from merbench.contracts.notes import Note
from merbench.records.read import read_run
from merbench.records.truth import Truth
from merbench.scoring.decoupling import Decoupling, decoupling
from merbench.scoring.paired import Difference, Identity, paired_difference, restricted
from merbench.scoring.same_units import same_units
from merbench.scoring.table import PartScore, part_scores

WHOLE, BESIDE, SANITY = "whole", "beside", "sanity"


#: A row as planned: group, name, changed settings and runs; see `Line`.
Trial = tuple[str, str, dict[str, Any], tuple[str, ...]]


@dataclass(frozen=True)
class Line:
    """One row as measured; rows with the same runs are equal.

    `group` is one of the card's ablations; ``whole`` for the full method, ``beside`` for other methods, ``sanity`` for
    sanity rows, which are not compared with the full method. Differences are to the full method; None where either
    lacks folds, and for the full method.
    """

    group: str
    name: str  #: on the card, or the method's
    changes: dict[str, Any]  #: the settings that it changes
    run_ids: tuple[str, ...]
    row: Row  #: its scores over all clips
    shared: PartScore | None  #: those on the clips whose action units occur with several classes; None without
    difference: Difference | None = None
    shared_difference: Difference | None = None  #: over the same clips as `shared`
    decoupling: Decoupling | None = None  #: from its diagnostics, where they were asked for and every fold has some

    @property
    def complete(self) -> bool:
        """Whether every requested fold is recorded, for every seed."""
        return self.row.status == "complete"


@dataclass(frozen=True)
class Ablation:
    """All rows, the full method first.

    `shared_clips` counts the clips whose action units occur with several classes; `command` is the command line that
    gives this table; `diagnosed` whether diagnostics were asked for; `folds` the number of folds of the protocol, of
    which rows have fewer under ``--folds``; `notes` name diagnostics that are excluded.
    """

    lines: list[Line]
    shared_clips: int
    command: str
    diagnosed: bool
    folds: int
    notes: list[Note] = field(default_factory=list)

    @property
    def whole(self) -> Line:
        """The full method."""
        return self.lines[0]

    @property
    def features(self) -> list[str]:
        """Features of any row."""
        return sorted({name for line in self.lines if line.decoupling for name in line.decoupling.probes})

    def is_whole(self, line: Line) -> bool:
        """Whether the settings of a row are those of the full method."""
        return line.run_ids == self.whole.run_ids

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as objects for JSON and CSV."""
        return [self._record(line) for line in self.lines]

    def _record(self, line: Line) -> dict[str, Any]:
        row, file = line.row, line.row.runs[0].file
        record = {
            "group": line.group, "row": line.name, "settings": line.changes, "as_whole": self.is_whole(line),
            "sanity": line.group == SANITY, "method": file.method, "config": file.config_name,
            "variant": file.variant, "protocol": file.protocol, "data": file.data, "synthetic": file.synthetic,
            "status": row.status, "remarks": row.remarks, "clips": row.scores["full"].clips if row.scores else 0,
            "folds": row.folds, "seeds": len(row.runs),
            **_scores("", row.scores.get("full")), **_differences("", line.difference),
            "same_units_clips": self.shared_clips,
            **_scores("same_units_", line.shared), **_differences("same_units_", line.shared_difference),
        }  # fmt: skip
        if self.diagnosed:
            record |= self._decoupling(line.decoupling or Decoupling(None, {}, None))
        return record | {"run_ids": list(line.run_ids)}

    def _decoupling(self, found: Decoupling) -> dict[str, Any]:
        record = {"cka": finite(found.alignment.cka) if found.alignment else None}
        scores = {f"au_probe_{name}": found.probes.get(name) for name in self.features}
        for name, each in (scores | {"au_detection": found.detection}).items():
            record |= _figure(name, each, "f1", "interval") | {f"{name}_floor": finite(each.floor) if each else None}
        return record


def _scores(prefix: str, found: PartScore | None) -> dict[str, Any]:
    uf1 = _figure(f"{prefix}uf1", found, "uf1", "uf1_interval")
    uar = _figure(f"{prefix}uar", found, "uar", "uar_interval")
    return uf1 | uar | {f"{prefix}seed_sd": finite(found.seed_sd) if found else None}


def _differences(prefix: str, found: Difference | None) -> dict[str, Any]:
    uf1 = _figure(f"{prefix}difference", found, "uf1", "uf1_interval")
    return uf1 | _figure(f"{prefix}uar_difference", found, "uar", "uar_interval")


def _figure(name: str, found: object, value: str, interval: str) -> dict[str, float | None]:
    """Return a figure and the ends of its interval; None for all without a figure."""
    if found is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    ends = getattr(found, interval)
    figures = {name: getattr(found, value), f"{name}_low": ends.low, f"{name}_high": ends.high}
    return {each: finite(figure) for each, figure in figures.items()}


def read_ablation(
    trials: Sequence[Trial],
    runs: Path,
    clips: pd.DataFrame,
    truth: pd.DataFrame,
    command: str,
    diagnosed: bool,
    folds: Collection[str] = (),
) -> Ablation:
    """Read the runs of the rows, score them, and compare each with the full method, the first of `trials`.

    `runs` is the folder of all runs. `clips` is the clip table of the protocol's clips, with their action units;
    `truth`, rows alike, the class of each, ``truth``, and the ``fold`` it is tested in. `command` is the command line
    that gives this table; `diagnosed` reads diagnostics as well; `folds` are those to compare over, all by default.
    """
    asked = truth.fold.isin(folds).to_numpy() if folds else np.ones(len(clips), dtype=bool)
    shared = clips[same_units(clips, truth.truth.tolist()) & asked]
    tested = clips[IDENTITY].assign(truth=truth.truth.to_numpy(), fold=truth.fold.to_numpy())
    only = set(zip(*(shared[column] for column in IDENTITY), strict=True))
    lines: dict[tuple[str, ...], Line] = {}
    notes: list[Note] = []
    for trial in trials:
        *_, run_ids = trial
        if run_ids not in lines:
            line = _line(trial, runs, only, folds, tested)
            if lines and line.group != SANITY:
                line = _compared(line, next(iter(lines.values())), only)
            if diagnosed:
                line = _diagnosed(line, notes)
            lines[run_ids] = line
    rows = [replace(lines[ids], group=group, name=name, changes=changes) for group, name, changes, ids in trials]
    return Ablation(rows, len(only), command, diagnosed, truth.fold.nunique(), notes)


def _line(trial: Trial, runs: Path, only: Collection[Identity], folds: Collection[str], truth: pd.DataFrame) -> Line:
    found = []
    for run_id in trial[3]:
        run = read_run(runs / run_id, folds)
        file = run.file
        split = Truth("the split", truth, tuple(file.outputs), file.parts, file.key.split_digest)
        held, difference = hold(run, split)
        if difference:
            raise RecordError(difference)
        found.append(held)
    (row,), _ = measured_rows(found)
    there = [restricted(run.predictions, only) for run in row.runs]
    there = [table for table in there if len(table)]
    shared = part_scores(there, row.runs[0].file.outputs, {"full": ""})[0] if there else None
    return Line(*trial, row, shared)


def _compared(line: Line, whole: Line, only: Collection[Identity]) -> Line:
    """Add the differences to the full method, where both are complete."""
    if not (line.complete and whole.complete):
        return line
    one, two = ([run.predictions for run in each.row.runs] for each in (line, whole))
    outputs = line.row.runs[0].file.outputs
    on_shared = paired_difference(one, two, outputs, only) if only else None
    return replace(line, difference=paired_difference(one, two, outputs), shared_difference=on_shared)


def _diagnosed(line: Line, notes: list[Note]) -> Line:
    """Add the decoupling, where the row is complete and every fold has diagnostics that verify."""
    if not line.complete:
        return line
    place = f"{line.group}/{line.name}"
    try:
        seeds = [[run.diagnostics(fold) for fold in run.asked_folds] for run in line.row.runs]
    except RecordError as error:
        notes.append(Note("excluded", f"{error}; diagnostics of {place} are excluded"))
        return line
    without = sum(not fold for folds in seeds for fold in folds)
    if not without:
        return replace(line, decoupling=decoupling(seeds))
    if without < sum(map(len, seeds)):
        notes.append(Note("excluded", f"diagnostics of {place} are excluded: {without} folds have none"))
    return line
