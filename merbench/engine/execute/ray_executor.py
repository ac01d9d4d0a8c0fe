"""Many workers, on this machine or on several: Ray places them, this process sends jobs and receives outcomes.

A worker is an actor that has one CPU and, for methods that use one, a share of one GPU: a half if two folds are
trained on it in parallel. Ray counts these resources and detects workers that die. The jobs of a dead worker return
to the queue here, not by Ray's ``max_task_retries``, which would repeat the whole call on a worker of the same size:
here a job that killed its worker is repeated alone, the user sees the reason, a fold that kills every worker fails
alone after three tries, and folds that ran out of GPU memory get a larger share.
"""

import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.inputs import ArrayInput
from merbench.contracts.methods import Progress
from merbench.engine import environment
from merbench.engine.execute.jobs import Executor, Job, JobQueue, Observer, Working, note_unpacked, pack_size
from merbench.records.model import Failure
from merbench.records.outcome import FoldOutcome

#: Number of attempts of a job before the death of its worker counts as its failure.
TRIES = 3
MOST_STILLBORN = 5
#: Seconds between queries of the workers' progress, and of the machines.
LOOK_SECONDS = 0.5
#: Outcomes recorded before the driver looks for idle workers again.
RECORDED_AT_ONCE = 16
MACHINES_SECONDS = 2.0
#: Maximum progress reports per second, all workers together: two per second from a thousand would take a core.
REPORTS_PER_SECOND = 100
#: GPU memory of a process beyond torch's allocations; these peak higher in other folds.
CONTEXT_MB = 600.0
PEAK_SLACK = 1.25
USABLE_SHARE_OF_GPU = 0.9
MOST_FOLDS_PER_GPU = 32
_OUT_OF_MEMORY = re.compile(r"out of memory|ALLOC_FAILED", re.IGNORECASE)


def _out_of_gpu_memory(failure: Failure) -> bool:
    return failure.type == "OutOfMemoryError" or (
        "cu" in failure.message.lower() and _OUT_OF_MEMORY.search(failure.message) is not None
    )


@dataclass(eq=False)
class _Hired:
    """The driver's view of a worker, which has 1/share of a GPU (0: none); `answer` is the call in progress."""

    name: str
    actor: Any
    share: int
    answer: Any
    jobs: tuple[Job, ...] = ()
    shown: str = ""
    progress: Progress = field(default_factory=Progress)
    fold: str = ""
    beside: int = 0


class RayExecutor(Executor):
    """Execute jobs on workers of the Ray cluster that this process is connected to.

    There are at most `workers` jobs at a time, by default one a CPU, on at most `gpus` GPUs, by default all. By default
    as many folds share a GPU as fit, given the memory of the first of a kind alone; packed folds count as one. A worker
    trains `pack` folds together, see :func:`merbench.engine.execute.jobs.pack_size`.
    """

    runs_at_once = 200

    def __init__(
        self,
        workers: int | None = None,
        gpus: int | None = None,
        folds_per_gpu: int | None = None,
        pack: int | None = None,
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from merbench.engine.execute.ray_worker import actor_classes, code_versions

        super().__init__(pack)

        self._ray, self._versions = ray, code_versions()
        self._here = ray.get_runtime_context().get_node_id()
        here = NodeAffinitySchedulingStrategy(self._here, soft=False)
        self._worker_class, board = actor_classes()
        self._board: Any = board.options(num_cpus=0, scheduling_strategy=here).remote()
        self._asked_workers, self._asked_gpus, self._folds_per_gpu = workers, gpus, folds_per_gpu
        self._hired: list[_Hired] = []
        self._names = 0
        self._cpus = self._gpus = 0.0
        self._looked: float | None = None
        self._reading: Any = None
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._fitting: dict[str, int] = {}  # kind -> folds that fit on a GPU
        self._arrays: dict[int, tuple[ArrayInput, Any]] = {}
        self._tasks: dict[str, Any] = {}
        self._noted_no_cpu, self._stillborn = False, 0

    def __call__(self, jobs: Sequence[Job], observer: Observer) -> Generator[tuple[Job, FoldOutcome], None, None]:
        """Execute jobs, longest first; SetupError if a worker can't satisfy a setting, or has a different merbench."""
        self._look_at_machines(observer)
        note_unpacked(jobs, self._pack, observer, self._noted)
        queue = JobQueue([self._for_device(job) for job in jobs], lambda job: pack_size(job, self._pack))
        try:
            ended: deque[tuple[Job, FoldOutcome]] = deque()
            while ended or len(queue) or any(worker.jobs for worker in self._hired):
                self._look_at_machines(observer)
                self._hire(queue)
                self._hand_out(queue)
                observer.working(self._working())
                # Recording takes longer than sending jobs: if many end at once, workers do not wait for it.
                for _ in range(min(len(ended), RECORDED_AT_ONCE)):
                    yield ended.popleft()
                try:
                    for worker in self._answered(wait=not ended):
                        ended += self._take(worker, queue, observer)
                except MerbenchError:
                    yield from ended
                    raise
            observer.working([])
        finally:  # also if the driver stops: these answers would not be read
            for worker in [worker for worker in self._hired if worker.jobs]:
                self._dismiss(worker)
            self._tasks.clear()

    def close(self) -> None:
        """End all workers; a further call starts others."""
        for worker in list(self._hired):
            self._dismiss(worker)

    def _look_at_machines(self, observer: Observer) -> None:
        """Count CPUs and GPUs now and then: machines join and leave."""
        if self._looked is not None and time.monotonic() - self._looked < MACHINES_SECONDS:
            return
        self._looked = time.monotonic()
        found = self._ray.cluster_resources()
        self._cpus, self._gpus = found.get("CPU", 0.0), found.get("GPU", 0.0)
        if self._asked_gpus is not None:
            self._gpus = min(self._gpus, self._asked_gpus)
        if self._cpus < 1 and not self._noted_no_cpu:
            self._noted_no_cpu = True
            observer.note("the Ray cluster has no machine with a CPU: waiting for one")

    def _for_device(self, job: Job) -> Job:
        """Send a method that uses torch to a GPU where there is one, whatever this machine has."""
        uses_gpu = self._gpus >= 1 and (job.task.device != "cpu" or environment.uses_torch(job.task.method))
        device = "cuda:0" if uses_gpu else "cpu"  # each worker sees its own GPU only
        return job if device == job.task.device else replace(job, task=replace(job.task, device=device))

    def _share(self, job: Job) -> int:
        """Return how many folds like this one share a GPU: 0 on a CPU, 1 until it is known how many fit."""
        if job.task.device == "cpu":
            return 0
        fitting = self._fitting.get(job.kind)
        if self._folds_per_gpu is not None:
            return min(self._folds_per_gpu, fitting or self._folds_per_gpu)
        return min(fitting or 1, max(1, int(self._most_workers() / self._gpus)))

    def _most_workers(self) -> int:
        return int(min(self._cpus, self._asked_workers or self._cpus))

    def _hire(self, queue: JobQueue) -> None:
        """Start workers for waiting jobs that no idle worker suits; those on a GPU come first."""
        waiting = queue.count_by(self._share)
        for share in sorted(waiting, reverse=True):
            free = sum(worker.share == share and not worker.jobs for worker in self._hired)
            for _ in range(waiting[share] - free):
                if not self._room_for(share, waiting.keys()):
                    break
                self._start(share)

    def _room_for(self, share: int, wanted: Any) -> bool:
        """Say whether one more worker can be started, if necessary in place of an idle one that is needed less."""
        while not self._fits(share):
            less = [w for w in self._hired if not w.jobs and (w.share not in wanted or w.share < min(share, 1))]
            if not less:
                return False
            self._dismiss(less[0])
        return True

    def _fits(self, share: int) -> bool:
        used = sum(1 / worker.share for worker in self._hired if worker.share)
        on_gpu = share == 0 or used + 1 / share <= self._gpus + 1e-6
        return on_gpu and len(self._hired) < self._most_workers()

    def _start(self, share: int) -> None:
        self._names += 1
        name = f"worker {self._names}"
        options = self._worker_class.options(num_cpus=1, num_gpus=1 / share if share else 0)
        every = max(LOOK_SECONDS, self._most_workers() / REPORTS_PER_SECOND)
        path = [os.path.abspath(folder) for folder in sys.path]  # noqa: PTH100
        actor = options.remote(name, self._board, every, path, os.getcwd())  # noqa: PTH109
        self._hired.append(_Hired(name, actor, share, actor.hello.remote(self._versions), shown=name))

    def _dismiss(self, worker: _Hired) -> None:
        self._hired.remove(worker)
        self._ray.kill(worker.actor)

    def _hand_out(self, queue: JobQueue) -> None:
        for worker in self._hired:
            if worker.answer is not None:
                continue
            most = len(queue) // (2 * self._most_workers() or 1) + 1
            worker.jobs = queue.take(lambda job, share=worker.share: self._share(job) == share, most)  # type: ignore[misc]
            if worker.jobs:
                first = worker.jobs[0]
                worker.fold, worker.progress = first.fold, Progress()
                folds = [job.fold for job in worker.jobs]
                packs = [folds] if pack_size(first, self._pack) > 1 else [[fold] for fold in folds]
                worker.beside = len(packs[0]) - 1
                worker.answer = worker.actor.execute.remote([self._sent(first)], packs)

    def _sent(self, job: Job) -> Any:
        """Put the job's task into the object store, once for all folds of its run."""
        from merbench.engine.execute.ray_worker import sent_task

        key = job.plan.run_id
        if key not in self._tasks:
            self._tasks[key] = self._ray.put(sent_task(job.plan, job.task, self._put))
        return self._tasks[key]

    def _put(self, values: ArrayInput) -> Any:
        """Put an array into the object store, once for all runs that use it."""
        if id(values) not in self._arrays:  # held, so that its id is not used again
            self._arrays[id(values)] = values, self._ray.put(values)
        return self._arrays[id(values)][1]

    def _working(self) -> list[Working]:
        if self._reading is None:
            self._reading = self._board.read.remote()
        elif self._ray.wait([self._reading], timeout=0)[0]:
            reports = self._ray.get(self._reading)
            self._reading = None
            for worker in self._hired:
                fold, done, total = reports.get(worker.name, ("", 0, 0))
                if fold in [job.fold for job in worker.jobs]:
                    worker.fold = fold
                    worker.progress(done, total)
        at = {worker: job for worker in self._hired for job in worker.jobs if job.fold == worker.fold}
        return [Working(worker.shown, job, worker.progress, worker.beside) for worker, job in at.items()]

    def _answered(self, wait: bool) -> list[_Hired]:
        """Return the workers that answered; where none has, after waiting a moment if `wait`."""
        by_answer = {worker.answer: worker for worker in self._hired if worker.answer is not None}
        seconds = LOOK_SECONDS if wait else 0
        if not by_answer:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(by_answer), num_returns=1, timeout=seconds)
        more, _ = self._ray.wait(list(by_answer), num_returns=len(by_answer), timeout=0)
        return [by_answer[answer] for answer in {*ready, *more}]

    def _take(self, worker: _Hired, queue: JobQueue, observer: Observer) -> Iterator[tuple[Job, FoldOutcome]]:
        """Take a worker's answer: outcomes, its hello, or the error of its death."""
        jobs, worker.jobs = worker.jobs, ()
        given, worker.answer = worker.answer, None
        try:
            answer = self._ray.get(given)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # an error raised in the worker by our code
            if isinstance(cause, MerbenchError):  # SetupError: the same in every fold
                raise cause from error
            if cause is not None and not isinstance(cause, self._ray.exceptions.RayError):
                raise
            self._dismiss(worker)
            if not jobs:
                self._refuse_if_none_starts(error)
            yield from self._repeat(jobs, worker, error, queue, observer)
            return
        if not jobs:
            self._stillborn = 0
            machine, node, gpus = answer
            where = [machine] * (node != self._here) + [f"GPU {number}" for number in gpus]
            worker.shown = f"{worker.name} ({', '.join(where)})" if where else worker.name
            return
        outcomes, gpu_memory_mb, notes = answer
        for note in notes:
            observer.note(f"{worker.shown}: {note}")
        self._measure(jobs[0], outcomes, gpu_memory_mb)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.task.device != "cpu" and self._too_many(job, outcome, worker, observer):
                queue.put_back(job)
                continue
            queue.learn(job, outcome.seconds["total"])
            yield job, outcome

    def _refuse_if_none_starts(self, error: Exception) -> None:
        """Stop after several workers in a row died before their hello."""
        self._stillborn += 1
        if self._stillborn >= MOST_STILLBORN:
            raise MerbenchError(
                f"workers die as soon as they are started ({_reason(error)}): check that the same merbench is "
                "installed on every machine, and that memory is free"
            ) from error

    def _repeat(
        self, jobs: Sequence[Job], worker: _Hired, error: Exception, queue: JobQueue, observer: Observer
    ) -> Iterator[tuple[Job, FoldOutcome]]:
        """Put the jobs of a dead worker back; those that were begun too often fail."""
        for job in jobs:
            self._deaths[job.plan.run_id, job.fold] += 1
        again = [job.fold for job in jobs if self._deaths[job.plan.run_id, job.fold] < TRIES]
        if again:
            folds = f"fold {again[0]} is" if len(again) == 1 else f"folds {listed(again, most=3)} are"
            observer.note(f"{worker.shown} died ({_reason(error)}): {jobs[0].plan.run_id}, {folds} run again")
        for job in jobs:
            if job.fold in again:
                queue.put_back(job)
                continue
            message = f"its worker died {TRIES} times, the last time: {_reason(error)}"
            failure = Failure(type="WorkerDied", message=message, traceback=str(error))
            clips = len(job.task.split.fold(job.fold).test)
            yield job, FoldOutcome(job.fold, clips, job.train_clips, {"total": 0.0}, failure=failure)

    def _too_many(self, job: Job, outcome: FoldOutcome, worker: _Hired, observer: Observer) -> bool:
        """Say whether a fold ran out of memory beside others: it is then run again, with fewer beside it."""
        if worker.share <= 1 or not outcome.failure or not _out_of_gpu_memory(outcome.failure):
            return False
        fewer = worker.share // 2
        if fewer < self._fitting.get(job.kind, worker.share):
            self._fitting[job.kind] = fewer
            observer.note(
                f"{worker.share} folds of {job.plan.file.method} exceed the memory of a GPU: continuing with {fewer}"
            )
        return True

    def _measure(self, job: Job, outcomes: Sequence[FoldOutcome], gpu_mb: float | None) -> None:
        """Estimate how many folds of a kind fit, from the first ones, which had a GPU alone."""
        peaks = [outcome.peak_gpu_memory_mb for outcome in outcomes if not outcome.failure]
        known = [peak for peak in peaks if peak is not None]
        if job.kind not in self._fitting and known and gpu_mb is not None:
            fit = int(gpu_mb * USABLE_SHARE_OF_GPU / (max(known) * PEAK_SLACK + CONTEXT_MB))
            self._fitting[job.kind] = min(max(fit, 1), MOST_FOLDS_PER_GPU)


def _reason(error: Exception) -> str:
    """Extract the one sentence on why a worker died from Ray's message."""
    text = re.sub("\x1b\\[[0-9;]*m", "", str(error))  # Ray's colours
    detail = re.search(r"Worker exit detail: ([^.\n]*)", text) or re.search(r"(node .*? died|its node has died)", text)
    return detail[1] if detail else text.strip().splitlines()[0][:200]
