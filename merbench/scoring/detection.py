"""AU detection: each action unit is a binary problem, shown or not, decided at score 0.

After CD6ME (Varanka et al.): F1 of "shown" for each action unit, from counts pooled over all folds, then
averaged over action units. An action unit that no clip of a part shows counts as 0, as in the reference evaluation. UAR
is the mean over action units of the recall of shown and of not shown, over those for which the part has clips of both
kinds: a constant answer would be right for the others. Unknown action units of a clip are not scored.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.scoring.metrics import Counts, unweighted_recall


def subject_unit_counts(seeds: Sequence[pd.DataFrame], units: Sequence[str]) -> tuple[Counts, list[str]]:
    """Count the clips of each subject by truth and decision, for each action unit; and name their datasets.

    `seeds` are prediction tables with ``truth_<unit>`` (nullable) and ``score_<unit>``. The counts have the shape
    (n_seeds, n_units, n_subjects, 2, 2), ``[..., i, j]``: i shown in truth, j predicted as shown; subjects are sorted.
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
    r"""Compute F1 of "shown", :math:`2 TP / (2 TP + FP + FN)`, shape (..., 2, 2) -> (...); 0 where it is 0 / 0."""
    actual, given = counts[..., 1, :].sum(axis=-1), counts[..., :, 1].sum(axis=-1)
    return np.asarray(2.0 * counts[..., 1, 1] / np.maximum(actual + given, 1), dtype=np.float64)


def balanced_recall(counts: Counts) -> npt.NDArray[np.float64]:
    """Average recall of shown and of not shown, shape (..., 2, 2) -> (...); NaN if the truth has only one of them."""
    actual = counts.sum(axis=-1)
    return np.where((actual > 0).all(axis=-1), unweighted_recall(counts), np.nan)


def mean_over(figure: Callable[[Counts], npt.NDArray[np.float64]], groups: int = 1) -> Any:
    """Return a function that averages `figure` within groups of equal length on its last axis, and then over groups.

    NaN values are ignored; the average of none is NaN. The axis is kept, of length 1.
    """

    def averaged(counts: Counts) -> npt.NDArray[np.float64]:
        values = figure(counts)
        return mean_known(mean_known(values.reshape(*values.shape[:-1], groups, -1)))[..., None]

    return averaged


def mean_known(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average the values that are not NaN over the last axis; the average of none is NaN."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    return np.where(number > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(number, 1), np.nan)
