"""One fold, run as usual and observed from within its method: inputs, reads, random draws and predictions."""

import copy
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import SetupError
from merbench.contracts.inputs import ArrayInput, Inputs, Rows
from merbench.contracts.methods import Method, MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.randomness import preserved_method, preserved_random_state
from merbench.prepare.arrays import input_digests

#: Clips in the largest batch, with those of the fold repeated: above the usual batch sizes of 32 and 64.
_LARGE_BATCH = 65

#: Maximum difference of predictions, see :func:`difference`, and the error if the method failed.
Difference = tuple[float, str]


@dataclass
class Observation:
    """Observations of a method in one fold."""

    failure: str = ""  #: reason why the fold failed
    #: The predictions with clip identity and truth, see :func:`merbench.records.predictions.prediction_table`; empty if
    #: the fold failed or ran in a process without truth.
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    prediction: Prediction | None = None  #: the same predictions
    #: How predictions differ for the same clips one by one and in halves: by a copy that has not predicted before, so
    #: that statistics kept from the first call are visible, and once, like the engine, by the method itself. If clips
    #: were first predicted one by one: how those in large batches differ.
    batch: Difference | None = None
    epochs: int | None = None  #: epochs that were reported, if test clips were predicted after each
    order: Difference | None = None  #: how they differ in other orders
    refitted: bool = False  #: another instance, fitted with the same draws, predicted: the method cannot be copied
    read: set[str] = field(default_factory=set)  #: inputs that were read
    read_at_test: set[str] = field(default_factory=set)  #: those in `predict`
    read_of_test: set[str] = field(default_factory=set)  #: those of the unlabelled test clips, in `fit`
    changed: list[str] = field(default_factory=list)  #: inputs and arrays that the method changed in place
    began: dict[str, str] = field(default_factory=dict)  #: digests of the global generators' states, before `fit`
    ended: dict[str, str] = field(default_factory=dict)  #: the same after `predict`
    trespasses: Sequence[str] = ()  #: see :func:`merbench.checks.watch.watched`; for folds in a fresh process
    files: Sequence[str] = ()  #: the same


def observe(task: FoldTask, fold: str, ask_again: bool = False, one_by_one: bool = False) -> Observation:
    """Run one fold of `task` and observe it.

    With `ask_again`, the test clips are predicted also one by one, in halves and in other orders; a method that cannot
    be copied is fitted again for this. With `one_by_one` they are predicted one by one first, which is kept, and then
    in a large batch.
    """
    seen: list[Observation] = []
    how: dict[str, Any] = {"of": task.method, "seen": seen, "ask_again": ask_again, "one_by_one": one_by_one}
    if hasattr(task.method, "pretrain"):
        how["pretrain"] = lambda self, run: self.inner.pretrain(run)
    try:
        outcome = run_fold(replace(task, method=type("Observed", (_Observed,), how)), fold)
    except SetupError as error:
        return Observation(failure=str(error))
    found = seen[-1] if seen else Observation()
    if outcome.failure:
        lines = outcome.failure.message.splitlines()
        found.failure = f"{outcome.failure.type}: {lines[0] if lines else ''}"
    if outcome.predictions is not None:
        found.table, found.prediction = outcome.predictions, predicted(outcome.predictions, task.split.problem)
    if outcome.epochs is not None:
        found.epochs = len(outcome.epochs)
    if found.refitted and not found.failure:
        found.batch = worst([found.batch, apart(found, observe(task, fold, one_by_one=True))])
    return found


def apart(one: Observation, two: Observation) -> Difference:
    """Return how the predictions of two runs of a fold differ."""
    if one.prediction is None or two.prediction is None:
        return float("inf"), one.failure or two.failure
    return difference(one.prediction, two.prediction), ""


def worst(found: Iterable[Difference | None]) -> Difference:
    """Return the largest difference."""
    return max((each for each in found if each), key=lambda each: each[0])


def predicted(table: pd.DataFrame, problem: Problem) -> Prediction:
    """Return the predictions of a table, by identity; with labels only if one is not the first largest score."""
    scores = table[[f"score_{name}" for name in problem.outputs]].to_numpy(dtype=np.float64)
    if problem.task != "classification":
        return Prediction(scores)
    place = {name: index for index, name in enumerate(problem.outputs)}
    labels = table.predicted.map(place).to_numpy(dtype=np.int64)
    # Scores may be equal up to rounding: a label that follows from them adds no information.
    return Prediction(scores, None if (labels == scores.argmax(axis=1)).all() else labels)


def difference(one: Prediction, two: Prediction) -> float:
    """Return the largest difference in score between two predictions of the same clips; infinite if a label differs.

    It is relative to the largest score, if that is above 1.
    """
    if (one.labels is not None or two.labels is not None) and (one.decisions() != two.decisions()).any():
        return float("inf")
    scale = max(1.0, float(np.abs(one.scores).max(initial=0)))
    return float(np.abs(one.scores - two.scores).max(initial=0)) / scale


class _Observed:
    """Wrap a method and pass all calls to it."""

    Config = MethodConfig
    of: ClassVar[type[Method]]
    seen: ClassVar[list[Observation]]
    ask_again: ClassVar[bool]
    one_by_one: ClassVar[bool]

    def __init__(self, config: Any, problem: Problem) -> None:
        self.inner = self.of(config, problem)
        self.problem = problem
        self.first: Prediction | None = None
        self.now = Observation()
        self.seen.append(self.now)

    def fit(self, train: TrainingData, run: RunContext) -> None:
        self.now.began = _generators()
        noted = replace(
            train,
            inputs=_Noted(train.inputs, self.now.read),
            unlabelled=train.unlabelled and _Noted(train.unlabelled, self.now.read_of_test),
        )
        before = _digests(noted)
        self.inner.fit(noted, run)
        self.now.changed += [name for name, value in _digests(noted).items() if value != before[name]]
        if self.ask_again:
            self.fitted = _copied(self.inner)
            self.now.refitted = self.fitted is None

    def predict(self, inputs: Inputs) -> Prediction:
        if self.first is not None:
            # The engine predicts the last clip again, alone; `_compare` does more than that.
            return self.first.take(np.array([len(self.first.scores) - 1]))
        before, whole = input_digests(inputs), inputs.take(np.arange(inputs.clips))
        noted = _Noted(inputs, self.now.read_at_test)
        found = self._each(noted) if self.one_by_one else self.inner.predict(noted)
        self.now.ended = _generators()
        self.now.changed += [
            f"input {name} of the test clips" for name, value in input_digests(inputs).items() if value != before[name]
        ]
        if isinstance(found, Prediction):  # otherwise the engine reports it
            self._compare(noted, whole, found.check(inputs.clips, self.problem))
        self.first = found
        return found

    def _compare(self, noted: Inputs, whole: Inputs, first: Prediction) -> None:
        """Predict the clips in other batches and orders than at first."""
        rows = np.arange(whole.clips)
        alone = np.split(rows, len(rows))
        with preserved_random_state(), preserved_method(self.inner):
            if self.one_by_one:
                self.now.batch = self._again(self.inner, noted, first, [np.resize(rows, _LARGE_BATCH)])
            if self.ask_again:
                self.now.batch = self._again(self.inner, whole, first, alone[-1:])
                if self.fitted is not None:
                    halves = np.array_split(rows, 2)
                    self.now.batch = worst([self.now.batch, self._again(self.fitted, whole, first, [*alone, *halves])])
                self.now.order = self._again(self.inner, whole, first, [rows[::-1], np.roll(rows, 1)])

    def _each(self, inputs: Inputs) -> Prediction:
        """Ask for each clip alone."""
        rows = np.arange(inputs.clips)[:, None]
        found = [self.inner.predict(inputs.take(row)).check(1, self.problem) for row in rows]
        labels = [one.labels for one in found if one.labels is not None]
        scores = np.concatenate([one.scores for one in found])
        return Prediction(scores, np.concatenate(labels) if len(labels) == len(found) else None)

    def _again(
        self, method: Method, inputs: Inputs, first: Prediction, batches: Sequence[npt.NDArray[np.intp]]
    ) -> Difference:
        most = 0.0
        try:
            for rows in batches:
                again = method.predict(inputs.take(rows)).check(len(rows), self.problem)
                most = max(most, difference(first.take(rows), again))
        except Exception as error:  # noqa: BLE001 - whatever a method raises
            return float("inf"), f"{type(error).__name__}: {error}"
        return most, ""


def _copied(method: Method) -> Method | None:
    """Copy a fitted method; None where it can't be copied, or returns itself as its copy."""
    try:
        found = copy.deepcopy(method)
    except Exception:  # noqa: BLE001 - what a method holds may raise anything
        return None
    return None if found is method else found


class _Noted(Inputs):
    """Inputs that note which of them are read."""

    def __init__(self, inputs: Inputs, read: set[str]) -> None:
        super().__init__({name: inputs[name] for name in inputs.names()}, inputs.clips)
        self._read = read

    def __getitem__(self, name: str) -> ArrayInput:
        found = super().__getitem__(name)
        self._read.add(name)
        return found

    def batch(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> dict[str, npt.NDArray[Any]]:
        self._read.update(self.names())
        return super().batch(rows, rng)

    def take(self, rows: npt.NDArray[np.intp]) -> Inputs:
        return _Noted(super().take(rows), self._read)

    def without_labels(self) -> Inputs:
        return _Noted(super().without_labels(), self._read)


def _digests(train: TrainingData) -> dict[str, str]:
    """Digest everything that `fit` gets."""
    found = {f"input {name}": value for name, value in input_digests(_bare(train.inputs)).items()}
    found["labels"] = bytes_digest(np.ascontiguousarray(train.labels).tobytes())
    for name in ("subjects", "datasets"):
        found[name] = repr(getattr(train, name).tolist())
    if train.unlabelled is not None:
        of_test = input_digests(_bare(train.unlabelled))
        found |= {f"input {name} of the test clips": value for name, value in of_test.items()}
    return found


def _bare(inputs: Inputs) -> Inputs:
    """Return the same inputs, without noting what is read."""
    return Inputs({name: Inputs.__getitem__(inputs, name) for name in inputs.names()}, inputs.clips)


def _generators() -> dict[str, str]:
    """Digest the states of the global generators of Python, NumPy and, if it is loaded, torch."""
    torch: Any = sys.modules.get("torch")
    state: Any = np.random.get_state()  # noqa: NPY002
    plain = [part.tolist() if isinstance(part, np.ndarray) else part for part in state]
    found = {"python": repr(random.getstate()), "numpy": repr(plain)}
    if torch:
        found["torch"] = repr(torch.get_rng_state().tolist())
    return {name: bytes_digest(state.encode()) for name, state in found.items()}
