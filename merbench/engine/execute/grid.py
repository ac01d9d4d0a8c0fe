"""Execute a plan: find the missing folds, run them, record them, and merge complete runs.

Only the driver writes. An executor receives jobs and returns outcomes, so it may be this process or many others.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

from merbench.contracts.errors import RecordError, listed
from merbench.engine.execute.jobs import Executor, Job, Observer, kind
from merbench.engine.execute.state import Existing, RunState, check_folds, run_state
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.runs import RunPlan
from merbench.engine.plan.siblings import numbered, siblings
from merbench.records.compact import compact
from merbench.records.folder import RunFolder
from merbench.records.outcome import FoldOutcome
from merbench.records.select import Runs


def execute(
    plans: Sequence[RunPlan],
    runs: Path,
    observer: Observer,
    folds: Sequence[str] = (),
    existing: Existing = "keep",
    executor: Executor | None = None,
) -> list[RunState]:
    """Run the missing folds of every run and record them; the states come in the order of `plans`.

    Only the given `folds` are run, all by default; with ``redo`` recorded ones are repeated. The executor is by default
    this process, fold by fold. A run that another process holds is deferred to the end, and then usually complete. A
    state's `failed` has the folds that failed in this call. A record that cannot be written (disk full, not writable)
    raises a `MerbenchError`.
    """
    check_folds([fold for plan in plans for fold in plan.file.folds], folds)
    executor = executor or Executor()
    states: dict[str, RunState] = {}
    known = siblings(plans, runs)
    for wait in (False, True):
        left = [plan for plan in plans if plan.run_id not in states]
        at_once = 1 if wait else executor.runs_at_once
        # Folds that another process has just run are not repeated, even with ``redo``.
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
    lock = locks.enter_context(ExitStack())  # one per run: a run is released as soon as it is complete
    return _HeldRun(plan, folder, lock) if lock.enter_context(folder.lock(wait)) else None


def _execute_held(held: "Sequence[_HeldRun]", observer: Observer, executor: Executor) -> dict[str, RunState]:
    """Execute what is missing of runs that this process holds, and close each once its last fold is recorded."""
    rates = {kind(run.plan): rate for run in held if (rate := run.seconds_per_clip)}
    jobs = [job for run in held for job in run.jobs(rates.get(kind(run.plan)))]
    by_id = {run.plan.run_id: run for run in held}
    states = {run_id: run.close(observer) for run_id, run in by_id.items() if not run.pending}
    if jobs:
        with closing(executor(jobs, observer)) as ended:  # an executor releases its workers before it is stopped
            for job, outcome in ended:
                run = by_id[job.plan.run_id]
                run.record(outcome, observer)
                if not run.pending:
                    states[run.plan.run_id] = run.close(observer)
    return states


class _HeldRun:
    """A run that this process holds, from the look at its records to its last fold."""

    def __init__(self, plan: RunPlan, folder: RunFolder, lock: ExitStack) -> None:
        self.plan, self.folder = plan, folder
        self.pending: list[str] = []
        self.seconds_per_clip: float | None = None
        self._lock = lock
        self._task = plan.task
        self._recorded: list[str] = []
        self._failed: list[str] = []
        self._undiagnosed: list[str] = []
        self._read: dict[str, str] = {}
        self._anew = False

    def open(self, observer: Observer, folds: Sequence[str], existing: Existing, known: Runs) -> None:
        """Load the recorded folds and clear the way for the missing ones."""
        new = not (self.folder.path / "run.json").exists()
        file, clock = numbered(self.plan.file, known)
        self.plan = replace(self.plan, file=file)
        fixed = self.folder.start(self.plan.file)
        state = run_state(self.plan, self.folder.path.parent, folds, existing)
        for sentence in filter(None, [clock * new, fixed, *state.damaged]):
            observer.note(sentence)
        observer.run_started(self.plan, len(state.recorded), state.pending)
        if not state.complete:
            self.folder.remove_drafts()
        if state.pending:
            self.folder.uncommit()
        self.pending, self._recorded = list(state.pending), list(state.recorded)
        self._anew = not new and set(state.pending) == set(self.plan.file.folds)
        if existing == "keep":
            self._task = _losing_nothing(self.plan, self.folder, state.pending)
        for fold in state.recorded[:1]:
            with suppress(RecordError):
                record = self.folder.read_record(fold, self.plan.key_digest)
                self.seconds_per_clip = record.seconds["total"] / record.train_clips

    def jobs(self, seconds_per_clip: float | None) -> list[Job]:
        """Return the jobs to execute."""
        jobs = [Job(self.plan, self._task, fold) for fold in self.pending]
        rate = seconds_per_clip
        return [replace(job, expected=rate * job.train_clips) for job in jobs] if rate is not None else jobs

    def record(self, outcome: FoldOutcome, observer: Observer) -> None:
        """Record the outcome of a job."""
        self.folder.write_fold(outcome, self.plan.file)
        self.pending.remove(outcome.fold)
        self._read |= outcome.read
        (self._failed if outcome.failure else self._recorded).append(outcome.fold)
        if outcome.undiagnosed:
            self._undiagnosed.append(f"{outcome.fold}: {outcome.undiagnosed}")
        observer.fold_finished(self.plan, outcome)

    def close(self, observer: Observer) -> RunState:
        """Merge the run if all its folds are recorded, and release it."""
        order = self.plan.file.folds  # not that in which they ended
        if self._anew and not self.pending and not self._failed:
            self.folder.start(self.plan.file, anew=True)
        recorded, failed = (tuple(f for f in order if f in found) for found in (self._recorded, self._failed))
        state = _compact(self.plan, self.folder, recorded, failed)
        if self._undiagnosed:
            folds = f"{len(self._undiagnosed)} fold{'s' * (len(self._undiagnosed) > 1)}"
            why = f"{folds} without diagnostics, but with valid predictions ({self._undiagnosed[0]})"
            state = replace(state, damaged=(*state.damaged, f"{self.plan.run_id}: {why}"))
        if self._read:
            named = listed([f"{path} ({sha256[:8]})" for path, sha256 in self._read.items()], most=3)
            does = "put them into its folder, or say on its card what they have seen (data_seen)"
            observer.note(
                f"{self.plan.run_id} read files outside the method's folder, which no key covers: {named}: {does}"
            )
        observer.run_finished(self.plan, state)
        self._lock.close()
        return state


def _losing_nothing(plan: RunPlan, folder: RunFolder, pending: Sequence[str]) -> FoldTask:
    """Ask folds that are run again also for the epochs and diagnostics that they hold already."""
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
    """Merge the run once its last fold is recorded, whichever call recorded it."""
    if folder.is_complete(plan.file):
        return RunState(recorded, (), failed, complete=True)
    absent = [fold for fold in plan.file.folds if not (folder.fold_path(fold) / "record.json").exists()]
    gone = [fold for fold in absent if fold in recorded]
    again = "run the same command to repeat these folds"
    if gone:
        why = f"{plan.run_id} is incomplete: recorded folds are gone from {folder.path}: {listed(gone)}; {again}"
        return RunState(recorded, failed, failed, (why,))
    if failed or absent:
        return RunState(recorded, failed, failed)
    try:
        compact(folder, plan.file, plan.task.split.truth())
    except RecordError as error:
        return RunState(recorded, (), failed, (f"{plan.run_id} is incomplete: {error}; {again}",))
    return RunState(recorded, (), failed, complete=True)
