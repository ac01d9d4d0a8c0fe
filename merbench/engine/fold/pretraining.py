"""Pretraining on auxiliary data alone: in every fold, or once for all folds of a run.

It depends on the fold if a person of the auxiliary data, under any dataset, is in the protocol's clips: then it is done
in each fold on the clips without the people held out there, with the fold's seed. Else it is done once, with a seed of
the run that no fold enters, and the result is kept as a file: the other folds, workers and later commands read it, and
train again where it is missing or damaged. So it may be deleted at any time.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from merbench.contracts.databases import persons
from merbench.contracts.digests import bytes_digest, derived_seed, digest
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.methods import AuxiliaryData, Progress, RunContext
from merbench.databases.registrations import home
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask, auxiliary_people, fold_seed
from merbench.engine.fold.randomness import seeded
from merbench.engine.fold.reads import not_counted
from merbench.records.files import write_whole
from merbench.splits.folds import Fold

#: The folder of kept pretraining below ``MERBENCH_HOME``.
FOLDER = "pretrained"

Arrays = Mapping[str, npt.NDArray[Any]]


def pretrained(task: FoldTask, fold: Fold, auxiliary: Callable[[str], AuxiliaryData], progress: Progress) -> Arrays:
    """Return what the method's ``pretrain`` learns for a fold, as read-only arrays; empty where it has none.

    `auxiliary` gives the clips without the people that are held out in the fold.

    Raises
    ------
    SetupError
        The result can't be kept.
    """
    if not (hasattr(task.method, "pretrain") and task.auxiliary):
        return {}
    in_fold = _depends_on_fold(task)
    seed = derived_seed(fold_seed(task, fold) if in_fold else derived_seed(task.seed, "/every fold"), "method")
    run = RunContext(seed, task.device, task.threads, progress, _refuse_epochs, auxiliary)

    def train() -> Arrays:
        method: Any = task.method(task.config, task.split.problem)
        with seeded(run.stream_seed("global")):
            return _checked(method.pretrain(run), task.method.__name__)

    if in_fold or task.kept is None:
        return train()
    # Results are the same on one kind of device and with the same packages only.
    made = digest([task.seed, task.device.partition(":")[0], environment.packages(task.requires)])
    # A worker on another machine may lack the driver's folder.
    folder = task.kept if task.kept.parents[1].is_dir() else home() / FOLDER / task.kept.name
    return _kept(folder / f"{made[:16]}.safetensors", train)


def _depends_on_fold(task: FoldTask) -> bool:
    people = set(persons(task.split.clips, task.same_people))
    return any(not people.isdisjoint(auxiliary_people(task, data)) for data in task.auxiliary.values())


def _refuse_epochs(epoch: int, method: Any) -> bool:
    raise ValueError(f"pretrain of {type(method).__name__} called epoch_end({epoch}): only fit reports epochs")


def _checked(found: Any, method: str) -> Arrays:
    """Return a result as read-only arrays; TypeError where it is not one."""
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise TypeError(f"pretrain of {method} returned {type(found).__name__}, expected a dict of arrays by name")
    arrays = {name: np.array(values, order="C") for name, values in found.items()}
    for name, values in arrays.items():
        if values.dtype.kind not in "biuf":
            raise TypeError(f"pretrain of {method} returned {name!r} of type {values.dtype}, expected numbers")
    return _read_only(arrays)


def _read_only(arrays: dict[str, npt.NDArray[Any]]) -> Arrays:
    for values in arrays.values():
        values.flags.writeable = False
    return arrays


def _kept(path: Path, train: Callable[[], Arrays]) -> Arrays:
    """Read what was kept; if there is nothing, train and keep it, while other processes wait."""
    found = _read(path)
    if found is not None:
        return found
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        step = "set MERBENCH_HOME to a folder with write permission"
        raise SetupError(f"{path} can't be written ({error.strerror or error}): {step}") from error
    try:
        found = _read(path)  # perhaps another process was faster
        if found is None:
            for draft in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed
                draft.unlink(missing_ok=True)
            found = train()
            if found:
                _write(path, found)
        return found
    finally:
        lock.release()


def _write(path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import save

    try:
        write_whole(path, save(dict(arrays), {"checksum": _checksum(arrays)}))
    except MerbenchError as error:
        raise SetupError(str(error)) from error


def _checksum(arrays: Arrays) -> str:
    parts = sorted((name, str(v.dtype), list(v.shape), bytes_digest(v.tobytes())) for name, v in arrays.items())
    return digest(parts)


def _read(path: Path) -> Arrays | None:
    """Return the arrays of a file; None if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        with not_counted():
            content = path.read_bytes()
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        said = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get("checksum")
    except (OSError, ValueError, SafetensorError):
        return None
    return _read_only(arrays) if said == _checksum(arrays) else None
