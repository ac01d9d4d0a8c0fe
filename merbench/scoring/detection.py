"""AU detection: each action unit is a problem of two classes, shown or not, decided at score 0.

After CD6ME (Varanka et al.): F1 of being shown, of each unit, from counts pooled over all folds, then the mean over
units. A unit that no clip of a part shows counts 0 there, as in the reference evaluation. What is not known of a clip's
unit counts neither way.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.scoring.metrics import Counts


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


def mean_over(figure: Any) -> Any:
    """Return the function that averages `figure` over the last axis that it gives and keeps that axis, of length 1."""

    def averaged(counts: Counts) -> npt.NDArray[np.float64]:
        return np.asarray(figure(counts).mean(axis=-1, keepdims=True), dtype=np.float64)

    return averaged
