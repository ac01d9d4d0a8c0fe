"""The answers of a fitted method: its predictions, checked and joined with the truth, and its diagnostics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import Coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.errors import PredictionError, SetupError, readable
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Method, Prediction, Problem
from merbench.engine.fold.opening import FoldTask, Opened
from merbench.engine.fold.randomness import preserved_method, preserved_random_state
from merbench.records.predictions import prediction_table, units_text
from merbench.splits.folds import Fold
from merbench.splits.split import Split

#: Tolerance for the dependence of a clip's scores on the other clips in the batch.
BATCH_TOLERANCE = 1e-5


def checked(answer: object, inputs: Inputs, problem: Problem) -> Prediction:
    """Return a method's answer if it is a valid prediction for these clips; else raise a `PredictionError`."""
    if not isinstance(answer, Prediction):
        raise PredictionError(f"predict returned {type(answer).__name__}, expected a Prediction")
    return answer.check(inputs.clips, problem)


def tested(task: FoldTask, method: Method, opened: Opened, seconds: dict[str, float]) -> pd.DataFrame:
    """Predict the test clips, check the answer, and join it with the truth."""
    (_, test, test_rows), problem = opened, task.split.problem
    with timed(seconds, "predict"):
        prediction = checked(method.predict(test), test, problem)
    if not task.transductive:
        check_batch_independence(method, test, prediction, problem)
    order = np.argsort(test_rows)  # by identity, as the split is, and records are
    rows = test_rows[order]
    return prediction_table(task.split.clips.iloc[rows], task.split.labels[rows], prediction.take(order), problem)


def check_batch_independence(method: Method, inputs: Inputs, together: Prediction, problem: Problem) -> None:
    """Predict one clip again, alone: its prediction must not depend on the other clips in the batch.

    One clip per fold costs little; over the folds of a protocol, each in random order, this detects batch statistics
    (a network in training mode), ranks within the batch and look-ups by position. A `PredictionError` is raised where
    scores differ by more than 1e-5 (of the largest, if that is above 1), or the label differs.
    """
    if inputs.clips < 2:
        return  # the batch had one clip
    row = np.array([inputs.clips - 1])
    one = inputs.take(row)
    first, alone = together.take(row), checked(method.predict(one), one, problem)
    # Relative to large scores: single-precision products of different sizes round differently.
    difference = float(np.abs(alone.scores - first.scores).max() / max(1.0, float(np.abs(first.scores).max())))
    labelled = alone.labels is not None or first.labels is not None
    if difference > BATCH_TOLERANCE or (labelled and alone.decisions()[0] != first.decisions()[0]):
        raise PredictionError(
            f"the prediction for a clip depends on the other clips in the batch (scores differ by {difference:.2g}, "
            f"allowed {BATCH_TOLERANCE:g}): put the network into eval mode, and do not use batch statistics"
        )


def diagnosed(task: FoldTask, fold: Fold, method: Method, opened: Opened) -> dict[str, Any]:
    """Return the diagnostics, or why there are none: the predictions, made before, stay valid."""
    try:
        return {"diagnostics": _looked_inside(task, fold, method, opened)}
    except SetupError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a method raises
        return {"undiagnosed": f"{type(error).__name__}: {readable(str, error)}"}


def _looked_inside(task: FoldTask, fold: Fold, method: Any, opened: Opened) -> dict[str, npt.NDArray[Any]]:
    """Ask a fitted method for its diagnostics: all of the test clips, only features of the training clips."""
    train, test, test_rows = opened
    trained = train.inputs if task.au_labels_at_test else train.inputs.without_labels()
    with preserved_random_state(), preserved_method(method):
        of_test = check_diagnostics(method.diagnose(test), test.clips)
        of_train = check_diagnostics(method.diagnose(trained), trained.clips)
    order = np.argsort(test_rows)
    found = {f"test/{name}": values[order] for name, values in of_test.items()}
    found |= {f"train/{name}": values for name, values in of_train.items() if name.startswith("feature/")}
    for side, rows in (("test", test_rows[order]), ("train", fold.train)):
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


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Note under the name `what` how many seconds the block takes."""
    begin = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - begin
