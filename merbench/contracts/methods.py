"""The method contract: fit on a fold's training clips, predict its test clips, and see nothing else."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from merbench.contracts.cards import Task
from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import PredictionError
from merbench.contracts.inputs import Inputs, InputSpec


class MethodConfig(BaseModel):
    """Base of every method's settings: named, typed, with defaults; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, values: Any) -> Any:
        """Refuse true and false where a number is meant; pydantic would take them for 1 and 0."""
        for name, value in values.items() if isinstance(values, dict) else ():
            if (
                isinstance(value, bool)
                and name in cls.model_fields
                and cls.model_fields[name].annotation in (int, float)
            ):
                raise ValueError(f"{name} must be a number, not {str(value).lower()}")
        return values


@dataclass(frozen=True)
class Problem:
    """What is to be predicted.

    Attributes
    ----------
    task : str
        ``classification``: one class of `outputs` a clip. ``au-detection``: each action unit of `outputs`, or not.
    outputs : tuple of str
        Class names, or action units as text.
    """

    task: Task
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """What a method says of some clips.

    Attributes
    ----------
    scores : ndarray of float, shape (n_clips, n_outputs)
        Higher is more likely; for AU detection, positive means shown.
    labels : ndarray of int, shape (n_clips,), optional
        Indices of classes, where they are not the argmax of the scores (an SVM's own decision).
    """

    scores: npt.NDArray[np.floating[Any]]
    labels: npt.NDArray[np.integer[Any]] | None = None

    def check(self, clips: int, problem: Problem) -> "Prediction":
        """Return itself as float64 scores (and int64 labels), or raise what does not fit.

        Raises
        ------
        PredictionError
            Wrong type, shape, NaN or infinite scores, or labels that are no class; says what was expected.
        """
        scores = np.asarray(self.scores)
        expected = (clips, len(problem.outputs))
        if scores.shape != expected:
            raise PredictionError(
                f"scores have shape {scores.shape}, expected {expected} (clips, {problem.task} outputs)"
            )
        if not np.issubdtype(scores.dtype, np.number) or np.iscomplexobj(scores):
            raise PredictionError(f"scores are {scores.dtype}, expected real numbers")
        scores = scores.astype(np.float64)
        if not np.isfinite(scores).all():
            raise PredictionError(
                f"{int((~np.isfinite(scores)).any(axis=1).sum())} of {clips} clips have NaN or infinite scores"
            )
        if self.labels is None:
            return Prediction(scores)
        if problem.task != "classification":
            raise PredictionError("labels are for classification; AU detection is decided by the sign of the scores")
        labels = np.asarray(self.labels)
        if labels.shape != (clips,) or not np.issubdtype(labels.dtype, np.integer):
            raise PredictionError(
                f"labels are {labels.dtype} of shape {labels.shape}, expected integers of shape {(clips,)}"
            )
        if ((labels < 0) | (labels >= expected[1])).any():
            raise PredictionError(f"labels must be 0..{expected[1] - 1}, the classes {', '.join(problem.outputs)}")
        return Prediction(scores, labels.astype(np.int64))

    def take(self, rows: npt.NDArray[np.intp]) -> "Prediction":
        """Return the prediction of some clips, in the order of `rows`."""
        return Prediction(self.scores[rows], None if self.labels is None else self.labels[rows])

    def decisions(self) -> npt.NDArray[np.int64]:
        """Return the predicted class of each clip: its label, else the first largest score."""
        return self.scores.argmax(axis=1) if self.labels is None else self.labels.astype(np.int64)


@dataclass(frozen=True)
class TrainingData:
    """The training clips of one fold.

    Attributes
    ----------
    inputs : Inputs
        What the method declared, one row a clip.
    labels : ndarray
        Classification: int, shape (n_clips,), indices into ``problem.outputs``. AU detection: float, shape
        (n_clips, n_outputs), 1 shown, 0 not, NaN not annotated.
    problem : Problem
        Task and outputs.
    subjects, datasets : ndarray of str, shape (n_clips,)
        Whose clips these are; subjects carry their database, ``samm/006``.
    unlabelled : Inputs, optional
        The test clips, only if card *and* protocol say transductive.
    """

    inputs: Inputs
    labels: npt.NDArray[Any]
    problem: Problem
    subjects: npt.NDArray[Any]
    datasets: npt.NDArray[Any]
    unlabelled: Inputs | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class AuxiliaryData:
    """Clips to pretrain on: those of a declared database that belong to none of the fold's held-out subjects."""

    inputs: Inputs
    emotions: npt.NDArray[Any]
    subjects: npt.NDArray[Any]
    datasets: npt.NDArray[Any]


def _no_auxiliary(name: str) -> AuxiliaryData:
    raise LookupError(f"auxiliary data {name!r} is not declared on the method's card")


class Progress:
    """How far a method has come; the display reads it, and nothing of the display can be reached from it."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` steps (epochs, say) are over."""
        self.done, self.total = done, total


def _never_stop(epoch: int, method: "Method") -> bool:  # noqa: ARG001
    return False


@dataclass(frozen=True)
class RunContext:
    """What a method is told of the run around it: a seed, a device, and whom to tell of its progress.

    Attributes
    ----------
    seed : int
        Hashed from the run's seed and the fold, not from the configuration, so that ablations are paired.
    device : str
        A torch device, ``cpu`` or ``cuda:0``.
    threads : int
        How many threads the unit may use.
    progress : Progress
        ``progress(done, total)``, for the display.
    on_epoch : callable
        Behind `epoch_end`.
    auxiliary : callable
        ``auxiliary(name)`` gives the declared pretraining clips without the held-out subjects and their aliases.
    """

    seed: int
    device: str = "cpu"
    threads: int = 1
    progress: Progress = field(default_factory=Progress, repr=False)
    on_epoch: Callable[[int, "Method"], bool] = field(default=_never_stop, repr=False)
    auxiliary: Callable[[str], AuxiliaryData] = field(default=_no_auxiliary, repr=False)

    def stream_seed(self, stream: str) -> int:
        """Return the seed of a named random stream of this fold, below 2**63."""
        return derived_seed(self.seed, stream)

    def rng(self, stream: str) -> np.random.Generator:
        """Return the generator of a named random stream of this fold, fresh at each call."""
        return np.random.default_rng(self.stream_seed(stream))

    def epoch_end(self, epoch: int, method: "Method") -> bool:
        """Tell the harness that `epoch` (from 1) is over; the answer says whether to stop.

        The harness may predict with `method` meanwhile; it puts every random state back as it was.
        """
        return self.on_epoch(epoch, method)


@runtime_checkable
class Method(Protocol):
    """A method of micro-expression recognition. One instance lives for one fold.

    It is built as ``cls(config, problem)``, where ``cls.Config``, a `MethodConfig`, is the class of its settings. One
    whose configuration changes what it asks for has a class method ``declare_inputs(config)``; else the card's inputs
    hold.
    A prediction for a clip may not depend on which other clips it is asked for with (within 1e-5), unless the card says
    transductive.

    A method may also define ``diagnose(inputs) -> dict of str to ndarray``: what figures are drawn from and what probes
    read. It is asked after `predict`, only on request, with the same kind of inputs, of any clips. Every array has one
    entry a clip on its first axis, and its name says what it is (`DIAGNOSTIC_KINDS`).
    """

    def __init__(self, config: Any, problem: Problem) -> None: ...

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Train on the fold's training clips."""

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict clips, in the order given."""
        ...


def declared_inputs(
    method: type[Method], card_inputs: Mapping[str, InputSpec], config: MethodConfig
) -> dict[str, InputSpec]:
    """Return what `method` asks for under `config`: its own ``declare_inputs`` if it has one, else the card's."""
    declare = getattr(method, "declare_inputs", None)
    return dict(declare(config) if declare else card_inputs)


@dataclass(frozen=True)
class DiagnosticKind:
    """What a diagnostic array of some name must be.

    Attributes
    ----------
    pattern : str
        Regular expression of its names.
    dtype : str
        Its kind of values, for messages and the check: ``float``, ``bool`` or ``uint8``.
    shapes : tuple of str
        Its axes after that of the clips, a letter an axis; alternatives.
    bounded : bool
        Values lie in 0..1.
    """

    pattern: str
    dtype: Literal["float", "bool", "uint8"]
    shapes: tuple[str, ...]
    bounded: bool = False


_WORD = "[a-z0-9]+(?:[-_.][a-z0-9]+)*"

#: What a method can tell of itself, by the form of the name; whatever reads diagnostics goes by these names alone.
DIAGNOSTIC_KINDS = {
    "feature/<name>": DiagnosticKind(f"feature/{_WORD}", "float", ("d",)),  # of a branch
    "gate/<name>": DiagnosticKind(f"gate/{_WORD}", "float", ("", "d"), bounded=True),  # how far a fusion leans on it
    "kept/<rate>": DiagnosticKind(r"kept/0(?:\.\d+)?", "bool", ("hw",)),  # which locations of `face` stayed
    "au/<number>": DiagnosticKind(r"au/[1-9]\d?", "float", ("",)),  # score of an action unit, positive means shown
    "face": DiagnosticKind("face", "uint8", ("hw",)),  # the grey onset face, small
}

_ROUNDING = 1e-5


def check_diagnostics(found: object, clips: int) -> dict[str, npt.NDArray[Any]]:
    """Return what ``diagnose`` gave for `clips` clips, floats as float32, or raise what does not fit.

    Raises
    ------
    PredictionError
        No dict, a name that is none of `DIAGNOSTIC_KINDS`, another type or shape than its name says, NaN or infinite
        values, a gate outside of 0..1; one line that says what was expected.
    """
    if not isinstance(found, dict):
        raise PredictionError(f"diagnose returned {type(found).__name__}, expected a dict of arrays")
    return {name: _diagnostic(name, array, clips) for name, array in found.items()}


def _diagnostic(name: object, array: object, clips: int) -> npt.NDArray[Any]:
    kind = next((k for k in DIAGNOSTIC_KINDS.values() if isinstance(name, str) and re.fullmatch(k.pattern, name)), None)
    if kind is None:
        raise PredictionError(f"diagnose returned {name!r}, expected names of the form {', '.join(DIAGNOSTIC_KINDS)}")
    if not isinstance(array, np.ndarray):
        raise PredictionError(f"diagnose: {name} is a {type(array).__name__}, expected a NumPy array")
    fits = array.dtype.kind == "f" if kind.dtype == "float" else array.dtype == np.dtype(kind.dtype)
    axes = {len(shape) + 1 for shape in kind.shapes}
    if not fits or array.ndim not in axes or len(array) != clips or not array.size:
        expected = " or ".join(f"({', '.join([str(clips), *shape])}{'' if shape else ','})" for shape in kind.shapes)
        raise PredictionError(
            f"diagnose: {name} is {array.dtype} of shape {array.shape}, expected {kind.dtype} of shape {expected}"
        )
    if kind.dtype != "float":
        return np.array(array)
    with np.errstate(over="ignore"):
        values: npt.NDArray[Any] = array.astype(np.float32)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values.reshape(clips, -1))).any(axis=1).sum())
        raise PredictionError(f"diagnose: {name} has NaN or infinite values for {bad} of {clips} clips")
    if kind.bounded and (values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING):
        raise PredictionError(f"diagnose: {name} lies in {values.min():g}..{values.max():g}, expected 0..1")
    return values.clip(0, 1) if kind.bounded else values
