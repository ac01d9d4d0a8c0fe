"""Jobs, one fold of one run each; who executes them, and in which order."""

import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from merbench.contracts.digests import digest
from merbench.contracts.methods import Progress
from merbench.engine.execute.state import RunState
from merbench.engine.fold.folds import can_pack, run_folds
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.runs import RunPlan
from merbench.records.outcome import FoldOutcome


@dataclass(frozen=True)
class Job:
    """One fold of a run that this process holds.

    Its task is the plan's, perhaps extended by what an older record of the fold holds (epochs, diagnostics); `expected`
    is in seconds, from recorded folds of the same method and configuration.
    """

    plan: RunPlan
    task: FoldTask
    fold: str
    expected: float | None = None

    @cached_property
    def train_clips(self) -> int:
        """How many clips it trains on."""
        return len(self.task.split.fold(self.fold).train)

    @cached_property
    def kind(self) -> str:
        """Digest of what its duration and its memory depend on, the number of clips aside."""
        return kind(self.plan)


def kind(plan: RunPlan) -> str:
    """Digest the settings that make folds of two runs take alike: method, configuration, selection, and inputs."""
    key = plan.file.key
    return digest([key.method, key.config, key.input_digests, key.selection])


@dataclass(frozen=True)
class Working:
    """A worker's job, the progress that its method reports, and how many other folds are trained with it."""

    worker: str
    job: Job
    progress: Progress
    beside: int = 0

    @property
    def shown(self) -> str:
        """The fold, and how many there are beside it: ``casme2/sub01 +16``."""
        return f"{self.job.fold} +{self.beside}" if self.beside else self.job.fold


class Observer(Protocol):
    """Is informed by the driver and its executor; the display implements it."""

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str]) -> None:
        """Show that a run begins."""

    def working(self, workers: Sequence[Working]) -> None:
        """Show all workers' jobs as they are now."""

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        """Show that a fold is recorded."""

    def run_finished(self, plan: RunPlan, state: RunState) -> None:
        """Show that nothing is left to do for a run."""

    def waiting(self, plan: RunPlan) -> None:
        """Show that another process is at work on this run, and that the driver waits for it."""

    def note(self, text: str) -> None:
        """Show a line to the user, such as on a worker that died."""


#: Folds that are trained together on a GPU by default: one, until it is measured there
#: (``benchmarks/packed_folds.py``). On a CPU it is one: packing does not pay there.
PACK_ON_GPU = 1


def pack_size(job: Job, most: int | None) -> int:
    """Return how many folds like this one are trained together: at most `most`, by default what the device suggests."""
    if most is None:
        most = 1 if job.task.device == "cpu" else PACK_ON_GPU
    return most if most > 1 and can_pack(job.task) else 1


def note_unpacked(jobs: Sequence[Job], most: int | None, observer: Observer, noted: set[str]) -> None:
    """Note each method, once, that is to be packed and does not pack; `noted` are those so far."""
    alone = {} if most in (None, 1) else {job.plan.file.method: job for job in jobs if pack_size(job, most) == 1}
    for name, job in alone.items():
        if name not in noted:
            why = f" with --select {job.task.selection}" * (job.task.selection != "last")
            observer.note(f"--pack {most}: {name} can't be packed{why}: each fold is trained alone")
    noted.update(alone)


class Executor:
    """Train and test jobs: one by one, run by run, in this process; a subclass does so elsewhere, in any order.

    It is called with the jobs and yields each with its outcome, as they end; the job's task is then the executed one,
    with its device. `pack` folds are trained together, see `pack_size`.
    """

    #: How many runs should be open, and locked, at a time.
    runs_at_once = 1

    def __init__(self, pack: int | None = None) -> None:
        self._pack = pack
        self._noted: set[str] = set()

    def __call__(self, jobs: Sequence[Job], observer: Observer) -> Generator[tuple[Job, FoldOutcome], None, None]:
        """Execute in the order given."""
        note_unpacked(jobs, self._pack, observer, self._noted)
        waiting = deque(jobs)
        while waiting:
            first, progress = waiting.popleft(), Progress()
            pack = [first]
            while waiting and waiting[0].plan.run_id == first.plan.run_id and len(pack) < pack_size(first, self._pack):
                pack.append(waiting.popleft())
            observer.working([Working("", first, progress, len(pack) - 1)])
            folds = [job.fold for job in pack]
            yield from zip(pack, run_folds(first.task, folds, observer.note, progress), strict=True)


#: Jobs shorter than this are sent to a worker together, which reduces overhead.
GROUP_SECONDS = 1.0


class JobQueue:
    """Waiting jobs. The longest is taken next, so that no long job remains for the end.

    The duration of a job is estimated per training clip from completed ones of its kind, otherwise from recorded folds.
    Jobs of unknown duration come first, those with most clips before the others. Jobs where `pack` says that several
    are trained together are taken together, whatever their duration.
    """

    def __init__(self, jobs: Sequence[Job], pack: Callable[[Job], int] = lambda _: 1) -> None:
        self._pack = pack
        self._runs: dict[str, deque[Job]] = {}
        for job in sorted(jobs, key=lambda job: -job.train_clips):
            self._runs.setdefault(job.plan.run_id, deque()).append(job)
        self._alone: set[tuple[str, str]] = set()
        self._learned: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._runs.values()))

    def seconds(self, job: Job) -> float | None:
        """Return how long a job should take; None for an unknown kind."""
        if job.kind not in self._learned:
            return job.expected
        seconds, clips = self._learned[job.kind]
        return seconds / clips * job.train_clips

    def learn(self, job: Job, seconds: float) -> None:
        """Note how long a job took."""
        known, clips = self._learned.get(job.kind, (0.0, 0))
        self._learned[job.kind] = (known + seconds, clips + job.train_clips)

    def count_by(self, what: Callable[[Job], int]) -> Mapping[int, int]:
        """Count the jobs that wait by a property that all jobs of a kind share."""
        return Counter(what(jobs[0]) for jobs in self._runs.values() for _ in jobs)

    def take(self, fits: Callable[[Job], bool], most: int) -> tuple[Job, ...]:
        """Take the next job that fits, with others of its run: its pack, or up to `most` short ones.

        Whether a job fits is the same for all jobs of a kind; empty if none does.
        """
        heads = [jobs[0] for jobs in self._runs.values() if fits(jobs[0])]
        if not heads:
            return ()
        first = max(heads, key=self._order)
        jobs = self._runs[first.plan.run_id]
        taken = [jobs.popleft()]
        left, pack = GROUP_SECONDS - self._order(first)[0], self._pack(first)
        while jobs and not self._is_alone(first) and not self._is_alone(jobs[0]):
            left -= self._order(jobs[0])[0]
            full = len(taken) >= pack if pack > 1 else (left < 0 or len(taken) >= most)
            if full:
                break
            taken.append(jobs.popleft())
        if not jobs:
            del self._runs[first.plan.run_id]
        return tuple(taken)

    def put_back(self, job: Job) -> None:
        """Let a job that was taken wait again, for a worker that gets it alone, before others of its run."""
        self._alone.add((job.plan.run_id, job.fold))
        self._runs.setdefault(job.plan.run_id, deque()).appendleft(job)

    def _order(self, job: Job) -> tuple[float, int]:
        seconds = self.seconds(job)
        return (math.inf if seconds is None else seconds), job.train_clips

    def _is_alone(self, job: Job) -> bool:
        return (job.plan.run_id, job.fold) in self._alone
