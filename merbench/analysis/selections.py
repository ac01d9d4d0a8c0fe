"""What each habit of picking an epoch reports, computed afterwards from the predictions kept after every epoch.

Nothing is trained here. A habit is a rule that picks an epoch for each fold (`picks`), and all else follows from the
picks: the predictions that it would have reported, pooled, and how far they lie above those of the last epoch. Some
rules look at no test label (``last``, ``inner``); the others do, as much public code does, and are no method's results.

A fold's own F1 is the mean over the classes that occur in the fold, among its labels or its predictions, as
``f1_score(average="macro")`` of scikit-learn has it: 1 for a fold of a single class that is all right. (Pooled UF1 is a
mean over the classes that have clips, which within one fold would forgive classes that the subject never shows.)
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.scoring.intervals import interval_of, resampled, subject_draws
from merbench.scoring.metrics import Counts, accuracy, unweighted_f1, unweighted_recall

Picks = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

LAST, INNER, INNER_KEEP = "last", "inner", "inner-keep"
FIGURES: dict[str, Callable[[Counts], Values]] = {
    "uf1": unweighted_f1,
    "uar": unweighted_recall,
    "acc": accuracy,
}


@dataclass(frozen=True)
class Selection:
    """One habit.

    Attributes
    ----------
    oracle : bool
        It picks by the labels of the test clips.
    pooled : bool
        Its figures come from one confusion matrix; else they are means over folds.
    """

    name: str
    title: str
    oracle: bool = False
    pooled: bool = True


#: In the order of the table.
SELECTIONS = (
    Selection(LAST, "last epoch"),
    Selection(INNER, "inner subjects, refit"),
    Selection(INNER_KEEP, "inner subjects, net kept"),
    Selection("oracle-acc-first", "best accuracy of each test fold, first of ties", oracle=True),
    Selection("oracle-acc-last", "best accuracy of each test fold, last of ties", oracle=True),
    Selection("oracle-f1-first", "best F1 of each test fold, first of ties", oracle=True),
    Selection("oracle-f1-last", "best F1 of each test fold, last of ties", oracle=True),
    Selection("oracle-mixed", "F1 and accuracy from different epochs", oracle=True),
    Selection("oracle-one-epoch", "one epoch for all folds, best pooled UF1", oracle=True),
    Selection("fold-mean-last", "mean of the folds' F1, last epoch", pooled=False),
    Selection("fold-mean-oracle", "mean of the folds' F1, best F1 of each test fold", oracle=True, pooled=False),
)


@dataclass(frozen=True)
class Seed:
    """What was kept of one seed.

    Attributes
    ----------
    seed : int
        Its number.
    predicted : ndarray of int, shape (n_clips, n_epochs)
        The class of each clip after each epoch; a fold that was trained for fewer stays as it is.
    ends : ndarray of int, shape (n_folds,)
        How many epochs each fold was trained for: later ones are not there to pick.
    inner : ndarray of float, shape (n_folds, n_inner_epochs), optional
        UF1 of the inner validation clips after each epoch, NaN after a fold's end.
    recorded : mapping of str to ndarray of int, shape (n_clips,)
        ``inner``, ``inner-keep`` -> the classes that the run recorded under that selection gave.
    """

    seed: int
    predicted: npt.NDArray[Any]
    ends: npt.NDArray[Any]
    inner: Values | None = None
    recorded: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What is audited: one configuration on one split, over its seeds.

    Attributes
    ----------
    clips : DataFrame
        ``dataset, subject, clip, truth, fold`` of every tested clip; rows as in the seeds' arrays.
    folds : tuple of str
        The folds, in the order of the seeds' arrays.
    classes : tuple of str
        The protocol's class set; predictions are numbers in it.
    seeds : tuple of Seed
        One at least.
    """

    clips: pd.DataFrame
    folds: tuple[str, ...]
    classes: tuple[str, ...]
    seeds: tuple[Seed, ...]

    @cached_property
    def truth(self) -> npt.NDArray[np.int64]:
        """The number of each clip's class."""
        return _places(self.clips.truth.tolist(), self.classes)

    @cached_property
    def fold_of(self) -> npt.NDArray[np.int64]:
        """The number of each clip's fold."""
        return _places(self.clips.fold.tolist(), self.folds)

    @cached_property
    def subjects(self) -> list[tuple[str, str]]:
        """Dataset and name of each subject, in order of both."""
        return sorted(set(zip(self.clips.dataset, self.clips.subject, strict=True)))

    @cached_property
    def subject_of(self) -> npt.NDArray[np.int64]:
        """The number of each clip's subject."""
        return _places(list(zip(self.clips.dataset, self.clips.subject, strict=True)), self.subjects)

    def part(self, name: str) -> "Kept":
        """Return the clips of one dataset, or all for ``full``; folds are numbered as before."""
        if name == "full":
            return self
        inside = (self.clips.dataset == name).to_numpy()
        return Kept(self.clips[inside].reset_index(drop=True), self.folds, self.classes, ())


def _places(names: Sequence[Any], order: Sequence[Any]) -> npt.NDArray[np.int64]:
    place = {name: index for index, name in enumerate(order)}
    return np.array([place[name] for name in names], dtype=np.int64)


def fold_f1(confusion: Counts) -> Values:
    """Compute the mean F1 of the classes that occur among labels or predictions; NaN without any clip.

    Parameters
    ----------
    confusion : ndarray, shape (..., n_classes, n_classes)
        Rows are the truth.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    either = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    count = (either > 0).sum(axis=-1)
    total = (2.0 * hits / np.where(either > 0, either, 1)).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def running_best(scores: npt.NDArray[Any], ties: Literal["first", "last"]) -> Picks:
    """Return which epoch is the best so far, had training ended after each.

    Parameters
    ----------
    scores : ndarray, shape (..., n_epochs)
        NaN and -inf are never picked after a number.
    ties : str
        Which of equally good epochs is picked: ``first`` (a strict ``>`` in a training script) or ``last`` (``>=``).

    Returns
    -------
    ndarray of int, shape (..., n_epochs)
        Epochs, counted from 0.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.maximum.accumulate(known, axis=-1)
    before = np.concatenate([np.full_like(best[..., :1], -np.inf), best[..., :-1]], axis=-1)
    better = known > before if ties == "first" else (known >= before) & np.isfinite(known)
    better[..., 0] = True
    return np.maximum.accumulate(np.where(better, np.arange(scores.shape[-1]), 0), axis=-1)


def fold_confusions(kept: Kept, seed: Seed) -> npt.NDArray[np.int64]:
    """Count clips of each fold by truth and prediction after each epoch, (n_folds, n_epochs, n_classes, n_classes)."""
    size, epochs = len(kept.classes), seed.predicted.shape[1]
    counts = np.zeros((len(kept.folds), epochs, size, size), dtype=np.int64)
    rows, every = np.indices(seed.predicted.shape)
    np.add.at(counts, (kept.fold_of[rows], every, kept.truth[rows], seed.predicted.astype(np.int64)), 1)
    return counts


def picks(kept: Kept, seed: Seed) -> dict[str, Picks]:
    """Return which epoch each habit picks in each fold, had training ended after each epoch.

    Returns
    -------
    dict of str to ndarray of int, shape (n_folds, n_epochs)
        Selection -> epochs counted from 0; the last column is what it picks of all epochs. ``inner`` is there where
        the seed has inner scores.
    """
    confusions = fold_confusions(kept, seed)
    epochs = seed.predicted.shape[1]
    over = np.arange(epochs) >= seed.ends[:, None]
    by_accuracy = np.where(over, np.nan, accuracy(confusions))
    by_f1 = np.where(over, np.nan, fold_f1(confusions))
    last = np.minimum(np.arange(epochs), seed.ends[:, None] - 1)
    pooled = running_best(unweighted_f1(confusions.sum(axis=0)), "first")
    inner = {} if seed.inner is None else {INNER: running_best(_fitted(seed.inner, epochs), "first")}
    return (
        {LAST: last}
        | inner
        | {
            "oracle-acc-first": running_best(by_accuracy, "first"),
            "oracle-acc-last": running_best(by_accuracy, "last"),
            "oracle-f1-first": running_best(by_f1, "first"),
            "oracle-f1-last": running_best(by_f1, "last"),
            "oracle-one-epoch": np.minimum(pooled, seed.ends[:, None] - 1),
        }
    )


def _fitted(scores: Values, epochs: int) -> Values:
    """Cut or fill inner scores to as many epochs as the whole training fold was trained for."""
    more = max(0, epochs - scores.shape[1])
    return np.pad(scores[:, :epochs], [(0, 0), (0, more)], constant_values=np.nan)


def picked_classes(kept: Kept, seed: Seed, picked: Picks) -> npt.NDArray[np.int64]:
    """Return the class of each clip at the epoch that is picked for its fold.

    Parameters
    ----------
    picked : ndarray of int, shape (n_folds,) or (n_folds, n)
        Epochs counted from 0.

    Returns
    -------
    ndarray of int, shape (n_clips,) or (n_clips, n)
    """
    of_clip = picked[kept.fold_of]
    rows = np.arange(len(kept.clips)).reshape(-1, *[1] * (of_clip.ndim - 1))
    return seed.predicted[rows, of_clip].astype(np.int64)


def selection_curves(kept: Kept) -> pd.DataFrame:
    """Return what each habit would report, had training ended after each epoch.

    Returns
    -------
    DataFrame
        ``seed, selection, epoch`` (counted from 1) and the pooled ``uf1``.
    """
    size, tables = len(kept.classes), []
    for seed in kept.seeds:
        for selection, picked in picks(kept, seed).items():
            given = picked_classes(kept, seed, picked)
            cells = kept.truth[:, None] * size + given
            counts = np.stack([(cells == cell).sum(axis=0) for cell in range(size * size)], axis=-1)
            uf1 = unweighted_f1(counts.reshape(-1, size, size))
            epochs = np.arange(1, len(uf1) + 1)
            tables.append(pd.DataFrame({"seed": seed.seed, "selection": selection, "epoch": epochs, "uf1": uf1}))
    return pd.concat(tables, ignore_index=True)


def picked_epochs(kept: Kept) -> pd.DataFrame:
    """Return which epoch each habit picks in each fold: ``seed, selection, fold, epoch`` (counted from 1)."""
    tables = [
        pd.DataFrame({"seed": seed.seed, "selection": selection, "fold": kept.folds, "epoch": picked[:, -1] + 1})
        for seed in kept.seeds
        for selection, picked in picks(kept, seed).items()
    ]
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Measured:
    """One figure of one habit: of each seed, and averaged over seeds in each draw of subjects."""

    seeds: Values
    draws: Values


def selection_rows(kept: Kept, parts: Sequence[str] = ("full",)) -> pd.DataFrame:
    """Score every habit, and subtract the last epoch's scores from it.

    A habit that not all seeds have been recorded under (``inner``) is held against the last epoch of the same seeds.

    Parameters
    ----------
    parts : sequence of str
        ``full`` and datasets: restrictions of what is picked over all clips.

    Returns
    -------
    DataFrame
        ``part, selection, oracle, pooled, seeds, clips``; of each figure in ``uf1``, ``uar`` and ``acc`` the value (a
        mean over seeds), the ends of its interval, the lift over the last epoch and the ends of the lift's interval;
        the spread of UF1 over seeds, ``seed_sd``; and ``epoch_median, epoch_first, epoch_last`` of the picks of all
        folds and seeds. NaN for what a habit does not have. Intervals are 95 % over subjects, given the trained folds
        and the picks; the lifts' are paired.
    """
    chosen, picked = _chosen(kept)
    rows = []
    for part in parts:
        clips = kept.part(part)
        inside = (kept.clips.dataset == part).to_numpy() | (part == "full")
        if not inside.any():
            continue
        sizes = tuple(Counter(dataset for dataset, _ in clips.subjects).values())
        of = {name: {seed: given[inside] for seed, given in each.items()} for name, each in chosen.items()}
        bases: dict[tuple[int, ...], dict[str, _Measured]] = {}
        for selection in SELECTIONS:
            seeds = _seeds_of(selection.name, chosen, kept)
            if not seeds:
                continue
            base = bases.get(seeds) or bases.setdefault(seeds, _measured(LAST, of, seeds, clips, sizes))
            found = base if selection.name == LAST else _measured(selection.name, of, seeds, clips, sizes)
            rows.append(
                {"part": part, "selection": selection.name, "oracle": selection.oracle, "pooled": selection.pooled}
                | {"seeds": len(seeds), "clips": len(clips.clips)}
                | _figures(found, base, sizes)
                | _epochs(selection.name, picked, seeds)
            )
    return pd.DataFrame(rows)


def _chosen(kept: Kept) -> tuple[dict[str, dict[int, npt.NDArray[np.int64]]], dict[str, dict[int, Picks]]]:
    """Return the classes that each habit reports, and the epochs it picks, by habit and seed."""
    chosen: dict[str, dict[int, npt.NDArray[np.int64]]] = {}
    picked: dict[str, dict[int, Picks]] = {}
    for seed in kept.seeds:
        ours = {name: each[:, -1] for name, each in picks(kept, seed).items()}
        given = {name: picked_classes(kept, seed, each) for name, each in ours.items() if name != INNER}
        for name, each in (given | dict(seed.recorded)).items():  # what was recorded under inner is what it reports
            chosen.setdefault(name, {})[seed.seed] = np.asarray(each, dtype=np.int64)
        if INNER in ours:
            ours[INNER_KEEP] = ours[INNER]
        for name, each in ours.items():
            picked.setdefault(name, {})[seed.seed] = each
    return chosen, picked


#: Habits that are made of the picks of others: which the figures come from, and which averages over folds.
_MIXED = {"uf1": "oracle-f1-first", "acc": "oracle-acc-first"}
_FOLD_MEANS = {"fold-mean-last": LAST, "fold-mean-oracle": "oracle-f1-first"}


def _seeds_of(name: str, chosen: Mapping[str, Mapping[int, Any]], kept: Kept) -> tuple[int, ...]:
    if name in _FOLD_MEANS or name == "oracle-mixed":
        return tuple(seed.seed for seed in kept.seeds)
    return tuple(chosen.get(name, {}))


def _measured(
    name: str,
    chosen: Mapping[str, Mapping[int, npt.NDArray[np.int64]]],
    seeds: Sequence[int],
    kept: Kept,
    sizes: tuple[int, ...],
) -> dict[str, _Measured]:
    """Compute the figures that a habit has."""
    if name in _FOLD_MEANS:
        given = [chosen[_FOLD_MEANS[name]][seed] for seed in seeds]
        means = [_fold_mean(kept, each, sizes) for each in given]
        return {
            "uf1": _Measured(np.array([value for value, _ in means]), np.mean([draws for _, draws in means], axis=0))
        }
    if name == "oracle-mixed":
        return {figure: _measured(other, chosen, seeds, kept, sizes)[figure] for figure, other in _MIXED.items()}
    counts = np.stack([_subject_confusions(kept, chosen[name][seed]) for seed in seeds])
    return {
        figure: _Measured(compute(counts.sum(axis=1)), resampled(counts, sizes, compute))
        for figure, compute in FIGURES.items()
    }


def _subject_confusions(kept: Kept, given: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    size = len(kept.classes)
    counts = np.zeros((len(kept.subjects), size, size), dtype=np.int64)
    np.add.at(counts, (kept.subject_of, kept.truth, given), 1)
    return counts


def _fold_mean(kept: Kept, given: npt.NDArray[np.int64], sizes: tuple[int, ...]) -> tuple[float, Values]:
    """Average the folds' F1: over folds, and in each draw of subjects, where a fold counts as often as its subjects."""
    size, drawn = len(kept.classes), subject_draws(sizes)
    values, total, weights = [], np.zeros(len(drawn)), np.zeros(len(drawn))
    for fold in np.unique(kept.fold_of):
        rows = kept.fold_of == fold
        people, place = np.unique(kept.subject_of[rows], return_inverse=True)
        counts = np.zeros((len(people), size, size))
        np.add.at(counts, (place, kept.truth[rows], given[rows]), 1)
        values.append(float(fold_f1(counts.sum(axis=0))))
        times = drawn[:, people]
        weight = times.mean(axis=1)
        total += weight * np.nan_to_num(fold_f1(np.tensordot(times, counts, axes=1)))
        weights += weight
    return float(np.mean(values)), total / weights


def _figures(found: dict[str, _Measured], base: dict[str, _Measured], sizes: tuple[int, ...]) -> dict[str, float]:
    told: dict[str, float] = {}
    for name in FIGURES:
        ends = ["", "_low", "_high", "_lift", "_lift_low", "_lift_high"]
        if name not in found:
            told |= {f"{name}{end}": float("nan") for end in ends}
            continue
        mine, last = found[name], base[name]
        interval, lift = interval_of(mine.draws, sizes), interval_of(mine.draws - last.draws, sizes)
        values = [mine.seeds.mean(), interval.low, interval.high]
        values += [(mine.seeds - last.seeds).mean(), lift.low, lift.high]
        told |= {f"{name}{end}": float(value) for end, value in zip(ends, values, strict=True)}
    seeds = found["uf1"].seeds
    return told | {"seed_sd": float(np.std(seeds, ddof=1)) if len(seeds) > 1 else float("nan")}


def _epochs(name: str, picked: Mapping[str, Mapping[int, Picks]], seeds: Sequence[int]) -> dict[str, float]:
    of = picked.get(_FOLD_MEANS.get(name, name), {})
    found = [of[seed] + 1 for seed in seeds if seed in of]
    if not found:
        return dict.fromkeys(("epoch_median", "epoch_first", "epoch_last"), float("nan"))
    every = np.concatenate(found)
    return {
        "epoch_median": float(np.median(every)),
        "epoch_first": float(every.min()),
        "epoch_last": float(every.max()),
    }


def disagreeing(kept: Kept, seed: Seed) -> int | None:
    """Count clips where the refit run differs from the run of the last epoch at the epoch that was picked.

    Both start from the same random streams, so it is 0 on one machine type. None where either is not there.
    """
    ours = picks(kept, seed).get(INNER)
    if ours is None or INNER not in seed.recorded:
        return None
    return int((picked_classes(kept, seed, ours[:, -1]) != seed.recorded[INNER]).sum())
