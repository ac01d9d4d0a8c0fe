"""Epoch selection, apart from training: the last epoch, or the first best one on people held out in the training fold.

The best epoch on the tested clips is not available: only the audit computes it, to show its effect on a score.
"""

import numpy as np
import numpy.typing as npt

from merbench.contracts.digests import derived_seed
from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import Prediction, Problem
from merbench.scoring.detection import shown_f1
from merbench.scoring.metrics import unweighted_f1
from merbench.splits.folds import Fold
from merbench.splits.split import Split

#: ``last``: the last epoch of the configuration. ``inner``: trained again on the whole training fold, up to the epoch
#: that was best on the held-out people. ``inner-keep``: the model trained without them, as it was after that epoch.
SELECTIONS = ("last", "inner", "inner-keep")
#: Share of each database's people that is held out within the training fold.
HELD_OUT = 0.2


def inner_seed(seed: int, fold: str) -> int:
    """Return the seed by which a run of seed `seed` holds out people within a fold."""
    return derived_seed(derived_seed(seed, fold), "held-out")


def inner_fold(split: Split, fold: Fold, people: npt.NDArray[np.object_], seed: int) -> Fold:
    """Hold out a fifth of the training people of a fold, in proportion for each database.

    `people` has the person behind each clip of the split (:func:`merbench.contracts.databases.persons`): someone in two
    databases is held out of both. Tested people are never held out, although some protocols train on them. Returns a
    fold with the same name that trains on the others and tests the held-out people, at least one of each database with
    two.

    Raises
    ------
    MerbenchError
        No database of the fold has two people who are not tested.
    """
    rng = np.random.default_rng(seed)
    clips, tested = people[fold.train], set(people[fold.test])
    held_out: set[str] = set()
    for database in sorted(set(split.datasets[fold.train])):
        there = set(clips[split.datasets[fold.train] == database]) - tested
        share = max(1, round(HELD_OUT * len(there))) if len(there) > 1 else 0
        lacking = max(0, share - len(there & held_out))
        held_out.update(rng.choice(sorted(there - held_out), lacking, replace=False).tolist() if lacking else [])
    if not held_out:
        count = len(set(clips))
        raise MerbenchError(
            f"fold {fold.name} trains on {count} subject{'s' * (count > 1)}: none can be held out to select an "
            "epoch (this needs two people of one database who are not tested); use --select last"
        )
    outside = np.isin(clips, sorted(held_out))
    return Fold(fold.name, fold.train[~outside], fold.train[outside])


def inner_uf1(prediction: Prediction, truth: npt.NDArray[np.generic], problem: Problem) -> float:
    """Score held-out clips together; `truth` is as in :class:`merbench.splits.split.Split`, in the prediction's order.

    Returns UF1 over the classes of these clips; for AU detection the mean F1 of all action units, over clips for which
    they are known.
    """
    size = len(problem.outputs)
    if problem.task == "classification":
        cells = np.bincount(truth.astype(np.int64) * size + prediction.decisions(), minlength=size * size)
        return float(unweighted_f1(cells.reshape(size, size)))
    shown, decided = truth == 1, prediction.scores > 0
    known = shown | (truth == 0)
    counts = [[(known & (shown == true) & (decided == given)).sum(axis=0) for given in (0, 1)] for true in (0, 1)]
    return float(shown_f1(np.moveaxis(np.array(counts), 2, 0)).mean())
