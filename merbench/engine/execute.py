"""Drive a plan to its records: find what is missing, run it, write it down, put whole runs together.

Only the driver writes. What executes folds gets tasks and gives outcomes, so it may be this process or many others.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError, listed, suggestion
from merbench.contracts.methods import Progress
from merbench.engine.folds import FoldOutcome, FoldTask, run_fold
from merbench.engine.plan import RunPlan
from merbench.engine.store import PREDICTIONS, RunFolder, check_clips

Existing = Literal["keep", "redo"]
Executor = Callable[[FoldTask, Sequence[str], Progress], Iterator[FoldOutcome]]


class Observer(Protocol):
    """Whom the driver tells what happens; the display implements it."""

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str], progress: Progress) -> None:
        """Tell that a run begins; `progress` is where its method tells how far it has come within a fold."""

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Tell that a fold is recorded."""

    def run_finished(self, plan: RunPlan, state: "RunState") -> None:
        """Tell that nothing is left to do for a run."""

    def waiting(self, plan: RunPlan) -> None:
        """Tell that another process is at work on this run, and that the driver waits for it."""

    def note(self, text: str) -> None:
        """Tell something that the user should know, such as a record that did not verify."""


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


def serial(task: FoldTask, folds: Sequence[str], progress: Progress) -> Iterator[FoldOutcome]:
    """Run folds one after the other in this process."""
    for fold in folds:
        yield run_fold(task, fold, progress)


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
    executor: Executor = serial,
) -> list[RunState]:
    """Run what is missing of every run and record it.

    A run that another process works on is left for the end, then waited for, and found done.

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
    states: dict[int, RunState] = {}
    for wait in (False, True):
        for index, plan in enumerate(plans):
            if index in states:
                continue
            folder = RunFolder(runs / plan.run_id)
            if wait:
                observer.waiting(plan)
            with folder.lock(wait) as held:
                if held:
                    # What another process has just done is not done again, even where all is to be done anew.
                    mode = "keep" if wait else existing
                    states[index] = _execute_run(plan, runs, observer, folds, mode, executor)
    return [states[index] for index in range(len(plans))]


def _execute_run(
    plan: RunPlan, runs: Path, observer: Observer, folds: Sequence[str], existing: Existing, executor: Executor
) -> RunState:
    folder = RunFolder(runs / plan.run_id)
    mended = folder.start(plan.file)
    state = run_state(plan, runs, folds, existing)
    for sentence in filter(None, [mended, *state.damaged]):
        observer.note(sentence)
    progress = Progress()
    observer.run_started(plan, len(state.recorded), state.pending, progress)
    if state.pending:
        folder.uncommit()
    recorded, failed, undiagnosed = list(state.recorded), list[str](), list[str]()
    task = plan.task if existing == "redo" else _losing_nothing(plan, folder, state.pending)
    for outcome in executor(task, state.pending, progress):
        folder.write_fold(outcome, task, plan.file)
        (failed if outcome.failure else recorded).append(outcome.fold)
        if outcome.undiagnosed:
            undiagnosed.append(f"{outcome.fold}: {outcome.undiagnosed}")
        observer.fold_finished(plan, outcome)
    state = _compact(plan, folder, observer, tuple(recorded), tuple(failed))
    if undiagnosed:
        folds = f"{len(undiagnosed)} fold{'s' * (len(undiagnosed) > 1)}"
        told = f"{plan.run_id}: no diagnostics of {folds}, whose predictions stand ({undiagnosed[0]})"
        state = replace(state, damaged=(*state.damaged, told))
    observer.run_finished(plan, state)
    return state


def _losing_nothing(plan: RunPlan, folder: RunFolder, pending: Sequence[str]) -> FoldTask:
    """Ask folds that are run again also for what they hold beside their predictions already."""
    held = []
    for fold in pending:
        with suppress(RecordError):
            held.append(folder.read_record(fold, plan.key_digest))
    held = [record for record in held if record.status == "ok"]
    return replace(
        plan.task,
        keep_epochs=plan.task.keep_epochs or any(record.epochs for record in held),
        diagnose=plan.task.diagnose or any(record.diagnostics for record in held),
    )


def _compact(
    plan: RunPlan, folder: RunFolder, observer: Observer, recorded: tuple[str, ...], failed: tuple[str, ...]
) -> RunState:
    """Put the run together once its last fold is in, whichever call brought it."""
    if folder.is_complete(plan.file):
        return RunState(recorded, (), failed, (), True)
    if failed or not all((folder.fold_path(fold) / "record.json").exists() for fold in plan.file.folds):
        return RunState(recorded, failed, failed, (), False)
    try:
        folder.compact(plan.file, plan.task.split)
    except RecordError as error:
        observer.note(f"{plan.run_id} is not whole: {error}")
        return RunState(recorded, (), failed, (str(error),), False)
    return RunState(recorded, (), failed, (), True)


def failures(plans: Sequence[RunPlan], states: Sequence[RunState]) -> str:
    """Say in a phrase what failed of which run, or could not be put together; empty where nothing did."""
    runs = [(plan.run_id, state.failed) for plan, state in zip(plans, states, strict=True) if state.failed]
    count = sum(len(folds) for _, folds in runs)
    said = [f"{count} fold{'s' * (count > 1)} failed"] if runs else []
    said += [f"{run_id}: {listed(folds)}" for run_id, folds in runs[:3]]
    said += [f"and {len(runs) - 3} more runs"] if len(runs) > 3 else []
    return "; ".join(said + [problem for state in states for problem in state.damaged])
