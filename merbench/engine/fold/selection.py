"""Which epoch counts: the last one, or the first best one on subjects who are held out within the training fold.

The rule stands outside the trainer, which trains as its configuration says. The best epoch on the tested clips
themselves is no selection: only the audit, which shows what that does to a score, knows of it.
"""

import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import Prediction, Problem
from merbench.scoring.detection import shown_f1
from merbench.scoring.metrics import unweighted_f1
from merbench.splits.folds import Fold
from merbench.splits.split import Split

#: ``last``: after as many epochs as the configuration says. ``inner``: trained again on the whole training fold, up to
#: the epoch that was best on those held out. ``inner-keep``: what was trained without them, as it was after that epoch.
SELECTIONS = ("last", "inner", "inner-keep")
#: Share of each database's people that is held out within the training fold.
HELD_OUT = 0.2


def inner_fold(split: Split, fold: Fold, people: npt.NDArray[np.object_], seed: int) -> Fold:
    """Hold out a fifth of the people that a fold trains on, of each database its share.

    Parameters
    ----------
    split : Split
        The protocol's clips.
    fold : Fold
        One of its folds; its tested clips stay out of both sides.
    people : ndarray of str, shape (n_clips,)
        The person behind each clip of the split, see :func:`merbench.contracts.databases.persons`: one who is in two
        databases is held out of both. Who is tested is never held out, though some protocols train on them too.
    seed : int
        Whom chance takes.

    Returns
    -------
    Fold
        Of the same name: trains on the others, tests those held out, of whom there is one at least of each database
        that has two.

    Raises
    ------
    MerbenchError
        No database of the fold has two people that are not tested.
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
            f"fold {fold.name} trains on {count} subject{'s' * (count > 1)}, of whom none can be held out to select an "
            "epoch (two of a database are needed who are not tested): use --select last"
        )
    outside = np.isin(clips, sorted(held_out))
    return Fold(fold.name, fold.train[~outside], fold.train[outside])


def inner_uf1(prediction: Prediction, truth: npt.NDArray[np.generic], problem: Problem) -> float:
    """Score the clips held out, all of them together.

    Parameters
    ----------
    prediction : Prediction
        Of the clips.
    truth : ndarray
        As in :class:`merbench.splits.split.Split`, of the same clips in the same order.
    problem : Problem
        Task and outputs.

    Returns
    -------
    float
        UF1 over the classes that these clips have; for AU detection the mean F1 of all units, of clips of which it is
        known.
    """
    size = len(problem.outputs)
    if problem.task == "classification":
        cells = np.bincount(truth.astype(np.int64) * size + prediction.decisions(), minlength=size * size)
        return float(unweighted_f1(cells.reshape(size, size)))
    shown, decided = truth == 1, prediction.scores > 0
    known = shown | (truth == 0)
    counts = [[(known & (shown == true) & (decided == given)).sum(axis=0) for given in (0, 1)] for true in (0, 1)]
    return float(shown_f1(np.moveaxis(np.array(counts), 2, 0)).mean())
