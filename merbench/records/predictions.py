"""Prediction tables: construction and verification.

The columns are ``dataset, subject, clip, truth, predicted, score_<class>...``; for AU detection nullable
``truth_<au>`` and ``score_<au>``. Metrics are always computed from them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import RecordError, listed
from merbench.contracts.methods import Prediction, Problem
from merbench.records.model import RunFile
from merbench.records.truth import against


def problem_of(run: RunFile) -> Problem:
    """Return the task and outputs of a recorded run."""
    return Problem(run.task, tuple(run.outputs))


def prediction_columns(problem: Problem) -> list[str]:
    """Return the columns of a prediction table, in order."""
    if problem.task == "classification":
        return [*IDENTITY, "truth", "predicted", *(f"score_{name}" for name in problem.outputs)]
    return [*IDENTITY, *(f"{kind}_{name}" for kind in ("truth", "score") for name in problem.outputs)]


def no_predictions(problem: Problem) -> pd.DataFrame:
    """Return a prediction table without clips."""
    return pd.DataFrame(columns=prediction_columns(problem), dtype=str)


def prediction_table(clips: pd.DataFrame, truth: Any, prediction: Prediction, problem: Problem) -> pd.DataFrame:
    """Combine identity, truth and prediction of a fold's test clips, all in the order of `clips`."""
    columns: dict[str, Any] = {column: clips[column].to_numpy() for column in IDENTITY}
    names = np.array(problem.outputs, dtype=object)
    if problem.task == "classification":
        columns |= {"truth": names[np.asarray(truth)], "predicted": names[prediction.decisions()]}
    else:
        nullable = [pd.array(column, dtype="Float64") for column in np.asarray(truth, dtype=float).T]
        columns |= {f"truth_{name}": column for name, column in zip(problem.outputs, nullable, strict=True)}
    columns |= {f"score_{name}": prediction.scores[:, index] for index, name in enumerate(problem.outputs)}
    return pd.DataFrame(columns)


def units_text(labels: Any, units: Sequence[str]) -> list[str]:
    """Write the action units that each clip shows, ``4+7``, followed by those that are unknown, ``4+7 10?``.

    `labels`, shape (n_clips, n_units), are 1 (shown), 0 (not shown) or NaN (unknown); `units` are the numbers.
    """
    texts = []
    for row in np.asarray(labels, dtype=float):
        shown = "+".join(unit for unit, value in zip(units, row, strict=True) if value == 1)
        unknown = [f"{unit}?" for unit, value in zip(units, row, strict=True) if np.isnan(value)]
        texts.append(" ".join([shown or "-", *unknown]))
    return texts


def with_truth(table: pd.DataFrame) -> pd.DataFrame:
    """Return a prediction table with a column ``truth``, for AU detection as by `units_text`."""
    units = [name.removeprefix("truth_") for name in table.columns if name.startswith("truth_")]
    if not units:
        return table
    labels = table[[f"truth_{unit}" for unit in units]].to_numpy(dtype=float, na_value=np.nan)
    return table.assign(truth=units_text(labels, units))


def check_predictions(table: pd.DataFrame, problem: Problem, origin: str) -> pd.DataFrame:
    """Return `table` if it is a prediction table of `problem`, or raise.

    Raises RecordError for missing or foreign columns, a clip listed twice, an unknown class, a score that is not
    finite.
    """
    expected = prediction_columns(problem)
    missing = [column for column in expected if column not in table.columns]
    extra = [column for column in table.columns if column not in expected]
    if missing or extra:
        lacks = f"lacks the columns {listed(missing)}" if missing else f"has unknown columns {listed(extra)}"
        raise RecordError(f"{origin} {lacks}")
    identities = list(zip(*(table[column].tolist() for column in IDENTITY), strict=True))
    if len(set(identities)) < len(identities):
        raise RecordError(f"{origin} has a clip twice: {listed(clip_names(table[table[IDENTITY].duplicated()]))}")
    for column in ("truth", "predicted") if problem.task == "classification" else ():
        strange = set(table[column].tolist()) - set(problem.outputs)
        if strange:
            raise RecordError(f"{origin}: {column} {strange.pop()!r} is not one of {', '.join(problem.outputs)}")
    scores = table[[f"score_{name}" for name in problem.outputs]]
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in scores.dtypes):
        raise RecordError(f"{origin}: scores must be numbers")
    finite = np.isfinite(scores.to_numpy(dtype=float))
    if not finite.all():
        raise RecordError(
            f"{origin}: a score is missing or not finite for {listed(clip_names(table[~finite.all(axis=1)]))}"
        )
    return table[expected]


def check_clips(table: pd.DataFrame, expected: pd.DataFrame, origin: str) -> None:
    """Compare predictions with the split: exactly the expected clips, in their folds, with their true labels.

    `table` has ``dataset, subject, clip, truth`` and ``fold``, in which the clip is recorded; `expected` are rows of
    :meth:`merbench.splits.split.Split.truth`, for one fold or for all. Raises RecordError for foreign or missing clips,
    a clip under another fold, or a truth that differs; names them.
    """
    both = against(with_truth(table)[[*IDENTITY, "truth", "fold"]], expected)
    wrong = {
        "clips that are not in the protocol:": both.side == "foreign",
        "no prediction for": both.side == "missing",
        "a truth that differs from the protocol for": both.side == "relabelled",
        "the wrong fold for": (both.side == "agrees") & (both.fold != both.fold_listed),
    }
    for what, rows in wrong.items():
        if rows.any():
            raise RecordError(f"{origin} has {what} {listed(clip_names(both[rows]))}")
