"""Drive a plan to its records: find what is missing, run it, write it down, put whole runs together.

Only the driver writes. What executes folds gets tasks and gives outcomes, so it may be this process or many others.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError, listed, suggestion
from merbench.engine.execute.units import Executor, Serial, Unit, Watcher, kind
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.runs import RunPlan
from merbench.engine.plan.siblings import numbered, siblings
from merbench.records.folder import PREDICTIONS, RunFolder
from merbench.records.model import FoldRecord
from merbench.records.outcome import FoldOutcome
from merbench.records.predictions import check_clips
from merbench.records.select import Runs

Existing = Literal["keep", "redo"]


class Observer(Watcher, Protocol):
    """Whom the driver tells what happens; the display implements it."""

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str]) -> None:
        """Tell that a run begins."""

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Tell that a fold is recorded."""

    def run_finished(self, plan: RunPlan, state: "RunState") -> None:
        """Tell that nothing is left to do for a run."""

    def waiting(self, plan: RunPlan) -> None:
        """Tell that another process is at work on this run, and that the driver waits for it."""


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Attributes
    ----------
    recorded, pending, failed : tuple of str
        Folds with verified predictions, folds to run, and those of the pending ones whose last try failed.
    damaged : tuple of str
        What did not verify, in sentences.
    complete : bool
        The run is compacted and verifies.
    """

    recorded: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[str, ...]
    damaged: tuple[str, ...]
    complete: bool


def run_state(plan: RunPlan, runs: Path, folds: Sequence[str] = (), existing: Existing = "keep") -> RunState:
    """Look up what is recorded of a run; nothing is written.

    Parameters
    ----------
    plan : RunPlan
        The run.
    runs : Path
        The folder of all runs.
    folds : sequence of str
        Only these are asked for; all by default.
    existing : str
        ``redo`` counts every asked fold as pending.
    """
    folder = RunFolder(runs / plan.run_id)
    asked = [fold for fold in plan.file.folds if not folds or fold in folds]
    if existing == "redo":
        return RunState((), tuple(asked), (), (), False)
    recorded, failed, damaged = [], [], []
    truth = plan.task.split.truth()
    try:
        _, whole = folder.read_complete(plan.file)
        check_clips(whole.merge(truth[[*IDENTITY, "fold"]], on=IDENTITY, how="left"), truth, str(folder.path))
    except RecordError as error:
        complete = False
        if (folder.path / "complete.json").exists():
            damaged.append(f"{error}; it is put together again from the folds")
    else:
        complete = True
        if not (plan.task.keep_epochs or plan.task.diagnose):
            return RunState(tuple(asked), (), (), (), True)
    for fold in asked:
        if not (folder.fold_path(fold) / "record.json").exists():
            continue
        try:
            record, table = folder.read_fold(fold, plan.file)
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


def check_folds(plans: Sequence[RunPlan], folds: Sequence[str]) -> None:
    """Refuse fold names that no run of the plan has."""
    check_fold_names([fold for plan in plans for fold in plan.file.folds], folds)


def check_fold_names(known: Sequence[str], folds: Sequence[str]) -> None:
    """Refuse fold names that are not among the known ones."""
    for fold in folds:
        if fold not in known:
            raise MerbenchError(f"unknown fold {fold!r}{suggestion(fold, known)}")


def execute(
    plans: Sequence[RunPlan],
    runs: Path,
    observer: Observer,
    folds: Sequence[str] = (),
    existing: Existing = "keep",
    executor: Executor | None = None,
) -> list[RunState]:
    """Run what is missing of every run and record it.

    A run that another process works on is left for the end, then waited for, and found done.

    Parameters
    ----------
    plans : sequence of RunPlan
        The runs, each once.
    runs : Path
        The folder of all runs.
    observer : Observer
        Whom to tell.
    folds : sequence of str
        Only these; all by default.
    existing : str
        ``redo`` runs again what is recorded.
    executor : Executor, optional
        Who trains and tests; by default this process, fold after fold.

    Returns
    -------
    list of RunState
        In the order of `plans`; `failed` are folds that failed this time.

    Raises
    ------
    MerbenchError
        A record can't be written (disk full, not writable): what is recorded stays.
    """
    check_folds(plans, folds)
    executor = executor or Serial()
    states: dict[str, RunState] = {}
    known = siblings(plans, runs)
    for wait in (False, True):
        left = [plan for plan in plans if plan.run_id not in states]
        at_once = 1 if wait else executor.runs_at_once
        # What another process has just done is not done again, even where all is to be done anew.
        mode = "keep" if wait else existing
        for batch in (left[first : first + at_once] for first in range(0, len(left), at_once)):
            with ExitStack() as locks:
                held = [found for plan in batch if (found := _held(plan, runs, locks, observer, wait))]
                for run in held:
                    run.open(observer, folds, mode, known)
                states |= _execute_held(held, observer, executor)
    return [states[plan.run_id] for plan in plans]


def _held(plan: RunPlan, runs: Path, locks: ExitStack, observer: Observer, wait: bool) -> "_HeldRun | None":
    """Lock a run; without `wait` it is None where another process holds it."""
    folder = RunFolder(runs / plan.run_id)
    if wait:
        observer.waiting(plan)
    lock = locks.enter_context(ExitStack())  # of its own: a run is let go as soon as it is done
    return _HeldRun(plan, folder, lock) if lock.enter_context(folder.lock(wait)) else None


def _execute_held(held: "Sequence[_HeldRun]", observer: Observer, executor: Executor) -> dict[str, RunState]:
    """Execute what is missing of runs that this process holds, and close each once its last unit is recorded."""
    states = {}
    rates = {kind(run.plan): rate for run in held if (rate := run.seconds_per_clip)}
    units = [unit for run in held for unit in run.units(rates.get(kind(run.plan)))]
    by_id = {run.plan.run_id: run for run in held}
    for run in [run for run in held if not run.pending]:
        states[run.plan.run_id] = run.close(observer)
    if units:
        with closing(executor(units, observer)) as ended:  # an executor lets go of its workers before it is stopped
            for unit, outcome in ended:
                run = by_id[unit.plan.run_id]
                run.record(unit.task, outcome, observer)
                if not run.pending:
                    states[run.plan.run_id] = run.close(observer)
    return states


class _HeldRun:
    """A run that this process holds, from the look at what is recorded to its last fold."""

    def __init__(self, plan: RunPlan, folder: RunFolder, lock: ExitStack) -> None:
        self.plan, self.folder = plan, folder
        self.pending: list[str] = []
        self.seconds_per_clip: float | None = None
        self._lock = lock
        self._task = plan.task
        self._recorded: list[str] = []
        self._failed: list[str] = []
        self._undiagnosed: list[str] = []

    def open(self, observer: Observer, folds: Sequence[str], existing: Existing, known: Runs) -> None:
        """Look what is recorded, and make way for what is not."""
        new = not (self.folder.path / "run.json").exists()
        file, clock = numbered(self.plan.file, known)
        self.plan = replace(self.plan, file=file)
        mended = self.folder.start(self.plan.file)
        state = run_state(self.plan, self.folder.path.parent, folds, existing)
        for sentence in filter(None, [clock * new, mended, *state.damaged]):
            observer.note(sentence)
        observer.run_started(self.plan, len(state.recorded), state.pending)
        if not state.complete:
            self.folder.remove_drafts()
        if state.pending:
            self.folder.uncommit()
        self.pending, self._recorded = list(state.pending), list(state.recorded)
        if existing == "keep":
            self._task = _losing_nothing(self.plan, self.folder, state.pending)
        for fold in state.recorded[:1]:
            with suppress(RecordError):
                self.seconds_per_clip = _seconds_per_clip(self.folder.read_record(fold, self.plan.key_digest))

    def units(self, seconds_per_clip: float | None) -> list[Unit]:
        """Return what is to be executed."""
        units = [Unit(self.plan, self._task, fold) for fold in self.pending]
        if seconds_per_clip is None:
            return units
        return [replace(unit, expected=seconds_per_clip * unit.train_clips) for unit in units]

    def record(self, task: FoldTask, outcome: FoldOutcome, observer: Observer) -> None:
        """Write down what came of a unit."""
        self.folder.write_fold(outcome, self.plan.file)
        self.pending.remove(outcome.fold)
        (self._failed if outcome.failure else self._recorded).append(outcome.fold)
        if outcome.undiagnosed:
            self._undiagnosed.append(f"{outcome.fold}: {outcome.undiagnosed}")
        observer.fold_finished(self.plan, outcome)

    def close(self, observer: Observer) -> RunState:
        """Put the run together if it is whole, and let go of it."""
        order = self.plan.file.folds  # not that in which they ended
        recorded, failed = (tuple(f for f in order if f in found) for found in (self._recorded, self._failed))
        state = _compact(self.plan, self.folder, recorded, failed)
        if self._undiagnosed:
            folds = f"{len(self._undiagnosed)} fold{'s' * (len(self._undiagnosed) > 1)}"
            told = f"no diagnostics of {folds}, whose predictions stand ({self._undiagnosed[0]})"
            state = replace(state, damaged=(*state.damaged, f"{self.plan.run_id}: {told}"))
        observer.run_finished(self.plan, state)
        self._lock.close()
        return state


def _seconds_per_clip(record: FoldRecord) -> float:
    return record.seconds["total"] / record.train_clips


def _losing_nothing(plan: RunPlan, folder: RunFolder, pending: Sequence[str]) -> FoldTask:
    """Ask folds that are run again also for what they hold beside their predictions already."""
    held = []
    for fold in pending:
        if (folder.fold_path(fold) / "record.json").exists():
            with suppress(RecordError):
                held.append(folder.read_record(fold, plan.key_digest))
    held = [record for record in held if record.status == "ok"]
    return replace(
        plan.task,
        keep_epochs=plan.task.keep_epochs or any(record.epochs for record in held),
        diagnose=plan.task.diagnose or any(record.diagnostics for record in held),
    )


def _compact(plan: RunPlan, folder: RunFolder, recorded: tuple[str, ...], failed: tuple[str, ...]) -> RunState:
    """Put the run together once its last fold is in, whichever call brought it."""
    if folder.is_complete(plan.file):
        return RunState(recorded, (), failed, (), True)
    absent = [fold for fold in plan.file.folds if not (folder.fold_path(fold) / "record.json").exists()]
    gone = [fold for fold in absent if fold in recorded]
    again = "the same command runs again what is amiss"
    if gone:
        told = f"{plan.run_id} is not whole: gone from {folder.path} since it was recorded: {listed(gone)}; {again}"
        return RunState(recorded, failed, failed, (told,), False)
    if failed or absent:
        return RunState(recorded, failed, failed, (), False)
    try:
        folder.compact(plan.file, plan.task.split.truth())
    except RecordError as error:
        return RunState(recorded, (), failed, (f"{plan.run_id} is not whole: {error}; {again}",), False)
    return RunState(recorded, (), failed, (), True)


def failures(plans: Sequence[RunPlan], states: Sequence[RunState]) -> str:
    """Say in a phrase what failed of which run, or could not be put together; empty where nothing did."""
    runs = [(plan.run_id, state.failed) for plan, state in zip(plans, states, strict=True) if state.failed]
    count = sum(len(folds) for _, folds in runs)
    said = [f"{count} fold{'s' * (count > 1)} failed"] if runs else []
    said += [f"{run_id}: {listed(folds)}" for run_id, folds in runs[:3]]
    said += [f"and {len(runs) - 3} more runs"] if len(runs) > 3 else []
    return "; ".join(said + [problem for state in states for problem in state.damaged])
