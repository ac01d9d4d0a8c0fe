"""What runs in Ray's worker processes: tasks come in, outcomes go out; nothing is read from disk or written there."""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray

from merbench import __version__
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Progress
from merbench.engine import environment
from merbench.engine.fold.folds import run_folds
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.runs import ROOMS, RunPlan
from merbench.records.outcome import FoldOutcome

#: The answer of a worker to a job: outcomes, the total memory of its GPU in MiB if used, lines for the user.
Answer = tuple[tuple[FoldOutcome, ...], float | None, tuple[str, ...]]
#: Place of a worker: its machine, Ray's name for it, and the numbers of the GPUs that it sees.
Place = tuple[str, str, tuple[str, ...]]


def code_versions() -> dict[str, Any]:
    """Return the versions that must be the same wherever folds of one run are executed."""
    return {"merbench": __version__, **{f"{name} code": room.CODE_VERSION for name, room in ROOMS.items()}}


def actor_classes() -> tuple[Any, Any]:
    """Return the actor classes of workers and of the board where they report their progress."""
    return ray.remote(_Worker), ray.remote(_Board)


def sent_task(plan: RunPlan, task: FoldTask, put: Callable[[ArrayInput], Any]) -> "_SentTask":
    """Take a task apart for the object store; `put` stores arrays there, once for all tasks that use them."""

    def sent(inputs: Inputs) -> _SentInputs:
        return _SentInputs({name: put(inputs[name]) for name in inputs.names()}, inputs.clips)

    auxiliary = {name: sent(data.inputs) for name, data in task.auxiliary.items()}
    bare = {name: replace(data, inputs=Inputs({}, data.inputs.clips)) for name, data in task.auxiliary.items()}
    without = replace(task, inputs=Inputs({}, 0), auxiliary=bare)
    return _SentTask(without, sent(task.inputs), auxiliary, plan.file.method, plan.file.key.code_digest)


@dataclass(frozen=True)
class _SentInputs:
    """Inputs whose arrays are in Ray's object store."""

    arrays: Mapping[str, Any]
    clips: int

    def fetch(self) -> Inputs:
        """Fetch them; on the machine that put them there they are not copied."""
        found = ray.get(list(self.arrays.values()))
        return Inputs(dict(zip(self.arrays, found, strict=True)), self.clips)


@dataclass(frozen=True)
class _SentTask:
    """A task as it travels: without its arrays, and with the digest that the receiver's code is compared with."""

    task: FoldTask
    inputs: _SentInputs
    auxiliary: Mapping[str, _SentInputs]
    method: str
    code_digest: str

    def rebuild(self) -> FoldTask:
        """Restore the task; a `SetupError` where the method's code differs from the one in the run's key."""
        self._check_code()
        bare = self.task.auxiliary
        auxiliary = {name: replace(bare[name], inputs=sent.fetch()) for name, sent in self.auxiliary.items()}
        return replace(self.task, inputs=self.inputs.fetch(), auxiliary=auxiliary)

    def _check_code(self) -> None:
        try:
            found = METHODS.get(self.method)
        except SetupError:
            raise  # a required package is missing here
        except MerbenchError:
            return  # not installed here: the class was sent with the task
        if found.cls is self.task.method and code_digest(found.folder, found.package) != self.code_digest:
            raise SetupError(
                f"the code of method {self.method} on {platform.node()} ({found.folder}) differs from the driver's: "
                "install the same version on every machine"
            )


class _Board:
    """Where workers report their progress, and the driver reads it; an actor on the driver's machine."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[str, int, int]] = {}

    def report(self, worker: str, fold: str, done: int, total: int) -> None:
        """Keep the progress of a worker's fold."""
        self._reports[worker] = fold, done, total

    def read(self) -> dict[str, tuple[str, int, int]]:
        """Return each worker's last report: fold, steps done, steps in all."""
        return self._reports


class _ReportedProgress(Progress):
    def __init__(self, board: Any, worker: str, fold: str, every: float) -> None:
        super().__init__()
        self._board, self._worker, self._fold, self._every = board, worker, fold, every
        self._report()

    def __call__(self, done: int, total: int) -> None:
        super().__call__(done, total)
        if time.monotonic() - self._reported > self._every:
            self._report()

    def _report(self) -> None:
        self._reported = time.monotonic()
        self._board.report.remote(self._worker, self._fold, self.done, self.total)


class _Worker:
    """A process that executes jobs one by one; an actor with a CPU and, if needed, a share of one GPU.

    It reports to the `board` under its name, every so many seconds. `path` is the driver's module path: methods may be
    outside the installed packages. `folder` is the driver's current folder, for files that methods name relative to it.
    """

    def __init__(self, name: str, board: Any, every: float, path: Sequence[str], folder: str) -> None:
        sys.path += [folder for folder in path if folder not in sys.path]
        with suppress(OSError):  # on another machine it may not exist
            os.chdir(folder)
        self._name, self._board, self._every = name, board, every
        self._key = ""
        self._task: FoldTask | None = None

    def hello(self, driver: Mapping[str, Any]) -> Place:
        """Return its place; a `SetupError` where merbench differs from the driver's."""
        here = code_versions()
        if here != driver:
            differing = [name for name in driver if here.get(name) != driver[name]]
            other = ", ".join(f"{name} {here.get(name)}, not {driver[name]}" for name in differing)
            raise SetupError(f"merbench on {platform.node()} differs ({other}): install the same on every machine")
        gpus = tuple(str(number) for number in ray.get_gpu_ids())
        return platform.node(), ray.get_runtime_context().get_node_id(), gpus

    def execute(self, sent: Sequence[Any], packs: Sequence[Sequence[str]]) -> Answer:
        """Train and test folds of a run; those of a pack together.

        `sent` holds one reference to a `_SentTask`: in a sequence, it is fetched only if it differs from the last one.
        """
        task = self._fetch(sent[0])
        outcomes: list[FoldOutcome] = []
        notes: list[str] = []
        for folds in packs:
            progress = _ReportedProgress(self._board, self._name, folds[0], self._every)
            outcomes += run_folds(task, folds, notes.append, progress)
            environment.free_gpu_memory(task.device)
        return tuple(outcomes), environment.gpu_memory_mb(task.device), tuple(notes)

    def _fetch(self, sent: Any) -> FoldTask:
        if self._task is None or sent.hex() != self._key:
            self._key, self._task = "", None  # the last task is released before the next is fetched
            try:
                self._task = ray.get(sent).rebuild()
            except (MerbenchError, ray.exceptions.ObjectLostError):
                raise
            except Exception as error:
                cause = getattr(error, "cause", None) or error
                raise SetupError(
                    f"{platform.node()} can't load the method: {str(cause).splitlines()[-1]}: "
                    "install methods that are not part of merbench on every machine"
                ) from error
            self._key = sent.hex()
        return self._task
