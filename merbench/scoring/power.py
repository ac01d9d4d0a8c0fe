"""Power of the paired test: how often it finds a difference between two rows that was planted, by simulation.

In each sample

1. seeds are drawn anew for each of two rows, with replacement and not paired, and averaged within each person: they
   are never counted as people;
2. wrong clips of each row are corrected, in random order, until its UF1 over all people is higher by the difference
   asked for: first those that either row has right in some seed, since what another method finds can be found;
3. people are drawn anew, with replacement within each dataset;
4. each person drawn has either the first row corrected beside the second as it is, or the second corrected beside the
   first, with probability one half: but for the corrections, neither is better;
5. the two are tested as by :func:`merbench.scoring.permutation.permutation_tests`.

With a difference of 0 the share of samples below the level is that of false alarms.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merbench.scoring.metrics import Counts, unweighted_f1
from merbench.scoring.permutation import ROUNDING, SIGNIFICANT, subject_swaps

#: The power at which a difference counts as one that can be found.
WANTED = 0.8
SAMPLES = 500
#: Resamples of the test within a sample; p-values are then multiples of .001.
_RESAMPLES = 999
#: The largest difference that is tried.
_MOST = 0.5
_STEPS = 8

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowPair:
    """Two rows over the same clips: `one` and `two`, (n_seeds, n_clips), are predicted classes, `truth` the true ones.

    `person` is the number of each clip's person; people are numbered dataset after dataset, `sizes` are those of each.
    Those of a pair that is `drawn` are a sample already, and not drawn again.
    """

    classes: int
    truth: Numbers
    person: Numbers
    sizes: tuple[int, ...]
    one: Numbers
    two: Numbers
    drawn: bool = False


#: Returns the two rows of a sample: the recorded ones, or some that are made up anew.
Source = Callable[[np.random.Generator], RowPair]


@dataclass(frozen=True)
class Found:
    """How often a difference in UF1 is found, with so many seeds a row; NaN where too few clips are wrong for it."""

    difference: float
    seeds: int
    power: float


def find_power(source: Source, difference: float, seeds: int = 1, samples: int = SAMPLES, start: int = 0) -> Found:
    """Return how often a difference in UF1 is found; the random numbers depend on `start` alone."""
    rng = np.random.default_rng(start)
    hits = 0
    for _ in range(samples):
        rows = sample(source(rng), difference, seeds, rng)
        if rows is None:
            return Found(difference, seeds, float("nan"))
        hits += p_value(rows) < SIGNIFICANT
    return Found(difference, seeds, hits / samples)


def smallest_difference(source: Source, seeds: int = 1, samples: int = SAMPLES, start: int = 0) -> float:
    """Return the smallest difference in UF1 that is found with a power of `WANTED`, by bisection; NaN for none.

    It is exact to .002; the power is that of a sample, with a standard error of .018 for 500.
    """
    low, high = 0.0, _MOST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        power = find_power(source, middle, seeds, samples, start).power
        low, high = (low, middle) if np.isnan(power) or power >= WANTED else (middle, high)
    reached = find_power(source, high, seeds, samples, start).power
    return high if reached >= WANTED else float("nan")


def sample(pair: RowPair, difference: float, seeds: int, rng: np.random.Generator) -> Counts | None:
    """Draw people and seeds, and plant a difference in UF1.

    Returns the confusion matrices of each person drawn, (2, n_people, n_classes, n_classes), averaged over `seeds`;
    None if the first row has too few clips wrong.
    """
    rows = [row[rng.integers(len(row), size=seeds)] for row in (pair.one, pair.two)]
    better = [corrected(row, pair, difference, rng) for row in rows]
    if better[0] is None or better[1] is None:
        return None
    one, two, one_better, two_better = (_by_person(row, pair) for row in (*rows, *better) if row is not None)
    who = np.arange(sum(pair.sizes))
    if not pair.drawn:
        ends = np.cumsum(pair.sizes)
        who = np.concatenate([rng.integers(end - size, end, size) for size, end in zip(pair.sizes, ends, strict=True)])
    first = (rng.random(len(who)) < 0.5)[:, None, None]
    return np.stack([np.where(first, one_better[who], two_better[who]), np.where(first, two[who], one[who])])


def corrected(row: Numbers, pair: RowPair, difference: float, rng: np.random.Generator) -> Numbers | None:
    """Correct wrong clips of a row, (n_seeds, n_clips), in all its seeds until its UF1 is higher by `difference`.

    UF1 is that of the matrix averaged over seeds; the number of clips whose UF1 is nearest is corrected. None if too
    few clips are wrong.
    """
    pooled = _by_person(row, pair).sum(axis=0)
    if difference <= 0:
        return row
    findable = (np.vstack([pair.one, pair.two]) == pair.truth).any(axis=0)
    order = rng.permutation(len(pair.truth))
    order = np.concatenate([order[findable[order]], order[~findable[order]]])
    order = order[(row[:, order] != pair.truth[order]).any(axis=0)]
    moved = np.zeros((len(order), pair.classes, pair.classes))
    for seed in row:
        steps, share = np.arange(len(order)), 1 / len(row)
        np.add.at(moved, (steps, pair.truth[order], seed[order]), -share)
        np.add.at(moved, (steps, pair.truth[order], pair.truth[order]), share)
    uf1 = unweighted_f1(pooled + np.cumsum(moved, axis=0))
    wanted = unweighted_f1(pooled) + difference
    if not len(uf1) or uf1[-1] < wanted - ROUNDING:
        return None
    many = int(np.abs(uf1 - wanted).argmin()) + 1
    better = row.copy()
    better[:, order[:many]] = pair.truth[order[:many]]
    return better


def _by_person(row: Numbers, pair: RowPair) -> npt.NDArray[np.float64]:
    """Count the clips of each person by truth and prediction, averaged over seeds: (n_people, n_classes, n_classes)."""
    size = pair.classes
    places = (pair.person * size + pair.truth) * size + row
    counts = np.bincount(places.ravel(), minlength=sum(pair.sizes) * size * size)
    return counts.reshape(-1, size, size) / len(row)


def p_value(rows: Counts) -> float:
    """Test two rows, as `permutation_tests` with fewer resamples."""
    swaps = subject_swaps(rows.shape[1], _RESAMPLES)
    one, two = rows.reshape(2, rows.shape[1], -1)
    passed = (swaps @ (two - one)).reshape(-1, *rows.shape[2:])
    first, second = rows.sum(axis=1)
    drawn = np.abs(unweighted_f1(first + passed) - unweighted_f1(second - passed))
    seen = abs(float(unweighted_f1(first) - unweighted_f1(second)))
    return float((1 + np.count_nonzero(drawn >= seen - ROUNDING)) / (1 + len(drawn)))


def made_up(
    counts: npt.NDArray[np.int64],
    people: tuple[int, ...],
    recall: float = 0.6,
    agreement: float = 0.64,
    clips: tuple[Numbers, Numbers] | None = None,
) -> Source:
    """Return a source of two equally good rows where nothing was recorded.

    `counts`, (n_datasets, n_classes), are the clips of each class, `people` the subjects of each dataset, with clips
    each in proportion to exponential draws, as skewed as CASME II, SAMM and SMIC-HS are; `clips`, true class and person
    of each, are used instead if they are known. Each row has every class right with the probability `recall`, and
    otherwise names another class in proportion to their clips. With the probability `agreement` the second row predicts
    the same as the first, else independently: .64 gives ststnet and svm-flow on MEGC 2019 their share of clips that
    only one has right, .14. People are alike: for those two the difference varies between people no more than by clips.
    """
    classes = counts.shape[1]
    weights = counts.sum(axis=0).astype(np.float64)

    def draw(rng: np.random.Generator) -> RowPair:
        truth, person = clips or _draw_clips(counts, people, rng)
        others = np.where(np.eye(classes, dtype=bool), 0.0, weights)
        chances = np.cumsum(others / others.sum(axis=1, keepdims=True), axis=1)
        rows = []
        for _ in range(2):
            wrong = (rng.random(len(truth))[:, None] > chances[truth]).sum(axis=1)
            rows.append(np.where(rng.random(len(truth)) < recall, truth, np.minimum(wrong, classes - 1)))
        same = rng.random(len(truth)) < agreement
        return RowPair(classes, truth, person, people, rows[0][None], np.where(same, rows[0], rows[1])[None], True)

    return draw


def _draw_clips(
    counts: npt.NDArray[np.int64], people: tuple[int, ...], rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Draw which person shows each clip; everyone shows one at least where there are enough clips."""
    truth, person, first = [], [], 0
    for of_class, size in zip(counts, people, strict=True):
        classes = rng.permutation(np.repeat(np.arange(len(of_class)), of_class))
        shares = rng.dirichlet(np.ones(size))
        whose = np.concatenate([np.arange(size), rng.choice(size, max(0, len(classes) - size), p=shares)])
        truth.append(classes)
        person.append(first + whose[: len(classes)])
        first += size
    return np.concatenate(truth), np.concatenate(person)
