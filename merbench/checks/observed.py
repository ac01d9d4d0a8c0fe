"""A fold as it is always run, looked at from where its method stands: what it is handed, reads, draws and answers."""

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
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Method, MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.randomness import preserved_method, preserved_random_state
from merbench.prepare.arrays import input_digests

#: How many clips are asked for at once where many are, which are those of the fold several times: more than the usual
#: batches of 32 and 64.
MANY = 65


@dataclass(frozen=True)
class Again:
    """By how much answers differ at most, see :func:`difference`; or why there are none."""

    difference: float
    failure: str = ""


@dataclass
class Observation:
    """What was seen of a method in one fold.

    Attributes
    ----------
    failure : str
        Why the fold failed, or empty.
    table : DataFrame
        What was answered for the test clips, by identity, joined with the truth; see
        :func:`merbench.records.model.prediction_table`. Empty where the fold failed.
    company, order : Again, optional
        What came of asking for the same clips one by one and in halves, and in other orders. The first is asked of
        copies that predicted nothing before, so that nothing of the whole test fold is kept from then, and once, as
        the engine does, of the method itself. Where the clips were asked for one by one at first, it is what came of
        asking for many at once.
    refitted : bool
        The method can't be copied; what a copy would be asked, another instance was, fitted with the same draws.
    read, read_at_test, read_of_test : set of str
        Inputs that were read: at all, in `predict`, and of the unlabelled test clips in `fit`.
    changed : list of str
        What the method was handed and is not what it was.
    began, ended : dict of str to str
        Digests of the states of the global generators, before `fit` and after `predict`.
    """

    failure: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    company: Again | None = None
    order: Again | None = None
    refitted: bool = False
    read: set[str] = field(default_factory=set)
    read_at_test: set[str] = field(default_factory=set)
    read_of_test: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    began: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)


def observe(task: FoldTask, fold: str, ask_again: bool = False, one_by_one: bool = False) -> Observation:
    """Run one fold of `task` and tell what was seen.

    Parameters
    ----------
    task : FoldTask
        What to run.
    fold : str
        Its name.
    ask_again : bool
        Ask for the test clips also one by one, in halves and in other orders. A method that can't be copied is fitted
        anew for it.
    one_by_one : bool
        Ask for the test clips one by one at first, which is then what was answered, and for many at once afterwards.
    """
    seen: list[Observation] = []
    how = {"of": task.method, "seen": seen, "ask_again": ask_again, "one_by_one": one_by_one}
    try:
        outcome = run_fold(replace(task, method=type("Observed", (_Observed,), how)), fold)
    except SetupError as error:
        return Observation(failure=str(error))
    found = seen[-1] if seen else Observation()
    if outcome.predictions is not None:
        found.table = outcome.predictions
    if outcome.failure:
        lines = outcome.failure.message.splitlines()
        found.failure = f"{outcome.failure.type}: {lines[0] if lines else ''}"
    if found.refitted and not found.failure:
        anew = observe(task, fold, one_by_one=True)
        found.company = worst([found.company, held_against(found, anew, task.split.problem)])
    return found


def held_against(one: Observation, two: Observation, problem: Problem) -> Again:
    """Say by how much what was answered in two runs of a fold differs."""
    if one.failure or two.failure:
        return Again(float("inf"), one.failure or two.failure)
    return Again(difference(answers(one.table, problem), answers(two.table, problem)))


def worst(found: Iterable[Again | None]) -> Again:
    """Return that of which answers differ most."""
    return max((again for again in found if again), key=lambda again: again.difference)


def answers(table: pd.DataFrame, problem: Problem) -> Prediction:
    """Return the predictions of a table, by identity; with labels only if one is not the first largest score."""
    scores = table[[f"score_{name}" for name in problem.outputs]].to_numpy(dtype=np.float64)
    if problem.task != "classification":
        return Prediction(scores)
    place = {name: index for index, name in enumerate(problem.outputs)}
    labels = table.predicted.map(place).to_numpy(dtype=np.int64)
    # Scores may be alike but for rounding: a label that follows from them says nothing that they do not.
    return Prediction(scores, None if (labels == scores.argmax(axis=1)).all() else labels)


def difference(one: Prediction, two: Prediction) -> float:
    """Say by how much two predictions of the same clips differ: in their scores, or infinitely where a label does.

    Relative to the largest score, if that is above 1.
    """
    if (one.labels is not None or two.labels is not None) and (one.decisions() != two.decisions()).any():
        return float("inf")
    scale = max(1.0, float(np.abs(one.scores).max(initial=0)))
    return float(np.abs(one.scores - two.scores).max(initial=0)) / scale


class _Observed:
    """Stands before a method, and hands everything on."""

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
            # The engine asks for the last clip again, alone; here that is looked at more closely, and beside the rest.
            return self.first.take(np.array([len(self.first.scores) - 1]))
        before, whole = input_digests(inputs), inputs.take(np.arange(inputs.clips))
        handed, rows = _Noted(inputs, self.now.read_at_test), np.arange(inputs.clips)
        found = self._each(handed) if self.one_by_one else self.inner.predict(handed)
        self.now.ended = _generators()
        self.now.changed += [
            f"input {name} of the test clips" for name, value in input_digests(inputs).items() if value != before[name]
        ]
        if isinstance(found, Prediction):  # else the engine says what it is
            first, alone = found.check(inputs.clips, self.problem), np.split(rows, len(rows))
            with preserved_random_state(), preserved_method(self.inner):
                if self.one_by_one:
                    self.now.company = self._again(self.inner, handed, first, [np.resize(rows, MANY)])
                if self.ask_again:
                    company = [self._again(self.inner, whole, first, alone[-1:])]
                    if self.fitted is not None:
                        company += [self._again(self.fitted, whole, first, [*alone, *np.array_split(rows, 2)])]
                    self.now.company = worst(company)
                    self.now.order = self._again(self.inner, whole, first, [rows[::-1], np.roll(rows, 1)])
        self.first = found
        return found

    def _each(self, inputs: Inputs) -> Prediction:
        """Ask for each clip alone."""
        rows = np.arange(inputs.clips)[:, None]
        found = [self.inner.predict(inputs.take(row)).check(1, self.problem) for row in rows]
        labels = [one.labels for one in found if one.labels is not None]
        scores = np.concatenate([one.scores for one in found])
        return Prediction(scores, np.concatenate(labels) if len(labels) == len(found) else None)

    def _again(self, method: Method, inputs: Inputs, first: Prediction, asked: Sequence[npt.NDArray[np.intp]]) -> Again:
        most = 0.0
        try:
            for rows in asked:
                again = method.predict(inputs.take(rows)).check(len(rows), self.problem)
                most = max(most, difference(first.take(rows), again))
        except Exception as error:  # noqa: BLE001 - whatever a method raises
            return Again(float("inf"), f"{type(error).__name__}: {error}")
        return Again(most)


def _copied(method: Method) -> Method | None:
    """Copy a fitted method; None where it can't be copied, or takes itself for its copy."""
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

    def take(self, rows: npt.NDArray[np.intp]) -> Inputs:
        return _Noted(super().take(rows), self._read)

    def pictures(self) -> Inputs:
        return _Noted(super().pictures(), self._read)


def _digests(train: TrainingData) -> dict[str, str]:
    """Digest all that `fit` is handed."""
    found = {f"input {name}": value for name, value in input_digests(_bare(train.inputs)).items()}
    found["labels"] = bytes_digest(np.ascontiguousarray(train.labels).tobytes())
    for name in ("subjects", "datasets"):
        found[name] = repr(getattr(train, name).tolist())
    if train.unlabelled is not None:
        of_test = input_digests(_bare(train.unlabelled))
        found |= {f"input {name} of the test clips": value for name, value in of_test.items()}
    return found


def _bare(inputs: Inputs) -> Inputs:
    """Return the same inputs, of which nothing is noted."""
    return Inputs({name: Inputs.__getitem__(inputs, name) for name in inputs.names()}, inputs.clips)


def _generators() -> dict[str, str]:
    """Digest the states of the global generators of Python, NumPy and, if it is loaded, torch."""
    torch: Any = sys.modules.get("torch")
    found = {"python": repr(random.getstate()), "numpy": repr(_plain(np.random.get_state()))}  # noqa: NPY002
    if torch:
        found["torch"] = repr(torch.get_rng_state().tolist())
    return {name: bytes_digest(state.encode()) for name, state in found.items()}


def _plain(state: Any) -> list[Any]:
    return [part.tolist() if isinstance(part, np.ndarray) else part for part in state]
