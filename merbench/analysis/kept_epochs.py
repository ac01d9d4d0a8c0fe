"""The predictions that runs kept of every epoch, as arrays: selection rules pick from them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.selection_rules import INNER, RULES, Picks, TrainingCourse, Values


@dataclass(frozen=True)
class Seed:
    """The kept epochs of one seed.

    `predicted`, (n_clips, n_epochs), is the class of each clip after each epoch; `ends` and `inner` are those of
    :class:`merbench.analysis.selection_rules.TrainingCourse`. `recorded` are ``inner``, ``inner-keep`` -> the predicted
    classes, (n_clips,), of the run recorded under that selection.
    """

    seed: int
    predicted: npt.NDArray[Any]
    ends: npt.NDArray[Any]
    inner: Values | None = None
    recorded: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """One configuration on one split, over its seeds, at least one.

    `clips` are all tested clips, ``dataset, subject, clip, truth, fold``, rows as in the seeds' arrays; `folds` are in
    the order of these arrays; predictions are numbers in `classes`, the protocol's class set.
    """

    clips: pd.DataFrame
    folds: tuple[str, ...]
    classes: tuple[str, ...]
    seeds: tuple[Seed, ...]

    @cached_property
    def truth(self) -> npt.NDArray[np.int64]:
        """The number of each clip's class."""
        return places(self.clips.truth, self.classes)

    @cached_property
    def fold_of(self) -> npt.NDArray[np.int64]:
        """The number of each clip's fold."""
        return places(self.clips.fold, self.folds)

    @cached_property
    def subjects(self) -> list[tuple[str, str]]:
        """Dataset and name of each subject, in order of both."""
        return sorted(set(zip(self.clips.dataset, self.clips.subject, strict=True)))

    @cached_property
    def subject_of(self) -> npt.NDArray[np.int64]:
        """The number of each clip's subject."""
        return places(zip(self.clips.dataset, self.clips.subject, strict=True), self.subjects)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Subjects of each dataset."""
        return tuple(Counter(dataset for dataset, _ in self.subjects).values())

    def part(self, name: str) -> "Kept":
        """Return the clips of one dataset, or all for ``full``; folds are numbered as before, seeds restricted."""
        if name == "full":
            return self
        inside = (self.clips.dataset == name).to_numpy()
        return Kept(self.clips[inside].reset_index(drop=True), self.folds, self.classes, ())

    def confusions(self, of: npt.NDArray[np.int64], many: int, given: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Count clips by group, truth and prediction, shape (many, n, n_classes, n_classes).

        `of` is the group of each clip, of `many`: `fold_of` or `subject_of`; `given` are predicted classes, (n_clips,
        n).
        """
        counts = np.zeros((many, given.shape[1], len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (of[:, None], np.arange(given.shape[1]), self.truth[:, None], given.astype(np.int64)), 1)
        return counts

    def course(self, seed: Seed) -> TrainingCourse:
        """Return a seed as rules see it."""
        return TrainingCourse(self.confusions(self.fold_of, len(self.folds), seed.predicted), seed.ends, seed.inner)

    def classes_at(self, seed: Seed, picked: Picks) -> npt.NDArray[np.int64]:
        """Return the class of each clip, (n_clips,) or (n_clips, n), at the epoch picked for its fold.

        `picked` are epochs counted from 0, shape (n_folds,) or (n_folds, n).
        """
        of_clip = picked[self.fold_of]
        rows = np.arange(len(self.clips)).reshape(-1, *[1] * (of_clip.ndim - 1))
        return seed.predicted[rows, of_clip].astype(np.int64)


def places(names: Iterable[Any], order: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return the place of each name in an order."""
    place = {name: index for index, name in enumerate(order)}
    return np.array([place[name] for name in names], dtype=np.int64)


def picks(kept: Kept, seed: Seed) -> dict[str, Picks]:
    """Return which epochs each rule with picks of its own picks: name -> (n_folds, n_epochs), see `SelectionRule`."""
    course = kept.course(seed)
    found = {rule.name: rule.pick(course) for rule in RULES if rule.own_picks}
    return {name: picked for name, picked in found.items() if picked is not None}


def disagreeing(kept: Kept, seed: Seed) -> int | None:
    """Count clips where the refit run differs from the run of the last epoch at the epoch that was picked.

    Both start from the same random streams, so it is 0 on one machine type. None where either is missing.
    """
    picked = picks(kept, seed).get(INNER)
    if picked is None or INNER not in seed.recorded:
        return None
    return int((kept.classes_at(seed, picked[:, -1]) != seed.recorded[INNER]).sum())
