"""Paired permutation tests of the difference between two rows over the same clips.

If two rows are equally good, their predictions for a person are exchangeable. So the predictions of the two rows are
exchanged with probability one half, subject by subject, and the difference is computed again: the p-value is the share
of permutations whose difference is at least as far from 0 as the observed one. Subjects, not clips, are exchanged,
since clips of one person are dependent. The seeds of a row are averaged within each subject first, so that rows may
have different numbers of seeds; the test refers to other people, conditional on the trained models, not to other
training.

The more pairs are tested, the smaller a p-value has to be, and the more permutations it takes to be that small. So
their number grows with the pairs; a pair whose p-value is not below the level after some of them gets no more.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from merbench.scoring.metrics import Counts

#: Permutations of every pair, and how many are added at once where more are needed.
RESAMPLES = 10_000
#: Adjusted p-values below this are significant.
SIGNIFICANT = 0.05
#: More rows of one table are not tested: 50 have 1,225 pairs, which take some seconds.
MOST_ROWS = 50
#: Differences that are equal up to the rounding of their sums count as equal.
ROUNDING = 1e-9

Figure = Callable[[Counts], npt.NDArray[np.float64]]


@lru_cache(16)
def subject_swaps(subjects: int, resamples: int = RESAMPLES, seed: int = 0) -> npt.NDArray[np.float64]:
    """Draw who is exchanged in each resample, 0 or 1, (resamples, subjects); by default the same for all tables."""
    return np.random.default_rng(seed).integers(0, 2, (resamples, subjects)).astype(np.float64)


def permutation_tests(rows: Counts, figure: Figure) -> npt.NDArray[np.float64]:
    """Test every pair of rows; returns p-values, shape (n_rows, n_rows), symmetric, and 1 on the diagonal.

    `rows`, (n_rows, n_subjects, n_classes, n_classes), are the confusion matrices of each subject under each row,
    averaged over the row's seeds, over the same clips; `figure` maps (..., n_classes, n_classes) to (...), as in
    :mod:`merbench.scoring.metrics`. P-values are two-sided, ``(1 + resamples as far from 0 or further) / (1 +
    resamples)``, so never 0; they are not adjusted, see :func:`holm`. There are `RESAMPLES` resamples, or as many more
    as it takes for an adjusted p-value to be half of `SIGNIFICANT`; pairs that are not below it before get no more.
    """
    count, subjects, classes, _ = rows.shape
    flat = rows.reshape(count, subjects, -1).astype(np.float64)
    own = flat.sum(axis=1)[:, :, None]

    def value(confusions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Score (n_classes * n_classes, n): resamples are last in memory, so that sums over classes are fast."""
        return figure(np.moveaxis(confusions.reshape(classes, classes, -1), -1, 0))

    p, further = np.ones((count, count)), np.zeros((count, count), dtype=np.int64)
    pairs = list(combinations(range(count), 2))
    tested, total = pairs, 0
    for block in range(_blocks(len(pairs))):
        swaps = subject_swaps(subjects, seed=block).T
        total += swaps.shape[1]
        given = [row.T @ swaps for row in flat]  # the exchanged part of each row in each resample, for all its pairs
        for i, j in tested:
            passed = given[j] - given[i]
            seen = abs(value(own[i]) - value(own[j])).item()
            drawn = np.abs(value(own[i] + passed) - value(own[j] - passed))
            further[i, j] += np.count_nonzero(drawn >= seen - ROUNDING)
            p[i, j] = p[j, i] = (1 + further[i, j]) / (1 + total)
        tested = [pair for pair in tested if p[pair] < SIGNIFICANT]
    return p


def _blocks(pairs: int) -> int:
    """Return how often `RESAMPLES` are drawn for so many pairs."""
    return max(math.ceil(2 * pairs / SIGNIFICANT / RESAMPLES), 1)


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Adjust p-values, shape (n,), for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    The probability of any false rejection among them is then at most the level. In the order given, at most 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def below_the_best(rows: Counts, best: int, figure: Figure) -> npt.NDArray[np.float64]:
    """Test the best row, an index, against every other row, adjusted over all pairs of rows.

    The best of many rows is partly the luckiest. Adjusting for its own comparisons only would exceed the level far with
    twenty equal rows (``benchmarks/permutation_level.py``); adjusting over all pairs accounts for the choice. `rows`
    and `figure` as for :func:`permutation_tests`; NaN for the best row.
    """
    p = permutation_tests(rows, figure)
    first, second = np.triu_indices(len(rows), k=1)
    adjusted = np.full_like(p, np.nan)
    adjusted[first, second] = adjusted[second, first] = holm(p[first, second])
    return np.asarray(adjusted[best])
