"""Many workers, on this machine or on several: Ray places them, this process hands out units and gets outcomes back.

A worker is an actor that has one CPU and, for methods that use one, a share of one GPU: a half where two folds are
trained on it side by side. Whatever happens to a worker, its units are run again by another.
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
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Progress
from merbench.engine import environment
from merbench.engine.execute.units import LongestFirst, Packing, Unit, Watcher, Working
from merbench.records.model import Failure
from merbench.records.outcome import FoldOutcome

#: How often a unit is begun before a worker that dies of it is taken for the unit's own failure.
TRIES = 3
MOST_STILLBORN = 5
#: Seconds between looks at how far workers are, and at which machines there are.
LOOK_SECONDS = 0.5
#: Outcomes that are recorded before the driver looks again whether a worker wants something to do.
RECORDED_AT_ONCE = 16
MACHINES_SECONDS = 2.0
#: How often all workers together tell how far they are: a thousand of them, twice a second each, would take a core.
TOLD_PER_SECOND = 100
#: What a process needs on a GPU beside what torch allocates; what is allocated peaks higher in other folds.
CONTEXT_MB = 600.0
PEAK_SLACK = 1.25
USABLE_SHARE_OF_GPU = 0.9
MOST_FOLDS_PER_GPU = 32
_OUT_OF_MEMORY = re.compile(r"out of memory|ALLOC_FAILED", re.IGNORECASE)


def out_of_gpu_memory(failure: Failure) -> bool:
    """Say whether a fold failed because the GPU's memory was full."""
    return failure.type == "OutOfMemoryError" or (
        "cu" in failure.message.lower() and _OUT_OF_MEMORY.search(failure.message) is not None
    )


def folds_that_fit(peak_mb: float, gpu_mb: float) -> int:
    """Return how many folds fit on a GPU, from the peak memory of one and all the memory of the GPU."""
    fit = int(gpu_mb * USABLE_SHARE_OF_GPU / (peak_mb * PEAK_SLACK + CONTEXT_MB))
    return min(max(fit, 1), MOST_FOLDS_PER_GPU)


@dataclass(eq=False)
class _Hired:
    """A worker as the driver knows it.

    Attributes
    ----------
    share : int
        It has 1/share of a GPU; 0: none.
    answer : ObjectRef, optional
        What it is at: saying hello, or some units.
    """

    name: str
    actor: Any
    share: int
    answer: Any
    units: tuple[Unit, ...] = ()
    shown: str = ""
    progress: Progress = field(default_factory=Progress)
    fold: str = ""
    beside: int = 0

    @property
    def idle(self) -> bool:
        """Whether it can be handed units."""
        return self.answer is None


class RayExecutor:
    """Executes units on workers of the Ray that this process is connected to.

    Parameters
    ----------
    workers : int, optional
        The most units at a time; by default as many as there are CPUs.
    gpus : int, optional
        How many GPUs to use; by default all.
    folds_per_gpu : int, optional
        How many folds share a GPU; by default as many as fit, from the memory that the first of a kind needed alone.
        Folds that are packed count as one.
    pack : int, optional
        How many folds a worker trains together, see `Packing`.
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

        from merbench.engine.execute.ray_worker import Board, Worker, code_versions

        self._ray, self._versions = ray, code_versions()
        self._here = ray.get_runtime_context().get_node_id()
        here = NodeAffinitySchedulingStrategy(self._here, soft=False)
        self._worker_class: Any = ray.remote(Worker)
        self._board: Any = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self._asked_workers, self._asked_gpus, self._folds_per_gpu = workers, gpus, folds_per_gpu
        self._packing = Packing(pack)
        self._hired: list[_Hired] = []
        self._names = 0
        self._cpus = self._gpus = 0.0
        self._looked: float | None = None
        self._reading: Any = None
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._fitting: dict[str, int] = {}  # kind -> folds that fit on a GPU
        self._arrays: dict[int, tuple[ArrayInput, Any]] = {}
        self._tasks: dict[str, Any] = {}
        self._told_of_no_cpu = False
        self._stillborn = 0

    def __call__(self, units: Sequence[Unit], watcher: Watcher) -> Generator[tuple[Unit, FoldOutcome], None, None]:
        """Execute, longest first.

        Raises
        ------
        SetupError
            Settings that can't be met on a worker's machine, or another merbench there.
        """
        self._look_at_machines(watcher)
        self._packing.tell(units, watcher)
        queue = LongestFirst([self._for_device(unit) for unit in units], self._packing.of)
        try:
            ended: deque[tuple[Unit, FoldOutcome]] = deque()
            while ended or len(queue) or any(worker.units for worker in self._hired):
                self._look_at_machines(watcher)
                self._hire(queue)
                self._hand_out(queue)
                watcher.working(self._working())
                # Recording takes longer than handing out: where very many end at once, workers are not to wait for it.
                for _ in range(min(len(ended), RECORDED_AT_ONCE)):
                    yield ended.popleft()
                try:
                    for worker in self._answered(wait=not ended):
                        ended += self._take(worker, queue, watcher)
                except MerbenchError:
                    yield from ended
                    raise
            watcher.working([])
        finally:  # also where the driver stops: what is at work then works for nobody
            for worker in [worker for worker in self._hired if worker.units]:
                self._dismiss(worker)
            self._tasks.clear()

    def close(self) -> None:
        """Let go of all workers; a further call starts others."""
        for worker in list(self._hired):
            self._dismiss(worker)

    # --- what there is ----------------------------------------------------------------------------------------------

    def _look_at_machines(self, watcher: Watcher) -> None:
        """Count CPUs and GPUs now and then: machines come and go."""
        if self._looked is not None and time.monotonic() - self._looked < MACHINES_SECONDS:
            return
        self._looked = time.monotonic()
        found = self._ray.cluster_resources()
        self._cpus, self._gpus = found.get("CPU", 0.0), found.get("GPU", 0.0)
        if self._asked_gpus is not None:
            self._gpus = min(self._gpus, self._asked_gpus)
        if self._cpus < 1 and not self._told_of_no_cpu:
            self._told_of_no_cpu = True
            watcher.note("no machine with a CPU is part of the Ray cluster: waiting for one")

    def _for_device(self, unit: Unit) -> Unit:
        """Send a method that uses torch to a GPU where there is one, whatever this machine has."""
        uses_gpu = self._gpus >= 1 and (unit.task.device != "cpu" or environment.uses_torch(unit.task.method))
        device = "cuda:0" if uses_gpu else "cpu"  # each worker sees its own GPU only
        return unit if device == unit.task.device else replace(unit, task=replace(unit.task, device=device))

    def _share(self, unit: Unit) -> int:
        """Return how many folds like this one share a GPU: 0 on a CPU, 1 until it is known how many fit."""
        if unit.task.device == "cpu":
            return 0
        fitting = self._fitting.get(unit.kind)
        if self._folds_per_gpu is not None:
            return min(self._folds_per_gpu, fitting or self._folds_per_gpu)
        return min(fitting or 1, max(1, int(self._most_workers() / self._gpus)))

    def _most_workers(self) -> int:
        return int(min(self._cpus, self._asked_workers or self._cpus))

    # --- workers ----------------------------------------------------------------------------------------------------

    def _hire(self, queue: LongestFirst) -> None:
        """Start workers for units that wait and can have none of those there are; those on a GPU come first."""
        waiting = queue.count_by(self._share)
        for share in sorted(waiting, reverse=True):
            free = sum(worker.share == share and not worker.units for worker in self._hired)
            for _ in range(waiting[share] - free):
                if not self._room_for(share, waiting.keys()):
                    break
                self._start(share)

    def _room_for(self, share: int, wanted: Any) -> bool:
        """Say whether one more worker can be started, if need be in place of an idle one that is wanted less."""
        while not self._fits(share):
            less = [w for w in self._hired if not w.units and (w.share not in wanted or w.share < min(share, 1))]
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
        every = max(LOOK_SECONDS, self._most_workers() / TOLD_PER_SECOND)
        actor = options.remote(name, self._board, every, [os.path.abspath(folder) for folder in sys.path])  # noqa: PTH100
        self._hired.append(_Hired(name, actor, share, actor.hello.remote(self._versions), shown=name))

    def _dismiss(self, worker: _Hired) -> None:
        self._hired.remove(worker)
        self._ray.kill(worker.actor)

    # --- units ------------------------------------------------------------------------------------------------------

    def _hand_out(self, queue: LongestFirst) -> None:
        """Give every idle worker the next units that suit it."""
        for worker in self._hired:
            if not worker.idle:
                continue
            most = len(queue) // (2 * self._most_workers() or 1) + 1
            worker.units = queue.take(lambda unit, share=worker.share: self._share(unit) == share, most)  # type: ignore[misc]
            if worker.units:
                first = worker.units[0]
                worker.fold, worker.progress = first.fold, Progress()
                folds = [unit.fold for unit in worker.units]
                packs = [folds] if self._packing.of(first) > 1 else [[fold] for fold in folds]
                worker.beside = len(packs[0]) - 1
                worker.answer = worker.actor.execute.remote([self._sent(first)], packs)

    def _sent(self, unit: Unit) -> Any:
        """Put the unit's task into the object store, once for all folds of its run."""
        from merbench.engine.execute.ray_worker import SentTask

        key = unit.plan.run_id
        if key not in self._tasks:
            self._tasks[key] = self._ray.put(SentTask.of(unit.plan, unit.task, self._send))
        return self._tasks[key]

    def _send(self, inputs: Inputs) -> Any:
        """Put arrays into the object store, once for all runs that use them."""
        from merbench.engine.execute.ray_worker import SentInputs

        for name in inputs.names():
            if id(inputs[name]) not in self._arrays:  # which is held, so that no other can get its id
                self._arrays[id(inputs[name])] = inputs[name], self._ray.put(inputs[name])
        return SentInputs({name: self._arrays[id(inputs[name])][1] for name in inputs.names()}, inputs.clips)

    def _working(self) -> list[Working]:
        """Return what each worker is at, as it told last."""
        if self._reading is None:
            self._reading = self._board.read.remote()
        elif self._ray.wait([self._reading], timeout=0)[0]:
            told = self._ray.get(self._reading)
            self._reading = None
            for worker in self._hired:
                fold, done, total = told.get(worker.name, ("", 0, 0))
                if fold in [unit.fold for unit in worker.units]:
                    worker.fold = fold
                    worker.progress(done, total)
        at = {worker: unit for worker in self._hired for unit in worker.units if unit.fold == worker.fold}
        return [Working(worker.shown, unit, worker.progress, worker.beside) for worker, unit in at.items()]

    def _answered(self, wait: bool) -> list[_Hired]:
        """Return the workers that gave an answer; where none has, perhaps after waiting a moment."""
        by_answer = {worker.answer: worker for worker in self._hired if worker.answer is not None}
        seconds = LOOK_SECONDS if wait else 0
        if not by_answer:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(by_answer), num_returns=1, timeout=seconds)
        more, _ = self._ray.wait(list(by_answer), num_returns=len(by_answer), timeout=0)
        return [by_answer[answer] for answer in {*ready, *more}]

    def _take(self, worker: _Hired, queue: LongestFirst, watcher: Watcher) -> Iterator[tuple[Unit, FoldOutcome]]:
        """Take a worker's answer: outcomes, its hello, or that it is no more."""
        units, worker.units = worker.units, ()
        given, worker.answer = worker.answer, None
        try:
            answer = self._ray.get(given)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # of an error that was raised in the worker, by our code
            if isinstance(cause, MerbenchError):  # SetupError: the same in every fold
                raise cause from error
            if cause is not None and not isinstance(cause, self._ray.exceptions.RayError):
                raise
            self._dismiss(worker)
            if not units:
                self._refuse_if_none_starts(error)
            yield from self._begun_in_vain(units, worker, error, queue, watcher)
            return
        if not units:
            self._stillborn = 0
            worker.shown = _shown(worker.name, answer, self._here)
            return
        for note in answer.notes:
            watcher.note(f"{worker.shown}: {note}")
        self._measure(units[0], answer.outcomes, answer.gpu_memory_mb)
        for unit, outcome in zip(units, answer.outcomes, strict=True):
            if unit.task.device != "cpu" and self._too_many(unit, outcome, worker, watcher):
                queue.put_back(unit)
                continue
            queue.learn(unit, outcome.seconds["total"])
            yield unit, outcome

    def _refuse_if_none_starts(self, error: Exception) -> None:
        """Stop after several workers in a row that died before they said hello."""
        self._stillborn += 1
        if self._stillborn >= MOST_STILLBORN:
            raise MerbenchError(
                f"workers die as soon as they are started ({_reason(error)}): is the same merbench installed on every "
                "machine, and is there memory left?"
            ) from error

    def _begun_in_vain(
        self, units: Sequence[Unit], worker: _Hired, error: Exception, queue: LongestFirst, watcher: Watcher
    ) -> Iterator[tuple[Unit, FoldOutcome]]:
        """Let units whose worker died wait again; those that were begun too often fail."""
        for unit in units:
            self._deaths[unit.plan.run_id, unit.fold] += 1
        again = [unit.fold for unit in units if self._deaths[unit.plan.run_id, unit.fold] < TRIES]
        if again:
            folds = f"fold {again[0]} is" if len(again) == 1 else f"folds {listed(again, most=3)} are"
            watcher.note(f"{worker.shown} died ({_reason(error)}): {units[0].plan.run_id}, {folds} run again")
        for unit in units:
            if unit.fold in again:
                queue.put_back(unit)
                continue
            failure = Failure(
                type="WorkerDied",
                message=f"its worker died {TRIES} times, the last time: {_reason(error)}",
                traceback=str(error),
            )
            clips = len(unit.task.split.fold(unit.fold).test)
            seconds = {"total": 0.0}
            yield unit, FoldOutcome(unit.fold, clips, unit.train_clips, seconds, failure=failure)

    # --- memory of GPUs ---------------------------------------------------------------------------------------------

    def _too_many(self, unit: Unit, outcome: FoldOutcome, worker: _Hired, watcher: Watcher) -> bool:
        """Say whether a fold ran out of memory beside others: it then is run again, with fewer beside it."""
        if worker.share <= 1 or not outcome.failure or not out_of_gpu_memory(outcome.failure):
            return False
        fewer = worker.share // 2
        if fewer < self._fitting.get(unit.kind, worker.share):
            self._fitting[unit.kind] = fewer
            watcher.note(
                f"{worker.share} folds of {unit.plan.file.method} are too many for the memory of a GPU: "
                f"going on with {fewer}"
            )
        return True

    def _measure(self, unit: Unit, outcomes: Sequence[FoldOutcome], gpu_mb: float | None) -> None:
        """Learn from the first folds of a kind, which had a GPU alone, how many fit."""
        peaks = [outcome.peak_gpu_memory_mb for outcome in outcomes if not outcome.failure]
        known = [peak for peak in peaks if peak is not None]
        if unit.kind not in self._fitting and known and gpu_mb is not None:
            self._fitting[unit.kind] = folds_that_fit(max(known), gpu_mb)


def _shown(name: str, place: Any, driver: str) -> str:
    """Name a worker for people: its machine where that is another, its GPU where it has one."""
    where = [place.machine] * (place.node != driver) + [f"GPU {number}" for number in place.gpus]
    return f"{name} ({', '.join(where)})" if where else name


def _reason(error: Exception) -> str:
    """Take the one sentence out of what Ray says of a worker that died."""
    text = re.sub("\x1b\\[[0-9;]*m", "", str(error))  # Ray's colours
    detail = re.search(r"Worker exit detail: ([^.\n]*)", text) or re.search(r"(node .*? died|its node has died)", text)
    return detail[1] if detail else text.strip().splitlines()[0][:200]
