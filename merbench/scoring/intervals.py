"""Intervals by bootstrap over subjects: clips of one person stand or fall together.

Subjects are drawn with replacement within each dataset, all seeds of a subject together, given the trained folds: the
interval says how the figure would vary with other people, not with other training.

A plain percentile interval of 16 to 28 subjects is too narrow: it covers in 88 to 93 % of cases where 95 are promised
(``benchmarks/interval_coverage.py``). Drawing n subjects from n makes the spread too small by (n - 1)/n, and a normal
tail too short; taking percentiles further out mends both (Hesterberg, The American Statistician 69, 2015, the expanded
percentile interval).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from merbench.scoring.metrics import Counts

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An interval; both ends NaN where there is nothing to resample."""

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


@cache
def tail(sizes: tuple[int, ...]) -> float:
    """Return which quantile of the draws is the lower end of a 95 % interval; the upper end lies as far from 1.

    It is .025 for very many subjects, and further out for fewer: the chance of a normal variable below
    ``-sqrt(n / (n - d)) t``, with t the upper 2.5 % point of Student's distribution of n - d degrees of freedom, for n
    subjects of d datasets. Datasets of one subject vary in no draw and do not count.

    Parameters
    ----------
    sizes : tuple of int
        Subjects of each dataset, two at least in one of them.
    """
    varying = [size for size in sizes if size > 1]
    subjects, freedom = sum(varying), sum(varying) - len(varying)
    return float(ndtr(np.sqrt(subjects / freedom) * stdtrit(freedom, (1 - LEVEL) / 2)))


def bootstrap_interval(
    by_subject: Counts, sizes: tuple[int, ...], figure: Callable[[Counts], npt.NDArray[np.float64]]
) -> Interval:
    """Return the 95 % interval of a figure, averaged over seeds; NaN without two subjects to draw from.

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
    low, high = np.quantile(values, [tail(sizes), 1 - tail(sizes)])
    return Interval(float(low), float(high))
