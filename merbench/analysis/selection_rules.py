"""Selection rules: the epoch after which each test fold is scored.

Let C[f, e] be the confusion matrix of test fold f (rows are the truth) after epoch e of E[f]. A rule picks e[f] for
each fold. Figures are computed from the pooled matrix, the sum of C[f, e[f]] over f; the two fold means average
F(C[f, e[f]]) over f instead, see :func:`fold_f1`. Rules that see test labels are common in public code; their figures
are not results of a method, and are never ranked.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from merbench.scoring.metrics import Counts, accuracy, unweighted_f1

Picks = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

LAST, INNER, INNER_KEEP = "last", "inner", "inner-keep"


@dataclass(frozen=True)
class TrainingCourse:
    """Confusion matrices and inner scores of one seed after every epoch.

    `confusions` are C[f, e], shape (n_folds, n_epochs, n_classes, n_classes); after its last epoch a fold stays as it
    is. `ends`, (n_folds,), count the epochs that each fold was trained for; `inner`, (n_folds, n_inner_epochs), is UF1
    of the inner validation clips, which are none of the test clips; NaN after a fold's end.
    """

    confusions: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    inner: Values | None = None

    def within(self, epochs: npt.NDArray[np.int64]) -> Picks:
        """Limit epochs that are common to all folds, shape (n_epochs,), to each fold's last one."""
        return np.minimum(epochs, self.ends[:, None] - 1)


def running_best(scores: Values, ties: Literal["first", "last"]) -> Picks:
    """Return which epoch is the best so far, counted from 0, had training ended after each; shape (..., n_epochs).

    NaN and -inf are never picked after a number. `ties` says which of equally good epochs is picked: ``first`` (a
    strict ``>`` in a training script) or ``last`` (``>=``).
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.maximum.accumulate(known, axis=-1)
    before = np.concatenate([np.full_like(best[..., :1], -np.inf), best[..., :-1]], axis=-1)
    better = known > before if ties == "first" else (known >= before) & np.isfinite(known)
    better[..., 0] = True
    return np.maximum.accumulate(np.where(better, np.arange(scores.shape[-1]), 0), axis=-1)


def fold_f1(confusion: Counts) -> Values:
    """Compute F(C), the mean over classes of F1 = 2 C[k, k] / (sum of row k + sum of column k) within one fold.

    Over the classes that occur among the fold's labels or predictions, as ``f1_score(average="macro")`` of
    scikit-learn: 1 for a fold of a single class that is all correct. (Pooled UF1 is over the classes that have clips,
    which within one fold would ignore false positives of classes that the subject never shows.) Rows are the truth,
    shape (..., n_classes, n_classes) -> (...); in 0..1, NaN without any clip.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    either = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    count = (either > 0).sum(axis=-1)
    total = (2.0 * hits / np.where(either > 0, either, 1)).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class SelectionRule(ABC):
    """Picks an epoch for each fold."""

    name: ClassVar[str]  #: as in the JSON
    title: ClassVar[str]  #: in tables
    sees_test_labels: ClassVar[bool] = False  #: it picks by the labels of the test clips
    pools: ClassVar[bool] = True  #: its figures come from one confusion matrix; else means over folds (UF1 only)
    #: The selection under which its predictions were recorded in a run of their own, or empty: then they are those of
    #: the run of the last epoch, at the epochs picked.
    recorded: ClassVar[str] = ""
    own_picks: ClassVar[bool] = True  #: it picks other epochs than the rules before it

    @abstractmethod
    def pick(self, course: TrainingCourse) -> Picks | None:
        """Pick for every fold, had training ended after each epoch; the last column holds the pick among all epochs.

        Epochs counted from 0, shape (n_folds, n_epochs). None where the rule has no single epoch a fold, or its scores
        are not known.
        """

    def source(self, figure: str) -> "SelectionRule | None":
        """Return the rule at whose epochs ``uf1``, ``uar`` or ``acc`` is computed; None where it is not reported."""
        return self if self.pools or figure == "uf1" else None


class _LastEpoch(SelectionRule):
    """e[f] = E[f]."""

    name, title = LAST, "last epoch"

    def pick(self, course: TrainingCourse) -> Picks:
        return course.within(np.arange(course.confusions.shape[1]))


class _InnerRefit(SelectionRule):
    """e[f] = the first argmax of UF1 on inner subjects; trained anew on all training subjects for e[f] epochs."""

    name, title, recorded = INNER, "inner subjects, refit", INNER

    def pick(self, course: TrainingCourse) -> Picks | None:
        if course.inner is None:
            return None
        epochs = course.confusions.shape[1]  # the whole training fold may have been trained for more epochs, or fewer
        more = [(0, 0), (0, max(0, epochs - course.inner.shape[1]))]
        return running_best(np.pad(course.inner[:, :epochs], more, constant_values=np.nan), "first")


class _InnerKept(_InnerRefit):
    """The same epochs; the net that was trained without the inner subjects predicts."""

    name, title, recorded, own_picks = INNER_KEEP, "inner subjects, net kept", INNER_KEEP, False


class _BestOfTestFold(SelectionRule):
    """Picks by a score of the test fold itself."""

    sees_test_labels = True
    score: ClassVar[Callable[[Counts], Values]]
    ties: ClassVar[Literal["first", "last"]]

    def pick(self, course: TrainingCourse) -> Picks:
        scores = type(self).score(course.confusions)
        over = np.arange(scores.shape[1]) >= course.ends[:, None]
        return running_best(np.where(over, np.nan, scores), self.ties)


class _AccuracyFirst(_BestOfTestFold):
    """e[f] = the first argmax of trace(C[f, e])."""

    name, title = "oracle-acc-first", "best accuracy of each test fold, first of ties"
    score, ties = accuracy, "first"


class _AccuracyLast(_BestOfTestFold):
    """e[f] = the last argmax of trace(C[f, e])."""

    name, title = "oracle-acc-last", "best accuracy of each test fold, last of ties"
    score, ties = accuracy, "last"


class _F1First(_BestOfTestFold):
    """e[f] = the first argmax of F(C[f, e])."""

    name, title = "oracle-f1-first", "best F1 of each test fold, first of ties"
    score, ties = fold_f1, "first"


class _F1Last(_BestOfTestFold):
    """e[f] = the last argmax of F(C[f, e])."""

    name, title = "oracle-f1-last", "best F1 of each test fold, last of ties"
    score, ties = fold_f1, "last"


class _Mixed(SelectionRule):
    """UF1 at the epochs of the best F1, accuracy at those of the best accuracy: no single net has both."""

    name, title, sees_test_labels = "oracle-mixed", "F1 and accuracy from different epochs", True

    def pick(self, course: TrainingCourse) -> None:
        return None

    def source(self, figure: str) -> SelectionRule | None:
        return {"uf1": _F1First(), "acc": _AccuracyFirst()}.get(figure)


class _OneEpoch(SelectionRule):
    """e[f] = min(e, E[f]), where e is the first argmax of UF1 of the matrix pooled over f."""

    name, title, sees_test_labels = "oracle-one-epoch", "one epoch for all folds, best pooled UF1", True

    def pick(self, course: TrainingCourse) -> Picks:
        return course.within(running_best(unweighted_f1(course.confusions.sum(axis=0)), "first"))


class _FoldMeanLast(_LastEpoch):
    """e[f] = E[f]; the mean of F(C[f, e[f]]) over f."""

    name, title, pools, own_picks = "fold-mean-last", "mean of the folds' F1, last epoch", False, False


class _FoldMeanF1(_F1First):
    """e[f] = the first argmax of F(C[f, e]); the mean of F(C[f, e[f]]) over f."""

    name, title = "fold-mean-oracle", "mean of the folds' F1, best F1 of each test fold"
    pools, own_picks = False, False


#: In the order of the table.
RULES: tuple[SelectionRule, ...] = (
    _LastEpoch(), _InnerRefit(), _InnerKept(), _AccuracyFirst(), _AccuracyLast(), _F1First(), _F1Last(), _Mixed(),
    _OneEpoch(), _FoldMeanLast(), _FoldMeanF1(),
)  # fmt: skip
