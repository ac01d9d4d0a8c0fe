"""Intervals by bootstrap over subjects: clips of one person stand or fall together.

Subjects are drawn with replacement within each dataset, all seeds of a subject together, given the trained folds: the
interval says how the figure would vary with other people, not with other training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from merbench.scoring.metrics import Counts

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A percentile interval; both ends NaN where there is nothing to resample."""

    low: float
    high: float


@cache
def subject_draws(sizes: tuple[int, ...], resamples: int = RESAMPLES, seed: int = 0) -> npt.NDArray[np.float64]:
    """Draw how often each subject is taken in each resample.

    Parameters
    ----------
    sizes : tuple of int
        Subjects of each dataset; subjects are numbered dataset after dataset.
    resamples, seed : int
        How many draws, and from which stream. The default gives every table the same draws.

    Returns
    -------
    ndarray of float, shape (resamples, sum(sizes))
        Whole numbers; each row sums to ``sizes[i]`` within dataset i.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.multinomial(size, np.full(size, 1 / size), size=resamples) for size in sizes]
    return np.hstack(draws).astype(np.float64)


def bootstrap_interval(
    by_subject: Counts, sizes: tuple[int, ...], figure: Callable[[Counts], npt.NDArray[np.float64]]
) -> Interval:
    """Return the 95 % percentile interval of a figure, averaged over seeds; NaN without two subjects to draw from.

    Parameters
    ----------
    by_subject : ndarray of int, shape (n_seeds, n_subjects, n_classes, n_classes)
        Each subject's confusion matrix, subjects ordered by dataset.
    sizes : tuple of int
        Subjects of each dataset, in that order.
    figure : callable
        Confusion matrices (..., n_classes, n_classes) -> values (...), as in :mod:`merbench.scoring.metrics`.
    """
    seeds, subjects, classes, _ = by_subject.shape
    if not subjects or max(sizes) < 2:  # a single subject can only be drawn as it is
        return Interval(float("nan"), float("nan"))
    flat = np.moveaxis(by_subject, 1, 0).reshape(subjects, -1).astype(np.float64)
    pooled = (subject_draws(sizes) @ flat).reshape(-1, seeds, classes, classes)  # one product for all seeds
    values = figure(pooled).mean(axis=1)
    values = values[~np.isnan(values)]
    if not values.size:
        return Interval(float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
