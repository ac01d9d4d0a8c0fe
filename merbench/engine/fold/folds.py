"""Train and test folds, one at a time or packed: methods get what is opened for them, answers are joined outside."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from merbench.contracts.databases import persons
from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import SetupError, readable
from merbench.contracts.methods import Method, Prediction, Progress, RunContext
from merbench.contracts.names import shown
from merbench.engine import environment
from merbench.engine.fold.answers import checked, diagnosed, tested, timed
from merbench.engine.fold.opening import FoldTask, Opened, auxiliary_data, fold_labels, fold_seed, open_fold
from merbench.engine.fold.pretraining import pretrained
from merbench.engine.fold.randomness import preserved_method, preserved_random_state, seeded
from merbench.engine.fold.reads import reads_of
from merbench.engine.fold.selection import inner_fold, inner_seed, inner_uf1
from merbench.records.model import Failure
from merbench.records.outcome import FoldOutcome
from merbench.splits.folds import Fold


def run_fold(task: FoldTask, name: str, progress: Progress | None = None) -> FoldOutcome:
    """Train and test one fold.

    Every exception of the method becomes a failure with its traceback; `KeyboardInterrupt` and `SetupError`, which
    would occur in every fold, are raised.
    """

    def result(seconds: dict[str, float]) -> dict[str, Any]:
        torch_was_there = "torch" in sys.modules
        found = _result(task, fold, progress or Progress(), seconds)
        if not torch_was_there and "torch" in sys.modules:
            # A method that imports torch only in fit ran unseeded and on all cores: the fold is repeated once.
            found = _result(task, fold, progress or Progress(), seconds)
        return found

    fold = task.split.fold(name)
    environment.begin_gpu_memory(task.device)
    return _outcome(task, fold, result)


def run_folds(
    task: FoldTask, names: Sequence[str], note: Callable[[str], None], progress: Progress | None = None
) -> list[FoldOutcome]:
    """Train several folds together in one program, and test each as `run_fold` does; outcomes are in order of names.

    The task's method must pack (`can_pack`), unless there is one fold. The results are those of folds trained alone, up
    to rounding. Only folds with the same number of steps can be trained together; if that fails, for whatever reason,
    each is run alone, and `note` receives a line for the user. The time of joint training is divided evenly among the
    folds, so that sums are correct; peaks of memory are those of all of them together.
    """
    if len(names) == 1:
        return [run_fold(task, names[0], progress)]
    from merbench.training.packed import grouped_by_steps  # imports torch

    folds = [task.split.fold(name) for name in names]
    try:
        with preserved_random_state():
            one: Any = task.method(task.config, task.split.problem)
            found = grouped_by_steps(one, [len(fold.train) for fold in folds])
    except (Exception, SystemExit):  # noqa: BLE001 - each fold fails of it by itself, and keeps it
        found = [[place] for place in range(len(folds))]
    outcomes: dict[str, FoldOutcome] = {}
    for places in found:
        pack = [folds[place] for place in places]
        outcomes |= {outcome.fold: outcome for outcome in _run_pack(task, pack, progress or Progress(), note)}
    return [outcomes[name] for name in names]


def can_pack(task: FoldTask) -> bool:
    """Say whether `run_folds` can train folds of a task together: those of some methods, if the last epoch counts."""
    if task.selection != "last" or not environment.uses_torch(task.method):
        return False
    from merbench.training.packed import can_pack

    return can_pack(task.method)


def _run_pack(
    task: FoldTask, folds: Sequence[Fold], progress: Progress, note: Callable[[str], None]
) -> Iterator[FoldOutcome]:
    """Train folds with equally many steps together, or, if that fails, each alone."""
    started = time.perf_counter()
    environment.begin_gpu_memory(task.device)
    fitted: list[_BegunFold] = []
    read: dict[str, str] = {}
    if len(folds) > 1:
        try:
            with reads_of(task.method) as read:
                fitted = _fitted_together(task, folds, progress)
        except SetupError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method or torch raises
            why = f"{type(error).__name__}: {readable(str, error).strip().partition(chr(10))[0]}"
            note(f"{len(folds)} folds could not be trained together and are run one at a time ({shown(why)})")
    if not fitted:
        yield from (run_fold(task, fold.name, progress) for fold in folds)
        return
    share = (time.perf_counter() - started) / len(folds)
    for begun in fitted:
        outcome = _outcome(task, begun.fold, partial(_tested_alone, task, begun, share))
        seconds = {**outcome.seconds, "total": outcome.seconds["total"] + share}
        yield replace(outcome, seconds=seconds, packed=len(folds), read=read | outcome.read)


def _fitted_together(task: FoldTask, folds: Sequence[Fold], progress: Progress) -> "list[_BegunFold]":
    """Train folds in one program; each method gets what it would get alone, and nothing of another fold."""
    from merbench.training.packed import fit_packed, start_packed

    begun: list[_BegunFold] = []
    packed = []
    with _thread_pools(len(sys.modules)).limit(limits=task.threads):
        for fold in folds:
            begun.append(_begin(task, fold, Progress() if begun else progress))
            with begun[-1].random_state():
                method: Any = begun[-1].make()
                packed.append(start_packed(method, begun[-1].opened[0], begun[-1].run))
        with begun[0].random_state():  # nothing is drawn from it by methods that pack
            fit_packed(packed)
    return begun


def _tested_alone(task: FoldTask, begun: "_BegunFold", fit_seconds: float, seconds: dict[str, float]) -> dict[str, Any]:
    seconds["fit"] = fit_seconds
    with _thread_pools(len(sys.modules)).limit(limits=task.threads), begun.random_state():
        return _finish(task, begun, seconds)


def _outcome(task: FoldTask, fold: Fold, compute: Callable[[dict[str, float]], dict[str, Any]]) -> FoldOutcome:
    """Compute the fields of a fold's outcome, or keep why that failed."""
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    read: dict[str, str] = {}
    try:
        with reads_of(task.method) as read:
            result = compute(seconds)
    except SetupError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method raises is its fold's failure
        text = readable(lambda raised: "".join(traceback.format_exception(raised)), error)
        result = {"failure": Failure(type=type(error).__name__, message=readable(str, error), traceback=text)}
    seconds["total"] = time.perf_counter() - started
    return FoldOutcome(
        fold=fold.name,
        clips=len(fold.test),
        train_clips=len(fold.train),
        seconds=seconds,
        packages=environment.packages(task.requires),
        hardware=environment.hardware(),
        peak_memory_mb=environment.peak_memory_mb(),
        peak_gpu_memory_mb=environment.peak_gpu_memory_mb(task.device),
        threads=task.threads,
        device=task.device,
        epochs_asked=task.keep_epochs,
        read={**task.read, **read},
        **result,
    )


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:  # noqa: ARG001 - the key of the cache
    """Find the native thread pools, again only where further modules, and libraries with them, were loaded."""
    return ThreadpoolController()


@dataclass
class _BegunFold:
    """A fold in training: its opened data, the run's context, and the method once it is built."""

    task: FoldTask
    fold: Fold
    opened: Opened
    run: RunContext
    ended: list[int]  # epochs that the method has reported
    predictions: list[Prediction]  # of the test clips after each epoch, if these are kept
    method: Method | None = None

    def make(self) -> Method:
        """Build the method, after its pretraining, if any, by an instance of its own."""
        found = pretrained(self.task, self.fold, self.run.auxiliary, self.run.progress)
        self.run = replace(self.run, pretrained=found)
        self.method = self.task.method(self.task.config, self.task.split.problem)
        return self.method

    def fit(self) -> None:
        self.make().fit(self.opened[0], self.run)

    def random_state(self) -> AbstractContextManager[None]:
        return seeded(self.run.stream_seed("global"))


def _begin(
    task: FoldTask, fold: Fold, progress: Progress, subset: Fold | None = None, last_epoch: int | None = None
) -> _BegunFold:
    """Open a fold's data, or a subset: fewer people in training and, for epoch selection, other people to test."""
    subset = subset or fold
    opened = open_fold(task, fold, subset)
    # Nothing else of the task or of its test clips may be in reach of `on_epoch`, which the method holds.
    test, problem = opened[1] if task.keep_epochs else None, task.split.problem
    ended: list[int] = []
    predictions: list[Prediction] = []

    def on_epoch(epoch: int, method: Method) -> bool:
        if last_epoch is not None and epoch > last_epoch:
            raise ValueError(f"fit continued after epoch {last_epoch}, where epoch_end returned True: stop there")
        if epoch != (due := len(ended) + 1):
            raise ValueError(
                f"epoch_end({epoch}) called, expected epoch {due}: call it once per epoch, counting from 1, and in the "
                "last phase of training only"
            )
        ended.append(epoch)
        if test is not None:
            with preserved_random_state(), preserved_method(method):
                predictions.append(checked(method.predict(test), test, problem))
        return epoch == last_epoch

    out_of_reach = np.concatenate([fold.test, np.setdiff1d(fold.train, subset.train)])
    seed = derived_seed(fold_seed(task, fold), "method")
    run = RunContext(seed, task.device, task.threads, progress, on_epoch, auxiliary_data(task, out_of_reach))
    return _BegunFold(task, subset, opened, run, ended, predictions)


def _result(task: FoldTask, fold: Fold, progress: Progress, seconds: dict[str, float]) -> dict[str, Any]:
    with _thread_pools(len(sys.modules)).limit(limits=task.threads):
        if task.selection == "last":
            return _fitted_and_tested(task, _begin(task, fold, progress), seconds)
        people = persons(task.split.clips, task.same_people)
        inner = inner_fold(task.split, fold, people, inner_seed(task.seed, fold.name))
        uf1 = _select(task, fold, inner, progress, seconds)
        epoch = int(np.argmax(uf1)) + 1
        # The selected model is trained again, with the same draws, so that no label is accessible during training.
        subset = replace(inner, test=fold.test) if task.selection == "inner-keep" else fold
        begun = _begin(task, fold, progress, subset, epoch)
        found = _fitted_and_tested(task, begun, seconds)
        if begun.ended[-1:] != [epoch]:
            raise ValueError(f"fit ended after epoch {len(begun.ended)}, though epoch {epoch} was selected")
        return found | {"inner": uf1}


def _select(
    task: FoldTask, fold: Fold, inner: Fold, progress: Progress, seconds: dict[str, float]
) -> npt.NDArray[np.float64]:
    """Train on a subset of the training clips, and score the others after each epoch."""
    begun = _begin(replace(task, keep_epochs=True), fold, progress, inner)
    with timed(seconds, "select"), begun.random_state():
        begun.fit()
    if not begun.predictions:
        raise SetupError(
            f"{task.label} does not report epochs (run.epoch_end), so --select {task.selection} is not possible; "
            "use --select last"
        )
    truth = fold_labels(task, fold)[begun.opened[2]]
    return np.array([inner_uf1(each, truth, task.split.problem) for each in begun.predictions])


def _fitted_and_tested(task: FoldTask, begun: _BegunFold, seconds: dict[str, float]) -> dict[str, Any]:
    with begun.random_state():
        with timed(seconds, "fit"):
            begun.fit()
        return _finish(task, begun, seconds)


def _finish(task: FoldTask, begun: _BegunFold, seconds: dict[str, float]) -> dict[str, Any]:
    assert begun.method is not None
    result: dict[str, Any] = {"predictions": tested(task, begun.method, begun.opened, seconds)}
    if task.diagnose:
        with timed(seconds, "diagnose"):
            result |= diagnosed(task, begun.fold, begun.method, begun.opened)
    if begun.predictions:
        scores = np.array([prediction.scores for prediction in begun.predictions], dtype=np.float32)
        result["epochs"] = scores[:, np.argsort(begun.opened[2])]
    return result
