"""What runs in Ray's worker processes: units come in, outcomes go out; nothing is read from disk or written there."""

import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import ray

from merbench import __version__
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Progress
from merbench.engine import environment
from merbench.engine.fold.folds import run_folds
from merbench.engine.fold.opening import Auxiliary, FoldTask
from merbench.engine.plan.catalogue import METHODS
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.runs import ROOMS, RunPlan
from merbench.records.outcome import FoldOutcome

_NOTHING = Inputs({}, 0)


def code_versions() -> dict[str, Any]:
    """Return what must be the same wherever folds of one run are executed."""
    return {"merbench": __version__, **{f"{name} code": room.CODE_VERSION for name, room in ROOMS.items()}}


@dataclass(frozen=True)
class SentInputs:
    """Inputs whose arrays lie in Ray's object store, each once however many tasks need it."""

    arrays: Mapping[str, Any]
    clips: int

    def fetch(self) -> Inputs:
        """Fetch them; on the machine that put them there they are not copied."""
        found = ray.get(list(self.arrays.values()))
        return Inputs(dict(zip(self.arrays, found, strict=True)), self.clips)


@dataclass(frozen=True)
class SentTask:
    """A task as it travels: without its arrays, and with what the receiver's code is compared with."""

    task: FoldTask
    inputs: SentInputs
    auxiliary: Mapping[str, tuple[pd.DataFrame, SentInputs]]
    method: str
    code_digest: str

    @classmethod
    def of(cls, plan: RunPlan, task: FoldTask, send: Any) -> "SentTask":
        """Take a task apart; `send` puts inputs into the object store."""
        auxiliary = {name: (extra.clips, send(extra.inputs)) for name, extra in task.auxiliary.items()}
        bare = replace(task, inputs=_NOTHING, auxiliary={})
        return cls(bare, send(task.inputs), auxiliary, plan.file.method, plan.file.key.code_digest)

    def rebuild(self) -> FoldTask:
        """Put the task together again.

        Raises
        ------
        SetupError
            The method's code here is another than that of the driver, whose digest is in the run's key.
        """
        self._check_code()
        auxiliary = {name: Auxiliary(clips, sent.fetch()) for name, (clips, sent) in self.auxiliary.items()}
        return replace(self.task, inputs=self.inputs.fetch(), auxiliary=auxiliary)

    def _check_code(self) -> None:
        try:
            found = METHODS.get(self.method)
        except MerbenchError:
            return  # not installed here: the class came with the task
        own = found.cls is self.task.method
        if own and code_digest(found.folder, found.package) != self.code_digest:
            raise SetupError(
                f"the code of method {self.method} on {platform.node()} ({found.folder}) is not that of the driver: "
                "install the same on every machine"
            )


@dataclass(frozen=True)
class Place:
    """Where a worker is: its machine, Ray's name for that, and, by their numbers there, the GPUs that it sees."""

    machine: str
    node: str
    gpus: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What came of some units of one run.

    Attributes
    ----------
    gpu_memory_mb : float, optional
        All the memory of the worker's GPU, once it was used.
    notes : tuple of str
        What the user should know.
    """

    outcomes: tuple[FoldOutcome, ...]
    gpu_memory_mb: float | None
    notes: tuple[str, ...] = ()


class Board:
    """Where workers tell how far they are, and the driver reads it; an actor on the driver's machine."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, int, int]] = {}

    def tell(self, worker: str, fold: str, done: int, total: int) -> None:
        """Take down how far a worker's fold is."""
        self._told[worker] = fold, done, total

    def read(self) -> dict[str, tuple[str, int, int]]:
        """Return what each worker told last: fold, steps done, steps in all."""
        return self._told


class _ToldProgress(Progress):
    """Progress that is told to the board, now and then."""

    def __init__(self, board: Any, worker: str, fold: str, every: float) -> None:
        super().__init__()
        self._board, self._worker, self._fold, self._every = board, worker, fold, every
        self._tell()

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` steps are over."""
        super().__call__(done, total)
        if time.monotonic() - self._told > self._every:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._board.tell.remote(self._worker, self._fold, self.done, self.total)


class Worker:
    """A process that executes units, one after the other; an actor that has a CPU and, if any, its share of one GPU.

    Parameters
    ----------
    name : str
        What the board knows it by.
    board : actor handle
        The board.
    every : float
        Seconds between what it tells the board.
    path : sequence of str
        Where the driver finds modules: methods may lie outside of what is installed.
    """

    def __init__(self, name: str, board: Any, every: float, path: Sequence[str]) -> None:
        sys.path += [folder for folder in path if folder not in sys.path]
        self._name, self._board, self._every = name, board, every
        self._key = ""
        self._task: FoldTask | None = None

    def hello(self, driver: Mapping[str, Any]) -> Place:
        """Tell where it is.

        Raises
        ------
        SetupError
            merbench here is another than the driver's.
        """
        here = code_versions()
        if here != driver:
            differing = [name for name in driver if here.get(name) != driver[name]]
            other = ", ".join(f"{name} {here.get(name)}, not {driver[name]}" for name in differing)
            raise SetupError(f"{platform.node()} runs another merbench ({other}): install the same on every machine")
        gpus = tuple(str(number) for number in ray.get_gpu_ids())
        return Place(platform.node(), ray.get_runtime_context().get_node_id(), gpus)

    def execute(self, sent: Sequence[Any], packs: Sequence[Sequence[str]]) -> Answer:
        """Train and test folds of a run.

        Parameters
        ----------
        sent : sequence of one ObjectRef
            Where the `SentTask` lies; in a sequence, so that it is fetched only if it is not the last one again.
        packs : sequence of sequence of str
            The folds; those of a pack are trained together.
        """
        task = self._fetch(sent[0])
        outcomes: list[FoldOutcome] = []
        notes: list[str] = []
        for folds in packs:
            progress = _ToldProgress(self._board, self._name, folds[0], self._every)
            outcomes += run_folds(task, folds, notes.append, progress)
            environment.free_gpu_memory(task.device)
        return Answer(tuple(outcomes), environment.gpu_memory_mb(task.device), tuple(notes))

    def _fetch(self, sent: Any) -> FoldTask:
        if self._task is None or sent.hex() != self._key:
            self._key, self._task = "", None  # what it held is let go before more is fetched
            try:
                self._task = ray.get(sent).rebuild()
            except (MerbenchError, ray.exceptions.ObjectLostError):
                raise
            except Exception as error:
                cause = getattr(error, "cause", None) or error
                raise SetupError(
                    f"{platform.node()} can't load the method: {str(cause).splitlines()[-1]}: "
                    "methods that are no part of merbench must be installed on every machine"
                ) from error
            self._key = sent.hex()
        return self._task
