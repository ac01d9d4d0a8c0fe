"""How far from chance predictions are, fold by fold, with the spread that chance has exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from merbench.contracts.methods import Problem
from merbench.scoring.metrics import confusion_matrix, unweighted_recall


@dataclass(frozen=True)
class ByChance:
    """The mean UAR of folds, and what would come of it if their predictions knew nothing of the labels.

    Attributes
    ----------
    uar : float
        Mean over folds; for AU detection also over units, of the recalls of shown and not shown.
    chance, sd : float
        Mean and standard deviation of `uar` where, fold by fold, the true classes change their names at random (every
        renaming alike), or, for AU detection, where shown and not shown change places unit by unit. This leaves alone
        how predictions hang together: clips that look alike are mistaken alike, so that shuffling the truth clip by
        clip would promise a spread much too small.
    folds : int
        How many folds, of all shuffles.
    """

    uar: float
    chance: float
    sd: float
    folds: int

    @property
    def bound(self) -> float:
        """Above this, three standard deviations from chance, something of the labels was known."""
        return self.chance + 3 * self.sd


def by_chance(problem: Problem, folds: Iterable[pd.DataFrame]) -> ByChance:
    """Judge tables of predictions, one a fold.

    Parameters
    ----------
    problem : Problem
        What was predicted.
    folds : iterable of DataFrame
        See :func:`merbench.records.predictions.prediction_table`; in each every class, or either answer of every unit,
        must occur in the truth.
    """
    judge = _renamed if problem.task == "classification" else _swapped
    found = [judge(table, problem.outputs) for table in folds]
    uars, chances, variances = zip(*found, strict=True)
    return ByChance(float(np.mean(uars)), float(np.mean(chances)), sum(variances) ** 0.5 / len(found), len(found))


def _renamed(table: pd.DataFrame, classes: Sequence[str]) -> tuple[float, float, float]:
    """Return UAR, and its mean and variance over all ways to rename the true classes."""
    recalls = []
    for names in permutations(classes):
        truth = table.truth.map(dict(zip(classes, names, strict=True)))
        recalls.append(float(unweighted_recall(confusion_matrix(truth, table.predicted, tuple(classes)))))
    return recalls[0], float(np.mean(recalls)), float(np.var(recalls))


def _swapped(table: pd.DataFrame, units: Sequence[str]) -> tuple[float, float, float]:
    """Return the mean UAR of units, and its mean and variance where answers change places unit by unit."""
    found = []
    for unit in units:
        right = (table[f"score_{unit}"] > 0) == (table[f"truth_{unit}"] == 1)
        found.append(right[table[f"truth_{unit}"].notna()].groupby(table[f"truth_{unit}"]).mean().mean())
    off = np.array(found, dtype=np.float64) - 0.5
    return 0.5 + float(off.mean()), 0.5, float((off**2).sum()) / len(off) ** 2
