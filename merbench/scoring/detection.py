"""AU detection: each action unit is a problem of two classes, shown or not, decided at score 0.

After CD6ME (Varanka et al.): F1 of being shown, of each unit, from counts pooled over all folds, then the mean over
units. A unit that no clip of a part shows counts 0 there, as in the reference evaluation. UAR is the mean over units of
the recall of shown and of not shown; there a unit of which a part's clips have only one counts nothing: who always
answers that one would be right of it. What is not known of a clip's unit counts neither way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.scoring.metrics import Counts, unweighted_recall


def subject_unit_counts(seeds: Sequence[pd.DataFrame], units: Sequence[str]) -> tuple[Counts, list[str]]:
    """Count each subject's clips by truth and decision, unit by unit.

    Parameters
    ----------
    seeds : sequence of DataFrame
        A prediction table a seed, with ``truth_<unit>`` (nullable) and ``score_<unit>``.
    units : sequence of str
        The action units.

    Returns
    -------
    ndarray of int, shape (n_seeds, n_units, n_subjects, 2, 2), list of str
        ``[..., i, j]``: i shown in truth, j decided to be shown. Each subject's dataset; subjects are sorted.
    """
    keys = [list(zip(table.dataset.tolist(), table.subject.tolist(), strict=True)) for table in seeds]
    subjects = sorted({key for seed in keys for key in seed})
    place = {subject: index for index, subject in enumerate(subjects)}
    counts = np.zeros((len(seeds), len(units), len(subjects), 2, 2), dtype=np.int64)
    for seed, (table, people) in enumerate(zip(seeds, keys, strict=True)):
        who = np.array([place[person] for person in people], dtype=np.intp)
        for index, unit in enumerate(units):
            truth = table[f"truth_{unit}"].to_numpy(dtype=float, na_value=np.nan)
            decided = table[f"score_{unit}"].to_numpy(dtype=float) > 0
            known = ~np.isnan(truth)
            np.add.at(counts[seed, index], (who[known], truth[known].astype(int), decided[known].astype(int)), 1)
    return counts, [dataset for dataset, _ in subjects]


def shown_f1(counts: Counts) -> npt.NDArray[np.float64]:
    r"""Compute F1 of being shown, :math:`2 TP / (2 TP + FP + FN)`, shape (..., 2, 2) -> (...); 0 where it is 0 / 0."""
    actual, given = counts[..., 1, :].sum(axis=-1), counts[..., :, 1].sum(axis=-1)
    return np.asarray(2.0 * counts[..., 1, 1] / np.maximum(actual + given, 1), dtype=np.float64)


def balanced_recall(counts: Counts) -> npt.NDArray[np.float64]:
    """Average recall of shown and of not shown, shape (..., 2, 2) -> (...); NaN where the truth has one only."""
    actual = counts.sum(axis=-1)
    return np.where((actual > 0).all(axis=-1), unweighted_recall(counts), np.nan)


def mean_over(figure: Callable[[Counts], npt.NDArray[np.float64]], groups: int = 1) -> Any:
    """Return the function that averages `figure` within groups of equal length on its last axis, and then over these.

    What is NaN counts neither way; NaN where there is nothing to average. The axis is kept, of length 1.
    """

    def averaged(counts: Counts) -> npt.NDArray[np.float64]:
        values = figure(counts)
        return mean_known(mean_known(values.reshape(*values.shape[:-1], groups, -1)))[..., None]

    return averaged


def mean_known(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average over the last axis what is no NaN; NaN where there is nothing."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    return np.where(number > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(number, 1), np.nan)
