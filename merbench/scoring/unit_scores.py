"""Detection of action units in held-out clips: by a method itself, or by a linear probe on one of its features.

Both are computed from diagnostics (``Method.diagnose``), a mapping of names to arrays per fold, one list per seed:
``test/au/<number>``, ``test/feature/<name>``, ``train/feature/<name>``, ``test/dataset``, ``test/subject``,
``test/aus``, ``train/aus``. An empty mapping is a fold without any, and is skipped.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import DataError
from merbench.scoring.alignment import Array, Fold
from merbench.scoring.detection import mean_over
from merbench.scoring.intervals import Interval, bootstrap_intervals
from merbench.scoring.metrics import Counts
from merbench.scoring.same_units import coding_of

#: Minimum number of clips that show an action unit; with fewer, the score depends mainly on these clips.
LEAST_SHOWN = 10
#: Shrinkage of the probe's covariance towards the identity.
SHRINKAGE = 0.3

NOTHING = Interval(float("nan"), float("nan"))


@dataclass(frozen=True)
class _UnitScore:
    """Detection of one action unit in held-out clips, pooled over folds.

    Of the `clips` that are annotated as showing it or not, some are `shown`. `f1` is F1 of "shown", mean over seeds;
    NaN if no clip shows it; `interval` is 95 %, by subject-level bootstrap, conditional on the trained models. `floor`
    is F1 of always predicting that it is shown, the best constant answer. (The opposite, which is mostly correct, has
    an F1 of 0.)
    """

    unit: int
    clips: int
    shown: int
    f1: float
    floor: float
    interval: Interval


@dataclass(frozen=True)
class UnitScores:
    """Detection of all action units, sorted by number.

    `f1`, `floor` and `interval` are those of the means over the action units that at least ten clips show, `counted` of
    them; NaN if there are none.
    """

    units: list[_UnitScore]
    counted: int
    f1: float
    floor: float
    interval: Interval


def au_detection(seeds: Sequence[Sequence[Fold]]) -> UnitScores:
    """Score a method's own action unit scores, ``test/au/<number>``: above 0 means that the action unit is shown.

    Clips without action unit labels are excluded, and so are doubtful action units of a clip.
    """
    units = sorted(int(name) for name in names_of(seeds, "test/au/"))

    def answer(fold: Fold) -> npt.NDArray[np.bool_]:
        return np.stack([fold[f"test/au/{unit}"] > 0 for unit in units], axis=1)

    return _unit_scores(seeds, units, answer)


def au_probe(seeds: Sequence[Sequence[Fold]], feature: str) -> UnitScores:
    """Score how well action units can be decoded from a feature by a linear probe.

    The probe is, for each fold and action unit, a linear discriminant with shrunk covariance and equal priors, in
    closed form: on the standardised feature of the fold's training clips ``w = C^-1 (m1 - m0)``, where ``m1`` and
    ``m0`` are the means of the clips that show the action unit and of those that do not, and ``C = .7 covariance + .3
    identity``; the threshold is half-way between the means. It is tested on the held-out clips of the fold. If all
    training clips show an action unit, or none does, that is the prediction. Only action units that at least ten
    held-out clips show are probed; clips without action unit labels are excluded.
    """
    shown = Counter(unit for fold in seeds[0] if fold for text in fold["test/aus"] for unit in _coding(text)[0])
    units = sorted(unit for unit, clips in shown.items() if clips >= LEAST_SHOWN)
    return _unit_scores(seeds, units, lambda fold: _probed(fold, feature, units))


def _probed(fold: Fold, feature: str, units: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Train the probe on a fold's training clips and predict its test clips, shape (n_test, n_units)."""
    labels = _labels(fold["train/aus"], units)
    known = ~np.isnan(labels).all(axis=1)
    labels = labels[known]
    train, test = (np.asarray(fold[f"{part}/feature/{feature}"], dtype=np.float64) for part in ("train", "test"))
    train = train[known]
    shows, lacks = labels == 1, labels == 0
    both = shows.any(axis=0) & lacks.any(axis=0)
    if not both.any():
        return np.tile(shows.any(axis=0), (len(test), 1))
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1.0
    train, test = (train - mean) / scale, (test - mean) / scale
    m1, m0 = (who.T.astype(float) @ train / np.maximum(who.sum(axis=0), 1)[:, None] for who in (shows, lacks))
    covariance = (1 - SHRINKAGE) * train.T @ train / len(train) + SHRINKAGE * np.eye(train.shape[1])
    weights = np.linalg.solve(covariance, (m1 - m0).T)
    threshold = ((m1 + m0) / 2 * weights.T).sum(axis=1)
    return np.asarray(np.where(both, test @ weights > threshold, shows.any(axis=0)), dtype=bool)


def _unit_scores(
    seeds: Sequence[Sequence[Fold]], units: Sequence[int], answer: Callable[[Fold], npt.NDArray[np.bool_]]
) -> UnitScores:
    """Compare ``answer(fold)``, shape (n_test, n_units), with the labels of the fold's test clips."""
    if not units:
        return UnitScores([], 0, float("nan"), float("nan"), NOTHING)
    counts, sizes = _subject_counts(seeds, units, answer)

    def interval(which: Any) -> Interval:
        return bootstrap_intervals(np.concatenate(counts[:, which]), sizes, mean_over(_f1))[0]

    pooled = counts.sum(axis=2)
    f1 = _f1(pooled).mean(axis=0)
    clips, shown = pooled[0].sum(axis=(1, 2)), pooled[0, :, 1].sum(axis=1)
    floor = 2 * shown / np.maximum(clips + shown, 1)
    scores = [
        _UnitScore(unit, int(clips[i]), int(shown[i]), float(f1[i]), float(floor[i]), interval([i]))
        for i, unit in enumerate(units)
    ]
    enough = np.flatnonzero(shown >= LEAST_SHOWN)
    if not enough.size:
        return UnitScores(scores, 0, float("nan"), float("nan"), NOTHING)
    return UnitScores(scores, len(enough), float(f1[enough].mean()), float(floor[enough].mean()), interval(enough))


def _subject_counts(
    seeds: Sequence[Sequence[Fold]], units: Sequence[int], answer: Callable[[Fold], npt.NDArray[np.bool_]]
) -> tuple[Counts, tuple[int, ...]]:
    """Count (n_seeds, n_units, n_subjects, 2, 2) clips by truth and answer, and the subjects of each dataset."""
    known = []
    for index, folds in enumerate(seeds):
        for fold in filter(None, folds):
            labels, answers = _labels(fold["test/aus"], units), answer(fold)
            people = list(zip(fold["test/dataset"].tolist(), fold["test/subject"].tolist(), strict=True))
            known += [
                (index, unit, people[row], int(labels[row, unit]), int(answers[row, unit]))
                for row, unit in zip(*np.nonzero(~np.isnan(labels)), strict=True)
            ]
    subjects = sorted({person for _, _, person, _, _ in known})
    place = {person: number for number, person in enumerate(subjects)}
    counts = np.zeros((len(seeds), len(units), len(subjects), 2, 2), dtype=np.int64)
    for index, unit, person, truth, said in known:
        counts[index, unit, place[person], truth, said] += 1
    return counts, tuple(Counter(dataset for dataset, _ in subjects).values())


def _f1(confusions: Counts) -> npt.NDArray[np.float64]:
    """Compute F1 of "shown", (..., 2, 2) -> (...); NaN if no clip shows the action unit."""
    actual, given = confusions[..., 1, :].sum(axis=-1), confusions[..., :, 1].sum(axis=-1)
    return np.where(actual > 0, 2.0 * confusions[..., 1, 1] / np.maximum(actual + given, 1), np.nan)


def _labels(texts: Array, units: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return 1 (shown), 0 (not) or NaN (no label, or doubtful) for each clip and action unit."""
    labels = np.full((len(texts), len(units)), np.nan)
    for row, text in enumerate(texts.tolist()):
        shown, possible, known = _coding(text)
        if known:
            labels[row] = [np.nan if unit in possible else float(unit in shown) for unit in units]
    return labels


@lru_cache(maxsize=4096)
def _coding(text: str) -> tuple[frozenset[int], frozenset[int], bool]:
    """Parse action units as text: those shown, those doubtful, and whether anything is known."""
    try:
        coding = coding_of(text)
    except ValueError as error:
        raise DataError(
            f"action units {text!r} among the diagnostics can't be read: {error}; record it again"
        ) from error
    if coding is None or coding.unknown:
        return frozenset(), frozenset(), False
    return coding.shown(), coding.possible(), True


def names_of(seeds: Sequence[Sequence[Fold]], prefix: str) -> list[str]:
    """Return what follows `prefix` in the names of arrays that every fold has."""
    each = [
        {name.removeprefix(prefix) for name in fold if name.startswith(prefix)} for s in seeds for fold in s if fold
    ]
    return sorted(set.intersection(*each)) if each else []
