"""Named slips: other computations that would give the figures of an impossible claim.

A slip fits where some confusion matrix, so computed, gives the figures as printed. How much that says depends on how
often the slip rescues random false figures near by: one that rescues more than :data:`MOST` is compatible with the
figures and no explanation of them. Those that need all column sums are tried for three classes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from merbench.analysis.claims import READINGS, Claim, is_possible
from merbench.analysis.matrices import (
    Counts,
    Deadline,
    Span,
    Values,
    columns_near,
    deadline_in,
    diagonals,
    f1_bounds,
    find_matrix,
    is_matrix,
)

#: A slip that rescues a larger share of random false figures explains nothing.
MOST = 0.05
#: Random false figures: so many (fewer than half of them say nothing), each figure moved by at most so much.
TRIALS, _MOVED = 40, 0.1
_SECONDS, _SECONDS_FOR_RATE = 2.0, 3.0
#: Clip counts near by differ by at most so many clips in all.
_CLIPS_NEAR = 2
#: Far above the rounding error of floating point, which passes over what can't fit; fractions decide.
_MARGIN = 1e-9
#: With more clips there are too many column sums.
_MOST_CLIPS = 1000
#: Bins of UAR for means over runs.
_BINS = 2000

#: Whether figures, read in a way, fit a slip; TimeoutError without an answer.
_Fits = Callable[[Claim, str, Deadline], bool]


class _Score(NamedTuple):
    """A mean over classes, or weighted by clips, of the right clips of a class divided by a function of n and c."""

    weight: Callable[[Any, Any], Any]
    weighted: bool = False

    def weights(self, n: Any, c: Any, counts: Counts) -> Any:
        """Return what each right clip of a class of n clips adds if c clips are predicted as it, c above 0."""
        return self.weight(n, c) * (n / sum(counts) if self.weighted else n / (n * len(counts)))


_F1 = _Score(lambda n, c: 2 / (n + c))
_RECALL = _Score(lambda n, c: 1 / (n + 0 * c))
_PRECISION = _Score(lambda n, c: 1 / (c + 0 * n))
_WEIGHTED_F1 = _Score(_F1.weight, weighted=True)
_ACCURACY = _Score(_RECALL.weight, weighted=True)


class Slip(NamedTuple):
    """A slip tried on a claim: whether it fits (None: not decided), and how often it rescues false figures."""

    name: str
    fits: bool | None
    rescued: int = 0
    trials: int = 0

    @property
    def word(self) -> str:
        """``fits``, ``compatible`` (as with most figures, or not known), ``does not fit`` or ``undecided``."""
        if self.fits is None:
            return "undecided"
        if not self.fits:
            return "does not fit"
        return "fits" if 2 * self.trials >= TRIALS and self.rescued <= MOST * self.trials else "compatible"


def try_slips(
    claim: Claim,
    parts: Mapping[str, Mapping[str, int]] | None = None,
    readings: Sequence[str] = READINGS,
    trials: int = TRIALS,
) -> list[Slip]:
    """Try every slip that applies to a claim that is impossible in some readings, and read it in the same ways.

    `parts` are the class counts of the parts of its protocol; `trials` how many false figures are drawn.
    """
    false = _false_figures(claim, readings, trials)
    return [_tried(name, fits, claim, false, readings) for name, fits in _slips(claim, parts or {})]


def _tried(name: str, fits: _Fits, claim: Claim, false: Sequence[Claim], readings: Sequence[str]) -> Slip:
    answer = _fit(fits, claim, readings, deadline_in(_SECONDS))
    if not answer:
        return Slip(name, answer)
    deadline, rescued, trials = deadline_in(_SECONDS_FOR_RATE), 0, 0
    for other in false:
        found = _fit(fits, other, readings, deadline)
        if found is None:
            break
        rescued, trials = rescued + found, trials + 1
    return Slip(name, True, rescued, trials)


def _fit(fits: _Fits, claim: Claim, readings: Sequence[str], deadline: Deadline) -> bool | None:
    try:
        return any(fits(claim, reading, deadline) for reading in readings)
    except TimeoutError:
        return None


def _false_figures(claim: Claim, readings: Sequence[str], trials: int) -> list[Claim]:
    """Draw impossible figures near the claim, with as many digits; the same ones every time."""
    rng, found, deadline = np.random.default_rng(sum(claim.sizes)), list[Claim](), deadline_in(_SECONDS_FOR_RATE)
    for _ in range(10 * trials):
        printed = {}
        for name, (value, digits) in claim.printed.items():
            unit = 10**digits
            moved = int(value * unit) + int(rng.integers(-int(_MOVED * unit), int(_MOVED * unit) + 1))
            printed[name] = (Fraction(min(max(moved, 0), unit), unit), digits)
        other = Claim(claim.counts, printed)
        if is_possible(other, 0.5, readings) is False:
            found.append(other)
        try:
            deadline()
        except TimeoutError:
            break
        if len(found) == trials:
            break
    return found


def _slips(claim: Claim, parts: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, _Fits]]:
    both = {"uf1", "uar"} <= set(claim.printed)
    if both:
        yield "UF1 and UAR exchanged", _exchanged
        yield "accuracy in place of UAR", _accuracy_as_uar
    if both and len(claim.sizes) == 3 and sum(claim.sizes) <= _MOST_CLIPS:
        yield "macro precision in place of UAR", _linear(_F1, _PRECISION)
        yield "F1 of mean precision and mean recall in place of UF1", _f1_of_means
        yield "weighted F1 in place of UF1", _linear(_WEIGHTED_F1, _RECALL)
        yield "weighted F1 and accuracy in place of UF1 and UAR", _linear(_WEIGHTED_F1, _ACCURACY)
        yield "mean over runs or seeds", _mean_over_runs
        yield "predictions of a class that the protocol does not have", _outside
    if both or "uf1" in claim.printed:
        yield "mean over one more class, without clips", _one_more_class
    yield "a last digit off by one", _last_digit
    yield f"other clip counts, by at most {_CLIPS_NEAR} clips", _near_counts
    for part, counts in parts.items():
        if tuple(counts.values()) != claim.sizes:
            yield f"the figures of part {part}", _other_counts(tuple(counts.values()))


def _exchanged(claim: Claim, reading: str, deadline: Deadline) -> bool:
    spans = claim.spans(reading)
    spans["uf1"], spans["uar"] = spans["uar"], spans["uf1"]
    return find_matrix(claim.sizes, spans, deadline) is not None


def _last_digit(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try one figure up or down by one last digit, as from means of rounded scores."""
    moved = (claim.spans(reading, {name: step}) for name in claim.printed for step in (-1, 1))
    return any(find_matrix(claim.sizes, spans, deadline) is not None for spans in moved)


def _accuracy_as_uar(claim: Claim, reading: str, deadline: Deadline) -> bool:
    spans = claim.spans(reading)
    as_accuracy = _common(spans.pop("uar"), spans.get("acc"))
    return as_accuracy is not None and find_matrix(claim.sizes, spans | {"acc": as_accuracy}, deadline) is not None


def _common(one: Span, two: Span | None) -> Span | None:
    if two is None:
        return one
    low, high = max(one.low, two.low), min(one.high, two.high)
    return Span(low, high) if low <= high else None


def _one_more_class(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try means that are divided by one class more than there are."""
    grown, spans = Fraction(len(claim.sizes) + 1, len(claim.sizes)), claim.spans(reading)
    more = {name: Span(span.low * grown, span.high * grown) if name != "acc" else span for name, span in spans.items()}
    return find_matrix(claim.sizes, more, deadline) is not None


def _outside(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try predictions outside the classes: the same means, with fewer wrong predictions of every class."""
    sizes, spans = np.asarray(claim.sizes), claim.spans(reading)
    span = spans["uf1"]
    for found in diagonals(claim.sizes, spans, deadline):
        low, _ = f1_bounds(claim.sizes, found)
        high = (2 * found / (sizes + found)).mean(axis=1)
        fit = (low <= float(span.high)) & (high >= float(span.low) - _MARGIN)
        for diagonal in found[fit].tolist():
            wrong = sum(claim.sizes) - sum(diagonal)
            for outside in sorted({wrong * eighth // 8 for eighth in range(9)}):
                deadline()
                if columns_near(claim.sizes, diagonal, (span.low + span.high) / 2, span, deadline, outside):
                    return True
    return False


def _other_counts(counts: Counts) -> _Fits:
    return lambda claim, reading, deadline: find_matrix(counts, claim.spans(reading), deadline) is not None


def _near_counts(claim: Claim, reading: str, deadline: Deadline) -> bool:
    moves = product(range(-_CLIPS_NEAR, _CLIPS_NEAR + 1), repeat=len(claim.sizes))
    for move in sorted(moves, key=lambda each: sum(map(abs, each))):
        counts = [n + more for n, more in zip(claim.sizes, move, strict=True)]
        if 0 < sum(map(abs, move)) <= _CLIPS_NEAR and min(counts) > 0:
            deadline()
            if find_matrix(counts, claim.spans(reading), deadline) is not None:
                return True
    return False


def _mean_over_runs(claim: Claim, reading: str, _: Deadline) -> bool:
    """Whether no line separates the pair from all possible ones: a mean over enough runs comes as near as wanted.

    UF1 is bounded for each diagonal (:func:`f1_bounds`), so that this fits a little too often, never too rarely.
    """
    from scipy.optimize import linprog

    spans = claim.spans(reading)
    uar, uf1 = _envelope(claim.sizes)
    slack = 0.5 / _BINS
    rows = np.stack([uar, -uar, uf1, -uf1])
    ends = [spans["uar"].high, -spans["uar"].low, spans["uf1"].high, -spans["uf1"].low]
    limits = np.array([float(end) for end in ends]) + np.array([slack, slack, 0, 0])
    found_mean = linprog(np.zeros(len(uar)), rows, limits, np.ones((1, len(uar))), [1.0], bounds=(0, None))
    return bool(found_mean.status == 0)


@lru_cache(maxsize=8)
def _envelope(counts: tuple[int, ...]) -> tuple[Values, Values]:
    """Return the least and the greatest UF1 in every bin of UAR, as points."""
    least, most = np.full(_BINS + 1, np.inf), np.full(_BINS + 1, -np.inf)
    for found in diagonals(counts, {}, deadline_in(_SECONDS_FOR_RATE * 4)):
        low, high = f1_bounds(counts, found)
        place = np.rint((found / np.asarray(counts)).mean(axis=1) * _BINS).astype(np.int64)
        np.minimum.at(least, place, low)
        np.maximum.at(most, place, high)
    where = np.flatnonzero(np.isfinite(least))
    return np.concatenate([where, where]) / _BINS, np.concatenate([least[where], most[where]])


def _linear(as_uf1: _Score, as_uar: _Score) -> _Fits:
    """Return the test of two scores that are linear in the diagonal once the column sums are fixed."""

    def fits(claim: Claim, reading: str, deadline: Deadline) -> bool:
        spans = claim.spans(reading)
        limits = [(as_uf1, spans["uf1"]), (as_uar, spans["uar"])]
        limits += [(_ACCURACY, spans["acc"])] if "acc" in spans else []
        return any(True for _ in _fitting(claim.sizes, limits, deadline))

    return fits


def _f1_of_means(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try UF1 as 2PR / (P + R) of the mean precision P and the mean recall R: a P in an interval, R as printed."""
    spans = claim.spans(reading)
    uf1, uar = (Span(max(spans[name].low, Fraction(0)), spans[name].high) for name in ("uf1", "uar"))
    if 2 * uar.high <= uf1.low:
        return False
    low = uf1.low * uar.high / (2 * uar.high - uf1.low)
    high = uf1.high * uar.low / (2 * uar.low - uf1.high) if 2 * uar.low > uf1.high else Fraction(1)
    limits = [(_RECALL, uar), (_PRECISION, Span(low, min(high, Fraction(1))))]
    limits += [(_ACCURACY, spans["acc"])] if "acc" in spans else []
    for recall, precision in _fitting(claim.sizes, limits, deadline):
        both = precision + recall
        if uf1.holds(2 * precision * recall / both if both else Fraction(0)):
            return True
    return False


def _fitting(
    counts: Counts, limits: Sequence[tuple[_Score, Span]], deadline: Deadline
) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield the first two scores of matrices of three classes whose scores are all in their spans.

    For the column sums that :func:`_columns` leaves, all diagonals of two classes are tried at once; the third's range
    follows from every score.
    """
    for columns in _columns(counts, limits):
        deadline()
        most = [min(n, c) for n, c in zip(counts, columns, strict=True)]
        one, two = np.meshgrid(np.arange(most[0] + 1), np.arange(most[1] + 1), indexing="ij")
        low, high = np.zeros(one.shape), np.full(one.shape, float(most[2]))
        for score, span in limits:
            weights = [float(score.weights(n, max(c, 1), counts)) for n, c in zip(counts, columns, strict=True)]
            fixed = weights[0] * one + weights[1] * two
            low = np.maximum(low, (float(span.low) - _MARGIN - fixed) / weights[2])
            high = np.minimum(high, (float(span.high) + _MARGIN - fixed) / weights[2])
        third = np.ceil(low)
        for a, b in np.argwhere(third <= high).tolist():
            for c in range(int(third[a, b]), int(high[a, b]) + 1):
                found = _exact(counts, (a, b, c), columns, limits)
                if found is not None:
                    yield found


def _columns(counts: Counts, limits: Sequence[tuple[_Score, Span]]) -> list[tuple[int, int, int]]:
    """List the column sums for which the first score can be in its span while the second is, in a fixed random order.

    Both are linear in the diagonal d, 0 <= d_k <= min(n_k, c_k): by duality the first is at most
    lambda * second + sum max(0, a_k - lambda b_k) min(n_k, c_k), and the best lambda is a ratio a_k / b_k.
    """
    total = sum(counts)
    one, two = (grid.ravel() for grid in np.meshgrid(np.arange(total + 1), np.arange(total + 1), indexing="ij"))
    columns = np.stack([one, two, total - one - two], axis=1)[one + two <= total]
    columns = np.random.default_rng(0).permutation(columns)
    sizes = np.asarray(counts)
    most = np.minimum(sizes, columns)
    (first, first_span), (second, second_span) = limits[:2]
    a, b = (score.weights(sizes, np.maximum(columns, 1), counts) for score in (first, second))
    fit = (b * most).sum(axis=1) >= float(second_span.low) - _MARGIN
    for k in range(len(counts)):
        ratio = (a[:, k] / b[:, k])[:, None]
        over = (np.maximum(a - ratio * b, 0) * most).sum(axis=1) + ratio[:, 0] * float(second_span.high)
        under = (np.minimum(a - ratio * b, 0) * most).sum(axis=1) + ratio[:, 0] * float(second_span.low)
        fit &= (over >= float(first_span.low) - _MARGIN) & (under <= float(first_span.high) + _MARGIN)
    return [(x, y, z) for x, y, z in columns[fit].tolist()]


def _exact(
    counts: Counts, diagonal: Counts, columns: Counts, limits: Sequence[tuple[_Score, Span]]
) -> tuple[Fraction, Fraction] | None:
    """Return the first two scores as fractions where the matrix exists and all are in their spans."""
    if not is_matrix(counts, diagonal, columns):
        return None
    values = []
    for score, span in limits:
        classes = zip(counts, diagonal, columns, strict=True)
        weights = [score.weights(Fraction(n), Fraction(max(c, 1)), counts) for n, _, c in classes]
        value = sum((d * weight for d, weight in zip(diagonal, weights, strict=True)), Fraction(0))
        if not span.holds(value):
            return None
        values.append(value)
    return values[0], values[1]
