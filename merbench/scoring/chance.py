"""Comparison of predictions with chance, fold by fold, with the exact mean and spread of chance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from merbench.contracts.methods import Problem
from merbench.scoring.metrics import confusion_matrix, unweighted_recall


@dataclass(frozen=True)
class _ByChance:
    """The mean UAR of folds, and its distribution for predictions independent of the labels.

    `uar` is a mean over folds; for AU detection also over action units, of the recalls of shown and not shown. `chance`
    and `sd` are its mean and standard deviation if, fold by fold, the true classes are renamed at random (all renamings
    equally likely), or, for AU detection, shown and not shown are exchanged for each action unit. This preserves the
    dependence between predictions: similar clips are misclassified together, so shuffling the truth clip by clip would
    underestimate the spread. `folds` counts them over all shuffles.
    """

    uar: float
    chance: float
    sd: float
    folds: int

    @property
    def bound(self) -> float:
        """Three standard deviations above chance; a higher `uar` indicates knowledge of the labels."""
        return self.chance + 3 * self.sd


def by_chance(problem: Problem, folds: Iterable[pd.DataFrame]) -> _ByChance:
    """Compare tables of predictions, one per fold, with chance.

    See :func:`merbench.records.predictions.prediction_table`; in each table every class, or both states of every action
    unit, must occur in the truth.
    """
    judge = _renamed if problem.task == "classification" else _swapped
    found = [judge(table, problem.outputs) for table in folds]
    uars, chances, variances = zip(*found, strict=True)
    return _ByChance(float(np.mean(uars)), float(np.mean(chances)), sum(variances) ** 0.5 / len(found), len(found))


def _renamed(table: pd.DataFrame, classes: Sequence[str]) -> tuple[float, float, float]:
    """Return UAR, and its mean and variance over all renamings of the true classes."""
    matrix = confusion_matrix(table.truth, table.predicted, tuple(classes))
    recalls = unweighted_recall(matrix[list(permutations(range(len(classes))))])  # to rename is to reorder the rows
    return float(recalls[0]), float(np.mean(recalls)), float(np.var(recalls))


def _swapped(table: pd.DataFrame, units: Sequence[str]) -> tuple[float, float, float]:
    """Return the mean UAR of action units, and its mean and variance if the states are exchanged at random."""
    found = []
    for unit in units:
        right = (table[f"score_{unit}"] > 0) == (table[f"truth_{unit}"] == 1)
        found.append(right[table[f"truth_{unit}"].notna()].groupby(table[f"truth_{unit}"]).mean().mean())
    off = np.array(found, dtype=np.float64) - 0.5
    return 0.5 + float(off.mean()), 0.5, float((off**2).sum()) / len(off) ** 2
