"""Paired differences: two rows over the same clips, resampled together.

Subjects differ far more than methods do, so overlapping intervals say little. Drawing the same subjects for both rows
removes the variation between subjects that both rows share.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import MerbenchError, listed
from merbench.scoring.intervals import Interval, bootstrap_intervals
from merbench.scoring.metrics import Counts, unweighted_f1, unweighted_recall
from merbench.scoring.table import subject_confusions

Identity = tuple[str, str, str]


@dataclass(frozen=True)
class Difference:
    """The difference between two rows over the same clips.

    `uf1` and `uar` are differences of the means over each row's seeds, in -1..1; NaN without any clip. Intervals are 95
    %, by subject-level bootstrap, conditional on the trained models.
    """

    clips: int
    uf1: float
    uar: float
    uf1_interval: Interval
    uar_interval: Interval


def paired_difference(
    row: Sequence[pd.DataFrame],
    other: Sequence[pd.DataFrame],
    classes: Sequence[str],
    only: Collection[Identity] | None = None,
) -> Difference:
    """Subtract the figures of `other` from those of `row`, over the clips `only` if these are given.

    Rows are prediction tables, ``dataset, subject, clip, truth, predicted, ...``, one per seed, at least one. They may
    have different numbers of seeds; those of a row are averaged, also within each draw of subjects. Raises
    MerbenchError if the tables differ in their clips or in the truth of a clip; names some of them.
    """
    tables = [*row, *other]
    for table in tables[1:]:
        _check_alike(tables[0], table)
    counts, datasets = subject_confusions([restricted(table, only) for table in tables], classes)
    sizes = tuple(Counter(datasets).values())  # subjects are sorted by dataset, and so are the sizes

    def uf1(confusions: Counts) -> npt.NDArray[np.float64]:
        return _minus(unweighted_f1(confusions), len(row))

    def uar(confusions: Counts) -> npt.NDArray[np.float64]:
        return _minus(unweighted_recall(confusions), len(row))

    pooled = counts.sum(axis=1)
    intervals = bootstrap_intervals(counts, sizes, uf1, uar)
    return Difference(int(pooled[0].sum()), uf1(pooled).item(), uar(pooled).item(), *intervals)


def restricted(table: pd.DataFrame, only: Collection[Identity] | None) -> pd.DataFrame:
    """Return the rows of a prediction table whose clips are among `only`, or all of them if it is None."""
    if only is None:
        return table
    identities = zip(*(table[column] for column in IDENTITY), strict=True)
    return table[[identity in only for identity in identities]]


def _minus(values: npt.NDArray[np.float64], first: int) -> npt.NDArray[np.float64]:
    """Subtract the mean of the later seeds from that of the first ones; the last axis keeps one value."""
    one, two = (half.mean(axis=-1, keepdims=True) for half in (values[..., :first], values[..., first:]))
    return np.asarray(one - two)


def _check_alike(one: pd.DataFrame, two: pd.DataFrame) -> None:
    columns = [*IDENTITY, "truth"]
    both = one[columns].merge(two[columns], on=IDENTITY, how="outer", suffixes=("", "_other"), indicator="side")
    alone = both.side != "both"
    if alone.any():
        raise MerbenchError(
            f"rows with different clips can't be paired: only one has {listed(clip_names(both[alone]))}"
        )
    other = both.truth != both.truth_other
    if other.any():
        raise MerbenchError(
            f"rows with different classes can't be paired: they differ in {listed(clip_names(both[other]))}"
        )
