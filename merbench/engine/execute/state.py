"""The state of a run on disk: which folds are recorded, which are to be run, and what does not verify."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError, listed, suggestion
from merbench.engine.fold.reads import changed_since
from merbench.engine.plan.runs import RunPlan
from merbench.records.folder import PREDICTIONS, RunFolder
from merbench.records.predictions import check_clips

Existing = Literal["keep", "redo"]


@dataclass(frozen=True)
class RunState:
    """The state of a run: folds with verified predictions, folds to run, and those of these whose last try failed.

    `damaged` has sentences on what did not verify; a `complete` run is compacted and verifies.
    """

    recorded: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    complete: bool = False


def run_state(plan: RunPlan, runs: Path, folds: Sequence[str] = (), existing: Existing = "keep") -> RunState:
    """Look up the records of a run, of some folds only if these are named; with ``redo`` all of them are pending."""
    folder = RunFolder(runs / plan.run_id)
    asked = [fold for fold in plan.file.folds if not folds or fold in folds]
    if existing == "redo":
        return RunState((), tuple(asked))
    recorded, failed, damaged = [], [], []
    truth = plan.task.split.truth()
    try:
        mark, whole = folder.read_complete(plan.file)
        _refuse_changed(mark.read, str(folder.path))
        check_clips(whole.merge(truth[[*IDENTITY, "fold"]], on=IDENTITY, how="left"), truth, str(folder.path))
    except RecordError as error:
        complete = False
        if (folder.path / "complete.json").exists():
            damaged.append(f"{error}; it is merged again from the folds")
    else:
        complete = True
        if not (plan.task.keep_epochs or plan.task.diagnose):
            return RunState(tuple(asked), (), complete=True)
    for fold in asked:
        if not (folder.fold_path(fold) / "record.json").exists():
            continue
        try:
            record, table = folder.read_fold(fold, plan.file)
            _refuse_changed(record.read, str(folder.fold_path(fold)))
            if table is not None:
                origin = str(folder.fold_path(fold) / PREDICTIONS)
                check_clips(table.assign(fold=fold), truth[truth.fold == fold], origin)
        except RecordError as error:
            damaged.append(f"{error}; the fold is run again")
            continue
        if table is None:
            failed.append(fold)
        elif (record.epochs or not plan.task.keep_epochs) and (record.diagnostics or not plan.task.diagnose):
            recorded.append(fold)
    pending = [fold for fold in asked if fold not in recorded]
    return RunState(tuple(recorded), tuple(pending), tuple(failed), tuple(damaged), complete and not pending)


def _refuse_changed(read: dict[str, str], place: str) -> None:
    """Refuse a record of a method that read files which have other content now."""
    if changed := changed_since(read):
        raise RecordError(f"{place} was computed with other content of {listed(changed, most=3)}")


def check_folds(known: Sequence[str], folds: Sequence[str]) -> None:
    """Refuse fold names that are not among the known ones."""
    for fold in folds:
        if fold not in known:
            raise MerbenchError(f"unknown fold {fold!r}{suggestion(fold, known)}")


def failures(plans: Sequence[RunPlan], states: Sequence[RunState]) -> str:
    """Name in a phrase the folds that failed and the runs that could not be merged; empty where none did."""
    runs = [(plan.run_id, state.failed) for plan, state in zip(plans, states, strict=True) if state.failed]
    count = sum(len(folds) for _, folds in runs)
    said = [f"{count} fold{'s' * (count > 1)} failed"] if runs else []
    said += [f"{run_id}: {listed(folds)}" for run_id, folds in runs[:3]]
    said += [f"and {len(runs) - 3} more runs"] if len(runs) > 3 else []
    return "; ".join(said + [problem for state in states for problem in state.damaged])
