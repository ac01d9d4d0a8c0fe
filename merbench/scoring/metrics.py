"""UF1, UAR and accuracy from one confusion matrix, pooled over all folds, with the protocol's class set.

MEGC 2019's guideline, after Forman and Scholz (SIGKDD Explorations 2010): pool true positives, false positives and
false negatives over the folds, then average over classes. The average of per-fold scores is a different and much lower
number.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[Any]


def confusion_matrix(truth: Any, predicted: Any, classes: list[str] | tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Count clips by truth and prediction, given as class names: ``[i, j]`` of class i were predicted as class j.

    Raises ValueError if the two differ in length, or contain a class that is not in `classes`.
    """
    index = {name: position for position, name in enumerate(classes)}
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true classes but {len(predicted)} predicted ones")
    try:
        rows = np.fromiter((index[name] for name in truth), dtype=np.int64, count=len(truth))
        columns = np.fromiter((index[name] for name in predicted), dtype=np.int64, count=len(predicted))
    except KeyError as error:
        raise ValueError(f"class {error} is not one of {', '.join(classes)}") from None
    size = len(classes)
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


@dataclass(frozen=True)
class Scores:
    """Scores of a confusion matrix, 0..1, NaN without clips; `uf1`, `uar` means over `classes_scored` with clips."""

    uf1: float
    uar: float
    acc: float
    classes_scored: int


def unweighted_f1(confusion: Counts) -> npt.NDArray[np.float64]:
    r"""Compute UF1, the mean of the classes' F1, shape (..., n_classes, n_classes) -> (...); rows are the truth.

    .. math:: F1_c = \frac{2 TP_c}{2 TP_c + FP_c + FN_c}, \qquad UF1 = \frac{1}{|C|} \sum_{c \in C} F1_c

    over the classes :math:`C` that have clips. A class without clips is excluded from the mean; clips wrongly assigned
    to it still count, as false negatives of their own class. Without any clip the value is NaN.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    actual, given = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return _mean_where(2.0 * hits / np.maximum(actual + given, 1), actual > 0)


def unweighted_recall(confusion: Counts) -> npt.NDArray[np.float64]:
    r"""Compute UAR, the mean of the classes' recall, shape (..., n_classes, n_classes) -> (...); rows are the truth.

    .. math:: UAR = \frac{1}{|C|} \sum_{c \in C} \frac{TP_c}{n_c}

    over the classes :math:`C` that have clips. Without any clip the value is NaN.
    """
    hits, actual = np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1)
    return _mean_where(hits / np.maximum(actual, 1), actual > 0)


def accuracy(confusion: Counts) -> npt.NDArray[np.float64]:
    """Compute the share of correct clips; NaN without any clip; shapes as in :func:`unweighted_f1`."""
    hits, clips = np.diagonal(confusion, axis1=-2, axis2=-1).sum(axis=-1), confusion.sum(axis=(-2, -1))
    return np.where(clips > 0, hits / np.maximum(clips, 1), np.nan)


def _mean_where(values: npt.NDArray[np.float64], counts: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    number = counts.sum(axis=-1)
    return np.where(number > 0, (values * counts).sum(axis=-1) / np.maximum(number, 1), np.nan)


def scores(confusion: Counts) -> Scores:
    """Compute all figures of one confusion matrix, shape (n_classes, n_classes)."""
    return Scores(
        float(unweighted_f1(confusion)),
        float(unweighted_recall(confusion)),
        float(accuracy(confusion)),
        int((confusion.sum(axis=1) > 0).sum()),
    )
