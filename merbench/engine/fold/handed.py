"""What another process needs to train and test one fold: nothing that names or labels a test clip.

Training inputs and labels, and test inputs in the order in which the method gets them; the method is named, not sent.
The answer is JSON within bounds, never unpickled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import persons
from merbench.contracts.errors import MerbenchError, PredictionError
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Prediction
from merbench.engine.fold.opening import FoldTask, auxiliary_people, open_fold
from merbench.records.model import Failure
from merbench.records.outcome import FoldOutcome
from merbench.records.predictions import prediction_table
from merbench.splits.folds import Fold
from merbench.splits.split import Split


@dataclass(frozen=True)
class _HandedFold:
    """A fold as another process gets it: its task without method and settings, which are sent by name and as JSON.

    `rows` are the rows of the whole split that the test clips are, in the order in which they are given; the other
    process does not get them.
    """

    task: FoldTask
    name: str
    rows: npt.NDArray[np.intp]


def hand_over(task: FoldTask, name: str, rng: np.random.Generator | None = None) -> _HandedFold:
    """Reduce a task to one fold; the test clips are in the order of a run, or in one that `rng` draws."""
    fold = task.split.fold(name)
    rows = open_fold(task, fold, fold)[2] if rng is None else rng.permutation(fold.test)
    chosen = np.concatenate([fold.train, rows])
    train, test = np.arange(len(fold.train)), np.arange(len(fold.train), len(chosen))
    clips = task.split.clips.iloc[chosen][IDENTITY].reset_index(drop=True)
    names = clips[["dataset", "subject"]].to_numpy(dtype=object, copy=True)
    # Whom a fold tests follows from whom it trains on; which of them a clip shows does not.
    names[test] = names[np.random.default_rng().permutation(test)]
    clips = pd.DataFrame({"dataset": names[:, 0], "subject": names[:, 1], "clip": [str(row) for row in clips.index]})
    labels = task.split.labels[chosen]
    labels[test] = 0 if labels.dtype.kind in "iu" else np.nan
    arrays = {each: _unlabelled(task, task.inputs[each].take(chosen), test) for each in task.inputs.names()}
    tested = set(persons(task.split.clips.iloc[fold.test], task.same_people))
    auxiliary = {
        each: data.take(np.flatnonzero(~np.isin(auxiliary_people(task, data), sorted(tested))))
        for each, data in task.auxiliary.items()
    }
    split = Split(task.split.problem, clips, labels, (Fold(name, train, test),))
    reduced = replace(
        task,
        method=object,  # type: ignore[arg-type]  # named instead
        config=None,  # type: ignore[arg-type]
        split=split,
        inputs=Inputs(arrays, len(chosen)),
        auxiliary=auxiliary,
        read={},
        kept=None,
        as_given=True,
    )
    return _HandedFold(reduced, name, rows)


def _unlabelled(task: FoldTask, array: ArrayInput, test: npt.NDArray[np.intp]) -> ArrayInput:
    """Remove labels of the test clips from an input, unless the method's card discloses that it uses them."""
    if array.spec.training_only and not task.au_labels_at_test:
        array.stored()[test] = np.nan  # a copy
    return array


def written(outcome: FoldOutcome, outputs: tuple[str, ...]) -> dict[str, Any]:
    """Write the outcome of a handed fold as JSON takes it; everything in the order of the test clips."""
    found: dict[str, Any] = {
        name: getattr(outcome, name)
        for name in ("seconds", "packages", "hardware", "peak_memory_mb", "peak_gpu_memory_mb", "read")
    }
    if outcome.failure:
        return found | {"failure": outcome.failure.model_dump()}
    table = outcome.predictions
    assert table is not None
    found["scores"] = table[[f"score_{name}" for name in outputs]].to_numpy(dtype=float).tolist()
    if "predicted" in table:
        found["labels"] = [outputs.index(name) for name in table["predicted"]]
    if outcome.epochs is not None:
        found["epochs"] = outcome.epochs.tolist()
    if outcome.inner is not None:
        found["inner"] = outcome.inner.tolist()
    return found


def read_answer(content: bytes) -> dict[str, Any]:
    """Read what another process answered; MerbenchError unless it is a JSON object."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MerbenchError(f"the process of a fold answered what is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise MerbenchError(f"the process of a fold answered {type(found).__name__}, expected an object")
    return found


def outcome_of(task: FoldTask, handed: _HandedFold, answer: Mapping[str, Any], isolated: bool) -> FoldOutcome:
    """Read an answer as the outcome of a fold: the truth is joined here. Whatever is not as expected is a failure."""
    fold, order = task.split.fold(handed.name), np.argsort(handed.rows)
    about: dict[str, Any] = {
        "clips": len(fold.test), "train_clips": len(fold.train), "threads": task.threads, "device": task.device,
        "epochs_asked": task.keep_epochs, "isolated": isolated,
    }  # fmt: skip
    about |= {"packages": _texts(answer.get("packages")), "read": {**task.read, **_texts(answer.get("read"))}}
    about["hardware"] = _texts(answer.get("hardware"), (str, int))
    about |= {name: _number(answer.get(name)) for name in ("peak_memory_mb", "peak_gpu_memory_mb")}
    seconds = {str(k)[:20]: float(v) for k, v in _texts(answer.get("seconds"), (int, float)).items()}
    about["seconds"] = {"total": 0.0} | seconds
    try:
        if answer.get("failure"):
            return FoldOutcome(handed.name, failure=Failure.model_validate(answer["failure"]), **about)
        labels = answer.get("labels")
        given = Prediction(np.array(answer["scores"], dtype=np.float64), None if labels is None else np.array(labels))
        prediction = given.check(len(fold.test), task.split.problem).take(order)
        rows = handed.rows[order]
        table = prediction_table(task.split.clips.iloc[rows], task.split.labels[rows], prediction, task.split.problem)
        more: dict[str, Any] = {}
        if task.keep_epochs and answer.get("epochs"):
            epochs = np.array(answer["epochs"], dtype=np.float32)
            if epochs.ndim != 3 or epochs.shape[1:] != prediction.scores.shape:
                raise PredictionError(f"epochs have shape {epochs.shape}")
            more["epochs"] = epochs[:, order]
        if task.selection != "last":
            inner = np.array(answer["inner"], dtype=np.float64)
            if inner.ndim != 1 or not len(inner):
                raise PredictionError(f"inner has shape {inner.shape}")
            more["inner"] = inner
    except (PredictionError, ValueError, TypeError, KeyError, OverflowError) as error:
        failed = Failure(type=type(error).__name__, message=str(error), traceback="the answer of the fold's process")
        return FoldOutcome(handed.name, failure=failed, **about)
    return FoldOutcome(handed.name, predictions=table, **about, **more)


def _texts(value: Any, kinds: tuple[type, ...] = (str,)) -> dict[str, Any]:
    """Return the short texts or numbers of an object, at most 300."""
    if not isinstance(value, dict):
        return {}
    found = {str(k)[:200]: v[:200] if isinstance(v, str) else v for k, v in value.items() if isinstance(v, kinds)}
    return dict(list(found.items())[:300])


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else None
