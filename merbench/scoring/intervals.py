"""Intervals by subject-level bootstrap: the clips of one person are resampled together.

Subjects are drawn with replacement within each dataset, all seeds of a subject together, conditional on the trained
models: the interval describes variation with other people, not with other training runs.

A plain percentile interval of 16 to 28 subjects is too narrow: its coverage is 88 to 93 % instead of 95 %
(``benchmarks/interval_coverage.py``). Drawing n subjects from n makes the spread too small by (n - 1)/n, and a normal
tail too short; percentiles further out correct both (Hesterberg, The American Statistician 69, 2015, the expanded
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
    """An interval; both ends are NaN if there is nothing to resample."""

    low: float
    high: float


@cache
def subject_draws(sizes: tuple[int, ...], resamples: int = RESAMPLES, seed: int = 0) -> npt.NDArray[np.float64]:
    """Draw how often each subject occurs in each resample; with the default seed, all tables have the same draws.

    `sizes` are the subjects of each dataset; subjects are numbered dataset after dataset. Returns whole numbers, shape
    (resamples, sum(sizes)); each row sums to ``sizes[i]`` within dataset i.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.multinomial(size, np.full(size, 1 / size), size=resamples) for size in sizes]
    return np.hstack(draws).astype(np.float64)


@cache
def tail(sizes: tuple[int, ...]) -> float:
    """Return the quantile of the draws at the lower end of a 95 % interval; the upper end is 1 minus it.

    It is .025 for very many subjects, and further out for fewer: the chance of a normal variable below ``-sqrt(n / (n -
    d)) t``, with t the upper 2.5 % point of Student's distribution of n - d degrees of freedom, for n subjects of d
    datasets. Datasets of one subject do not vary and do not count; one at least must have two.
    """
    varying = [size for size in sizes if size > 1]
    subjects, freedom = sum(varying), sum(varying) - len(varying)
    return float(ndtr(np.sqrt(subjects / freedom) * stdtrit(freedom, (1 - LEVEL) / 2)))


def resampled(
    by_subject: Counts, sizes: tuple[int, ...], figure: Callable[[Counts], npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Compute a figure, averaged over seeds, in every draw of subjects; NaN for draws without a value.

    Figures of the same subjects have the same draws, so their differences are paired. `by_subject`, (n_seeds,
    n_subjects, n_classes, n_classes), are confusion matrices, subjects ordered by dataset; `sizes` the subjects of each
    dataset, in that order; `figure` maps (..., n_classes, n_classes) to (...), as in :mod:`merbench.scoring.metrics`.
    """
    return np.asarray(figure(drawn(by_subject, sizes)).mean(axis=1))


def drawn(by_subject: Counts, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Pool the confusion matrices of every draw of subjects, shape (resamples, n_seeds, n_classes, n_classes)."""
    seeds, subjects, classes, _ = by_subject.shape
    flat = np.moveaxis(by_subject, 1, 0).reshape(subjects, -1).astype(np.float64)
    return (subject_draws(sizes) @ flat).reshape(-1, seeds, classes, classes)  # one product for all seeds


def interval_of(values: npt.NDArray[np.float64], sizes: tuple[int, ...]) -> Interval:
    """Return the 95 % interval of the values of all draws of subjects; draws without a value are ignored.

    Both ends are NaN with fewer than two subjects in every dataset, since the draws then do not vary.
    """
    values = values[~np.isnan(values)]
    if not values.size or not sizes or max(sizes) < 2:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(values, [tail(sizes), 1 - tail(sizes)])
    return Interval(float(low), float(high))


def bootstrap_intervals(
    by_subject: Counts, sizes: tuple[int, ...], *figures: Callable[[Counts], npt.NDArray[np.float64]]
) -> list[Interval]:
    """Return the 95 % intervals of figures of the same subjects, averaged over seeds; as :func:`resampled`.

    Both ends are NaN with fewer than two subjects in every dataset.
    """
    if not sizes or max(sizes) < 2:
        return [Interval(float("nan"), float("nan"))] * len(figures)
    pooled = drawn(by_subject, sizes)
    return [interval_of(np.asarray(figure(pooled).mean(axis=1)), sizes) for figure in figures]
