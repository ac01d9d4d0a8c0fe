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


def resampled_confusions(by_subject: Counts, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Pool the confusions of the subjects drawn in each resample.

    Parameters
    ----------
    by_subject : ndarray of int, shape (n_seeds, n_subjects, n_classes, n_classes)
        Each subject's confusion matrix, subjects ordered by dataset.
    sizes : tuple of int
        Subjects of each dataset, in that order.

    Returns
    -------
    ndarray, shape (n_seeds, resamples, n_classes, n_classes)
    """
    seeds, subjects, classes, _ = by_subject.shape
    flat = np.moveaxis(by_subject, 1, 0).reshape(subjects, -1).astype(np.float64)
    pooled = subject_draws(sizes) @ flat  # one product for all seeds
    return np.moveaxis(pooled.reshape(-1, seeds, classes, classes), 1, 0)


def percentile_interval(values: npt.NDArray[np.float64]) -> Interval:
    """Return the 95 % percentile interval of a figure's values, shape (n_seeds, resamples), averaged over seeds."""
    means = values.mean(axis=0)
    means = means[~np.isnan(means)]
    if not means.size:
        return Interval(float("nan"), float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def bootstrap_interval(
    by_subject: Counts, sizes: tuple[int, ...], figure: Callable[[Counts], npt.NDArray[np.float64]]
) -> Interval:
    """Return the interval of a figure, a function from confusions to values; the rest as `resampled_confusions`."""
    if not by_subject.shape[1]:
        return Interval(float("nan"), float("nan"))
    return percentile_interval(figure(resampled_confusions(by_subject, sizes)))
