"""The method contract: fit on the training clips of a fold, predict its test clips without their labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from merbench.contracts.cards import Card, Task
from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import MerbenchError, PredictionError, listed
from merbench.contracts.inputs import Inputs, InputSpec


class MethodConfig(BaseModel):
    """Base class of method settings: named, typed, with defaults; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_booleans_for_numbers(cls, values: Any) -> Any:
        """Refuse true and false for a number; pydantic would convert them to 1 and 0."""
        numbers = [name for name, field in cls.model_fields.items() if field.annotation in (int, float)]
        for name in numbers if isinstance(values, dict) else ():
            if isinstance(values.get(name), bool):
                raise ValueError(f"{name} must be a number, not {str(values[name]).lower()}")
        return values


@dataclass(frozen=True)
class Problem:
    """The task of a protocol and its outputs."""

    task: Task  #: ``classification``: a clip has one class of `outputs`; ``au-detection``: it shows some of them
    outputs: tuple[str, ...]  #: class names, or numbers of action units as text


@dataclass(frozen=True)
class Prediction:
    """The output of a method for some clips."""

    #: Shape (n_clips, n_outputs). Higher is more likely; AU detection: positive means that the action unit is shown.
    scores: npt.NDArray[np.floating[Any]]
    #: Class indices, shape (n_clips,), if they are not the argmax of the scores (an SVM's own decision).
    labels: npt.NDArray[np.integer[Any]] | None = None

    def check(self, clips: int, problem: Problem) -> "Prediction":
        """Return the prediction with float64 scores and int64 labels.

        PredictionError for a wrong type or shape, NaN or infinite scores, labels that are not classes.
        """
        scores = np.asarray(self.scores)
        expected = (clips, len(problem.outputs))
        if scores.shape != expected:
            wanted = f"{expected} (clips, {problem.task} outputs)"
            raise PredictionError(f"scores have shape {scores.shape}, expected {wanted}")
        if not np.issubdtype(scores.dtype, np.number) or np.iscomplexobj(scores):
            raise PredictionError(f"scores are {scores.dtype}, expected real numbers")
        scores = scores.astype(np.float64)
        if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
            raise PredictionError(f"{bad} of {clips} clips have NaN or infinite scores")
        if self.labels is None:
            return Prediction(scores)
        if problem.task != "classification":
            raise PredictionError(
                "labels are only allowed for classification; AU detection uses the sign of the scores"
            )
        labels = np.asarray(self.labels)
        if labels.shape != (clips,) or not np.issubdtype(labels.dtype, np.integer):
            given = f"{labels.dtype} of shape {labels.shape}"
            raise PredictionError(f"labels are {given}, expected integers of shape {(clips,)}")
        if ((labels < 0) | (labels >= expected[1])).any():
            raise PredictionError(f"labels must be 0..{expected[1] - 1} (classes {', '.join(problem.outputs)})")
        return Prediction(scores, labels.astype(np.int64))

    def take(self, rows: npt.NDArray[np.intp]) -> "Prediction":
        """Return the prediction for the clips at `rows`, in that order."""
        return Prediction(self.scores[rows], None if self.labels is None else self.labels[rows])

    def decisions(self) -> npt.NDArray[np.int64]:
        """Return the predicted class index of each clip: its label, or the first maximum of its scores."""
        return self.scores.argmax(axis=1) if self.labels is None else self.labels.astype(np.int64)


@dataclass(frozen=True)
class TrainingData:
    """The training clips of one fold."""

    inputs: Inputs
    #: Classification: int, shape (n_clips,), indices into ``problem.outputs``. AU detection: float, shape
    #: (n_clips, n_outputs), 1 shown, 0 not shown, NaN not annotated.
    labels: npt.NDArray[Any]
    problem: Problem
    subjects: npt.NDArray[Any]  #: text, shape (n_clips,), with the dataset, as in ``samm/006``
    datasets: npt.NDArray[Any]  #: text, shape (n_clips,)
    unlabelled: Inputs | None = None  #: the inputs of the test clips, only if card *and* protocol are transductive

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class AuxiliaryData:
    """Clips to pretrain on: those of a declared database, without the people who are held out in the fold."""

    inputs: Inputs  #: those that ``auxiliary`` declares for it, or those of the method
    #: As in `TrainingData`, mapped as the protocol maps the dataset. An emotion of a dataset that it lacks has the
    #: class that all its datasets give it. -1 if there is none; NaN for action units that are not annotated.
    labels: npt.NDArray[Any]
    emotions: npt.NDArray[Any]  #: the database's own words, shape (n_clips,)
    subjects: npt.NDArray[Any]  #: as in `TrainingData`
    datasets: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.intp]) -> "AuxiliaryData":
        """Return a copy for some clips."""
        arrays = (self.labels, self.emotions, self.subjects, self.datasets)
        return AuxiliaryData(self.inputs.take(rows), *(values[rows] for values in arrays))


def _no_auxiliary(name: str) -> AuxiliaryData:
    raise LookupError(f"auxiliary data {name!r} is not declared on the method's card (`auxiliary`)")


class Progress:
    """Progress of a method, read by the display; it holds no reference to the display."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` steps, such as epochs, are complete."""
        self.done, self.total = done, total


def _never_stop(epoch: int, method: "Method") -> bool:  # noqa: ARG001
    return False


@dataclass(frozen=True)
class RunContext:
    """The context in which a method is fitted: seed, device, progress and callbacks."""

    seed: int  #: derived from the run's seed and the fold, not from the configuration, so that ablations are paired
    device: str = "cpu"  #: a torch device, ``cpu`` or ``cuda:0``
    threads: int = 1  #: that the job may use
    progress: Progress = field(default_factory=Progress, repr=False)  #: ``progress(done, total)``, for the display
    on_epoch: Callable[[int, "Method"], bool] = field(default=_never_stop, repr=False)  #: called by `epoch_end`
    #: ``auxiliary(name)`` returns the declared pretraining clips, without the people who are held out.
    auxiliary: Callable[[str], AuxiliaryData] = field(default=_no_auxiliary, repr=False)
    #: What the method's ``pretrain`` returned, for `fit`; read-only arrays. Empty without it.
    pretrained: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict, repr=False)

    def stream_seed(self, stream: str) -> int:
        """Return the seed of a named random stream of this fold, in 0..2**63 - 1."""
        return derived_seed(self.seed, stream)

    def rng(self, stream: str) -> np.random.Generator:
        """Return a new generator of a named random stream of this fold; every call starts the stream again."""
        return np.random.default_rng(self.stream_seed(stream))

    def epoch_end(self, epoch: int, method: "Method") -> bool:
        """Report the end of `epoch` (counted from 1) to the harness; return whether to stop training.

        The harness may predict with `method` at this point; it restores all random states afterwards.
        """
        return self.on_epoch(epoch, method)


@runtime_checkable
class Method(Protocol):
    """A method of micro-expression recognition. One instance is used for one fold.

    It is built as ``cls(config, problem)``, where ``cls.Config``, a `MethodConfig`, is the class of its settings. If
    its inputs depend on the configuration, it has a class method ``declare_inputs(config)``, or
    ``declare_inputs(config, task)`` if they depend on the task, too; else the card's apply. If the databases that it
    pretrains on depend on the configuration, it has a class method ``auxiliary(config)``, see `declared_auxiliary`.
    The prediction for a clip must not depend on the other clips in the batch (within 1e-5), unless the card says
    transductive.

    A method that pretrains on auxiliary data alone may define ``pretrain(run) -> dict of str to ndarray``. It is called
    on a fresh instance that has seen no training clip; `fit` gets the result as ``run.pretrained``. If no person in the
    auxiliary data is in the protocol's clips, it is called once a run, with a seed that no fold enters, and the result
    is kept; else in every fold, on the clips without those who are held out.

    A method may also define ``diagnose(inputs) -> dict of str to ndarray``, for figures and probes. It is called after
    `predict`, only on request, with inputs of the same form for any clips. The first axis of every array is the clips;
    its name gives its meaning (:mod:`merbench.contracts.diagnostics`).
    """

    def __init__(self, config: Any, problem: Problem) -> None: ...

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Train on the training clips of the fold."""

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict clips, in the order given."""
        ...


def declared_inputs(
    method: type[Method], card_inputs: Mapping[str, InputSpec], config: MethodConfig, task: Task
) -> dict[str, InputSpec]:
    """Return the inputs of `method` under `config` and `task`: from ``declare_inputs`` if defined, else from its card.

    Its second parameter, if it has one, is the task.
    """
    declare = getattr(method, "declare_inputs", None)
    if declare is None:
        return dict(card_inputs)
    return dict(declare(config, task) if len(signature(declare).parameters) > 1 else declare(config))


def declared_auxiliary(
    method: type[Method], card: Card, config: MethodConfig
) -> dict[str, Mapping[str, InputSpec] | None]:
    """Return the databases that `method` pretrains on under `config`, each with its own inputs; None: the method's.

    They are from its class method ``auxiliary(config)`` if defined, else all that its card lists. A `MerbenchError`
    names a database that the card does not list.
    """
    declare = getattr(method, "auxiliary", None)
    found = dict(declare(config)) if declare else dict.fromkeys(card.auxiliary)
    if strange := [name for name in found if name not in card.auxiliary]:
        raise MerbenchError(
            f"method {card.name}: auxiliary(config) names {listed(strange)}, which its card does not list: add it to "
            "auxiliary in card.yaml"
        )
    return found
