"""Folds: the only place where a method meets data, and the boundary that no test label crosses.

The method gets copies of its training clips, and of its test clips without labels, without names and in an order that
means nothing: :mod:`merbench.engine.fold.opening`. What it answers is joined with the truth here, outside.
"""

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import ThreadpoolController

from merbench.contracts.action_units import Coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import persons
from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import PredictionError, SetupError
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Method, Prediction, Problem, Progress, RunContext
from merbench.contracts.names import shown
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask, OpenedFold, auxiliary_data, fold_labels, fold_seed, open_fold
from merbench.engine.fold.randomness import preserved_method, preserved_random_state, seeded
from merbench.engine.fold.selection import inner_fold, inner_uf1
from merbench.records.model import Failure
from merbench.records.outcome import FoldOutcome, InnerTraining
from merbench.records.predictions import prediction_table, units_text
from merbench.splits.folds import Fold
from merbench.splits.split import Split

COMPANY_TOLERANCE = 1e-5


class CompanyError(PredictionError):
    """A prediction for a clip changes with the clips it is asked for with."""


class _EpochWatch:
    """Predicts clips after each epoch, without a trace in the method's training."""

    def __init__(self, inputs: Inputs, problem: Problem) -> None:
        self.predictions: list[Prediction] = []
        self._inputs = inputs
        self._problem = problem

    def __call__(self, epoch: int, method: Method) -> None:
        """Keep the prediction of this epoch."""
        if epoch != len(self.predictions) + 1:
            due = len(self.predictions) + 1
            raise ValueError(f"epoch_end told of epoch {epoch}, expected {due}: epochs count from 1")
        with preserved_random_state(), preserved_method(method):
            self.predictions.append(_checked(method.predict(self._inputs), self._inputs, self._problem))


def run_fold(task: FoldTask, name: str, progress: Progress | None = None) -> FoldOutcome:
    """Train and test one fold.

    Whatever the method does wrong becomes a failure with its traceback; a `KeyboardInterrupt` and a `SetupError`,
    which would be the same in every fold, pass through.

    Parameters
    ----------
    task : FoldTask
        The run.
    name : str
        The fold.
    progress : Progress, optional
        Where the method tells how far it has come.
    """

    def result(seconds: dict[str, float]) -> dict[str, Any]:
        torch_was_there = "torch" in sys.modules
        found = _result(task, fold, progress or Progress(), seconds)
        if not torch_was_there and "torch" in sys.modules:
            # A method that imports torch as late as in fit did so unseeded and on all cores: once, it is done again.
            found = _result(task, fold, progress or Progress(), seconds)
        return found

    fold = task.split.fold(name)
    environment.begin_gpu_memory(task.device)
    return _outcome(task, fold, result)


def run_folds(
    task: FoldTask, names: Sequence[str], note: Callable[[str], None], progress: Progress | None = None
) -> list[FoldOutcome]:
    """Train several folds together in one program, and test each as `run_fold` does.

    They become what they become alone, up to rounding. Only those with as many steps can be trained together. Where
    that fails, for whatever reason, each fold is run alone.

    Parameters
    ----------
    task : FoldTask
        The run; of a method that packs (`can_pack`), unless there is one fold only.
    names : sequence of str
        The folds.
    note : callable
        Whom to tell why folds were run alone after all.
    progress : Progress, optional
        Where is told how far they have come.

    Returns
    -------
    list of FoldOutcome
        In the order of `names`. The time that folds were trained together for is divided evenly among them, so that
        sums are right; peaks of memory are those of all of them together.
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
    """Train folds with as many steps together, or, if that fails, each alone."""
    started = time.perf_counter()
    environment.begin_gpu_memory(task.device)
    fitted: list[_Begun] = []
    if len(folds) > 1:
        try:
            fitted = _fitted_together(task, folds, progress)
        except SetupError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method or torch raises
            why = f"{type(error).__name__}: {_readable(str, error).strip().partition(chr(10))[0]}"
            note(f"{len(folds)} folds could not be trained together and are run one at a time ({shown(why)})")
    if not fitted:
        yield from (run_fold(task, fold.name, progress) for fold in folds)
        return
    share = (time.perf_counter() - started) / len(folds)
    for begun in fitted:
        outcome = _outcome(task, begun.fold, partial(_tested_alone, task, begun, share))
        seconds = {**outcome.seconds, "total": outcome.seconds["total"] + share}
        yield replace(outcome, seconds=seconds, packed=len(folds))


def _fitted_together(task: FoldTask, folds: Sequence[Fold], progress: Progress) -> "list[_Begun]":
    """Train folds in one program; each method gets what it would get alone, and nothing of another fold."""
    from merbench.training.packed import PackedFold, fit_packed

    begun: list[_Begun] = []
    packed: list[PackedFold] = []
    with _thread_pools(len(sys.modules)).limit(limits=task.threads):
        for fold in folds:
            begun.append(_begin(task, fold, Progress() if begun else progress))
            with begun[-1].random_state():
                method: Any = begun[-1].make()
                packed.append(PackedFold.start(method, begun[-1].opened.train, begun[-1].run))
        with begun[0].random_state():  # nothing is drawn from it by methods that pack
            fit_packed(packed)
    return begun


def _tested_alone(task: FoldTask, begun: "_Begun", fit_seconds: float, seconds: dict[str, float]) -> dict[str, Any]:
    """Test a fold that was trained together with others."""
    seconds["fit"] = fit_seconds
    with _thread_pools(len(sys.modules)).limit(limits=task.threads), begun.random_state():
        return _finish(task, begun, seconds)


def _outcome(task: FoldTask, fold: Fold, compute: Callable[[dict[str, float]], dict[str, Any]]) -> FoldOutcome:
    """Compute what a `FoldOutcome` keeps of a fold, or keep why that failed."""
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    try:
        result = compute(seconds)
    except SetupError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method raises is its fold's failure
        text = _readable(lambda raised: "".join(traceback.format_exception(raised)), error)
        result = {"failure": Failure(type=type(error).__name__, message=_readable(str, error), traceback=text)}
    seconds["total"] = time.perf_counter() - started
    gpu_memory = environment.peak_gpu_memory_mb(task.device)
    return FoldOutcome(
        fold=fold.name,
        clips=len(fold.test),
        train_clips=len(fold.train),
        seconds=seconds,
        packages=environment.packages(),
        hardware=environment.hardware(),
        peak_memory_mb=environment.peak_memory_mb(),
        peak_gpu_memory_mb=gpu_memory,
        threads=task.threads,
        device=task.device,
        epochs_asked=task.keep_epochs,
        **result,
    )


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:  # noqa: ARG001 - the key of the cache
    """Find the native thread pools; they are looked for again only when further modules, and libraries, were loaded."""
    return ThreadpoolController()


def _readable(write: Callable[[BaseException], str], error: BaseException) -> str:
    """Write an error so that it can be recorded, whatever the method put into it."""
    try:
        return write(error).encode("utf-8", "backslashreplace").decode()
    except Exception as second:  # noqa: BLE001 - its own __str__ may raise anything
        return f"{type(error).__name__}, which can't be written: {type(second).__name__}"


@dataclass
class _Begun:
    """A fold that is being trained: what its method is handed, and from the first of training on the method.

    Attributes
    ----------
    watch : _EpochWatch, optional
        Keeps predictions after each epoch, where they are asked for.
    told : list of int
        The epochs that the method told of so far.
    """

    task: FoldTask
    fold: Fold
    opened: OpenedFold
    watch: _EpochWatch | None
    run: RunContext
    told: list[int]
    method: Method | None = None

    def make(self) -> Method:
        """Make the method."""
        self.method = self.task.method(self.task.config, self.task.split.problem)
        return self.method

    def random_state(self) -> AbstractContextManager[None]:
        """Seed the global generators for the fold."""
        return seeded(self.run.stream_seed("global"))


def _begin(
    task: FoldTask, fold: Fold, progress: Progress, part: Fold | None = None, last_epoch: int | None = None
) -> _Begun:
    """Open a fold's data, or a part of it: fewer people to train on, and for selecting an epoch others of them to test.

    Training is stopped after `last_epoch`, if that is given.
    """
    part = part or fold
    opened = open_fold(task, fold, part)
    watch = _EpochWatch(opened.test, task.split.problem) if task.keep_epochs else None
    told: list[int] = []

    def on_epoch(epoch: int, method: Method) -> bool:
        if last_epoch is not None and epoch > last_epoch:
            raise ValueError(f"fit went on though epoch_end answered after epoch {last_epoch} that it should stop")
        told.append(epoch)
        if watch:
            watch(epoch, method)
        return epoch == last_epoch

    out_of_reach = np.concatenate([fold.test, np.setdiff1d(fold.train, part.train)])
    seed = derived_seed(fold_seed(task, fold), "method")
    run = RunContext(seed, task.device, task.threads, progress, on_epoch, auxiliary_data(task, out_of_reach))
    return _Begun(task, part, opened, watch, run, told)


def _result(task: FoldTask, fold: Fold, progress: Progress, seconds: dict[str, float]) -> dict[str, Any]:
    """Open the data, fit, test, look inside; returns what a `FoldOutcome` keeps of it."""
    with _thread_pools(len(sys.modules)).limit(limits=task.threads):
        if task.selection == "last":
            return _fitted_and_tested(task, _begin(task, fold, progress), seconds)
        people = persons(task.split.clips, task.same_people)
        inner = inner_fold(task.split, fold, people, derived_seed(fold_seed(task, fold), "held-out"))
        selected = _select(task, fold, inner, progress, seconds)
        # What is kept is made again, with the same draws: so no label is ever within reach while a method trains.
        part = replace(inner, test=fold.test) if task.selection == "inner-keep" else fold
        begun = _begin(task, fold, progress, part, selected.epoch)
        found = _fitted_and_tested(task, begun, seconds)
        if begun.told[-1:] != [selected.epoch]:
            raise ValueError(f"fit ended after epoch {len(begun.told)}, though epoch {selected.epoch} was selected")
        return found | {"inner": selected}


def _select(task: FoldTask, fold: Fold, inner: Fold, progress: Progress, seconds: dict[str, float]) -> InnerTraining:
    """Train on a part of the training clips, and score the others after each epoch."""
    begun = _begin(replace(task, keep_epochs=True), fold, progress, inner)
    with _timed(seconds, "select"), begun.random_state():
        begun.make().fit(begun.opened.train, begun.run)
    assert begun.watch is not None
    if not begun.watch.predictions:
        raise SetupError(
            f"method {task.method.__name__} tells of no epochs, so none can be selected: use --select last"
        )
    truth = fold_labels(task, fold)[begun.opened.test_rows]
    return InnerTraining(np.array([inner_uf1(each, truth, task.split.problem) for each in begun.watch.predictions]))


def _fitted_and_tested(task: FoldTask, begun: _Begun, seconds: dict[str, float]) -> dict[str, Any]:
    with begun.random_state():
        with _timed(seconds, "fit"):
            begun.make().fit(begun.opened.train, begun.run)
        return _finish(task, begun, seconds)


def _finish(task: FoldTask, begun: _Begun, seconds: dict[str, float]) -> dict[str, Any]:
    """Test a method that was fitted, and look inside."""
    assert begun.method is not None
    result: dict[str, Any] = {"predictions": _tested(task, begun.method, begun.opened, seconds)}
    if task.diagnose:
        with _timed(seconds, "diagnose"):
            result |= _looked_inside_or_why_not(task, begun.fold, begun.method, begun.opened)
    if begun.watch and begun.watch.predictions:
        scores = np.array([prediction.scores for prediction in begun.watch.predictions], dtype=np.float32)
        result["epochs"] = scores[:, begun.opened.by_identity()]
    return result


def _looked_inside_or_why_not(task: FoldTask, fold: Fold, method: Method, opened: OpenedFold) -> dict[str, Any]:
    """Return the diagnostics, or what went wrong with them: the predictions, made before, stay good."""
    try:
        return {"diagnostics": _looked_inside(task, fold, method, opened)}
    except SetupError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method raises
        return {"undiagnosed": f"{type(error).__name__}: {_readable(str, error)}"}


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - begin


def _tested(task: FoldTask, method: Method, opened: OpenedFold, seconds: dict[str, float]) -> pd.DataFrame:
    """Predict the test clips, check the answer, and join it with the truth."""
    problem = task.split.problem
    with _timed(seconds, "predict"):
        prediction = _checked(method.predict(opened.test), opened.test, problem)
    if not task.transductive:
        check_company(method, opened.test, prediction, problem)
    order = opened.by_identity()
    rows = opened.test_rows[order]
    return prediction_table(task.split.clips.iloc[rows], task.split.labels[rows], prediction.take(order), problem)


def _looked_inside(task: FoldTask, fold: Fold, method: Method, opened: OpenedFold) -> dict[str, npt.NDArray[Any]]:
    """Ask a fitted method what it tells of itself: all of it for the test clips, features for the training clips."""
    trained = opened.train.inputs if task.au_labels_at_test else opened.train.inputs.without_labels()
    asked: Any = method  # diagnose is no part of what every method has
    with preserved_random_state(), preserved_method(method):
        of_test = check_diagnostics(asked.diagnose(opened.test), opened.test.clips)
        of_train = check_diagnostics(asked.diagnose(trained), trained.clips)
    order = opened.by_identity()
    found = {f"test/{name}": values[order] for name, values in of_test.items()}
    found |= {f"train/{name}": values for name, values in of_train.items() if name.startswith("feature/")}
    for side, rows in (("test", opened.test_rows[order]), ("train", fold.train)):
        found |= {f"{side}/{name}": values for name, values in _annotations(task.split, rows).items()}
    return found


def _annotations(split: Split, rows: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
    """Return identity, action units and class of some clips, each as an array of text."""
    clips = split.clips.iloc[rows]
    found = {name: np.array(clips[name].tolist(), dtype=str) for name in IDENTITY}
    aus = [str(coding) if isinstance(coding, Coding) else "" for coding in clips["aus"]]
    outputs, labels = split.problem.outputs, split.labels[rows]
    classes = split.problem.task == "classification"
    truth = np.array(outputs)[labels] if classes else np.array(units_text(labels, outputs), dtype=str)
    return found | {"aus": np.array(aus, dtype=str), "truth": truth}


def _checked(answer: object, inputs: Inputs, problem: Problem) -> Prediction:
    """Return a method's answer if it is a prediction for these clips; PredictionError says what it is instead."""
    if not isinstance(answer, Prediction):
        raise PredictionError(f"predict returned {type(answer).__name__}, expected a Prediction")
    return answer.check(inputs.clips, problem)


def check_company(method: Method, inputs: Inputs, together: Prediction, problem: Problem) -> None:
    """Ask for one clip again, alone: the answer may not depend on the company it was first given in.

    One clip a fold is asked for, which costs little; over a protocol's folds, each in its random order, that finds
    statistics of the batch, ranks within it and look-ups by position.

    Raises
    ------
    CompanyError
        Scores differ by more than 1e-5 (of the largest, if that is above 1), or the label differs; a net left in
        training mode does this.
    """
    if inputs.clips < 2:
        return  # it was alone
    row = np.array([inputs.clips - 1])
    one = inputs.take(row)
    first, alone = together.take(row), _checked(method.predict(one), one, problem)
    # Relative to large scores: single precision rounds differently in products of different sizes.
    difference = float(np.abs(alone.scores - first.scores).max() / max(1.0, float(np.abs(first.scores).max())))
    labelled = alone.labels is not None or first.labels is not None
    if difference > COMPANY_TOLERANCE or (labelled and alone.decisions()[0] != first.decisions()[0]):
        raise CompanyError(
            f"the prediction for a clip changes with the clips it is asked for with (scores by {difference:.2g}, "
            f"allowed {COMPANY_TOLERANCE:g}): is the net in eval mode, and does nothing use statistics of the batch?"
        )
