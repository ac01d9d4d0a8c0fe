"""Other computations over confusion matrices of three classes: scores that depend on all column sums, tried exactly.

A score is linear in the diagonal once the column sums are fixed. Fractions decide; floating point, with a margin far
above its error, only passes over what can't fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from merbench.analysis.claims.claim import Claim
from merbench.analysis.claims.matrices import (
    Counts,
    Deadline,
    Span,
    Values,
    columns_near,
    deadline_in,
    diagonals,
    f1_bounds,
    is_matrix,
    scores,
)
from merbench.analysis.claims.scores import ACCURACY, PRECISION, RECALL, Fits, Score, in_hull

_MARGIN = 1e-9
_SECONDS_FOR_ENVELOPE = 12.0
#: Bins of UAR or accuracy for means over runs.
_BINS = 2000


def outside_the_classes(claim: Claim, reading: str, deadline: Deadline) -> bool:
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


def over_predicted_classes(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try means over the classes that are predicted at all: one is not, and counts in none or in UAR alone."""
    spans, total = claim.spans(reading), sum(claim.sizes)
    for never in range(len(claim.sizes)):
        one, two = (place for place in range(len(claim.sizes)) if place != never)
        sizes = claim.sizes[one], claim.sizes[two]
        right = [grid.ravel() for grid in np.meshgrid(*(np.arange(n + 1) for n in sizes), indexing="ij")]
        uar, acc = right[0] / sizes[0] + right[1] / sizes[1], (right[0] + right[1]) / total
        fit = np.ones(len(acc), bool)
        if "uar" in spans:
            fit &= _near(uar / 2, spans["uar"]) | _near(uar / 3, spans["uar"])
        if "acc" in spans:
            fit &= _near(acc, spans["acc"])
        for first, second in zip(right[0][fit].tolist(), right[1][fit].tolist(), strict=True):
            deadline()
            columns = np.arange(first, total - second + 1)
            uf1 = (2 * first / (sizes[0] + columns) + 2 * second / (sizes[1] + total - columns)) / 2
            for column in columns[_near(uf1, spans["uf1"])].tolist():
                if _gives_figures(claim.sizes, (one, two), (first, second), column, spans):
                    return True
    return False


def _near(values: Values, span: Span) -> npt.NDArray[np.bool_]:
    return (values >= float(span.low) - _MARGIN) & (values <= float(span.high) + _MARGIN)


def _gives_figures(
    counts: Counts, places: tuple[int, int], right: tuple[int, int], column: int, spans: Mapping[str, Span]
) -> bool:
    """Whether the matrix exists in which two classes are predicted, `column` times the first, and fits exactly."""
    diagonal, columns = [0, 0, 0], [0, 0, 0]
    for place, d, c in zip(places, right, (column, sum(counts) - column), strict=True):
        diagonal[place], columns[place] = d, c
    found = scores(counts, diagonal, columns)
    fits = spans["uf1"].holds(found["uf1"] * 3 / 2)
    fits &= "uar" not in spans or spans["uar"].holds(found["uar"]) or spans["uar"].holds(found["uar"] * 3 / 2)
    fits &= "acc" not in spans or spans["acc"].holds(found["acc"])
    return fits and is_matrix(counts, diagonal, columns)


def mean_over_runs(claim: Claim, reading: str, _: Deadline) -> bool:
    """Whether no line separates the pair from all possible ones: a mean over enough runs comes as near as wanted.

    The pair is UF1 and UAR, or UF1 and accuracy. UF1 is bounded for each diagonal
    (:func:`merbench.analysis.claims.matrices.f1_bounds`), so that this fits a little too often, never too rarely.
    """
    spans = claim.spans(reading)
    name = "uar" if "uar" in spans else "acc"
    other, uf1 = _envelope(claim.sizes, name)
    return in_hull(other, uf1, spans[name], spans["uf1"], 0.5 / _BINS)


@lru_cache(maxsize=8)
def _envelope(counts: tuple[int, ...], name: str) -> tuple[Values, Values]:
    """Return the least and the greatest UF1 in every bin of UAR or accuracy, as points."""
    least, most = np.full(_BINS + 1, np.inf), np.full(_BINS + 1, -np.inf)
    for found in diagonals(counts, {}, deadline_in(_SECONDS_FOR_ENVELOPE)):
        low, high = f1_bounds(counts, found)
        values = (found / np.asarray(counts)).mean(axis=1) if name == "uar" else found.sum(axis=1) / sum(counts)
        place = np.rint(values * _BINS).astype(np.int64)
        np.minimum.at(least, place, low)
        np.maximum.at(most, place, high)
    where = np.flatnonzero(np.isfinite(least))
    return np.concatenate([where, where]) / _BINS, np.concatenate([least[where], most[where]])


def linear(**computed: Score) -> Fits:
    """Return the test of scores that are linear in the diagonal once the column sums are fixed: figure -> its score.

    Figures that are not printed are passed over; an accuracy that is printed holds as such.
    """

    def fits(claim: Claim, reading: str, deadline: Deadline) -> bool:
        spans = claim.spans(reading)
        limits = [(score, spans[name]) for name, score in ({"acc": ACCURACY} | computed).items() if name in spans]
        limits.sort(key=lambda limit: limit[0] is ACCURACY)
        return any(True for _ in _fitting(claim.sizes, limits, deadline))

    return fits


def limits_of_f1_of_means(claim: Claim, reading: str) -> tuple[Span, list[tuple[Score, Span]]] | None:
    """Return UF1 as printed, and what its being 2PR / (P + R) of the mean precision P and recall R leaves of both.

    R is as printed, so P is in an interval; None where that is empty.
    """
    spans = claim.spans(reading)
    uf1, uar = (Span(max(spans[name].low, Fraction(0)), spans[name].high) for name in ("uf1", "uar"))
    if 2 * uar.high <= uf1.low:
        return None
    low = uf1.low * uar.high / (2 * uar.high - uf1.low)
    high = uf1.high * uar.low / (2 * uar.low - uf1.high) if 2 * uar.low > uf1.high else Fraction(1)
    if low > 1:
        return None
    limits = [(RECALL, uar), (PRECISION, Span(low, min(high, Fraction(1))))]
    return uf1, limits + ([(ACCURACY, spans["acc"])] if "acc" in spans else [])


def harmonic(precision: Fraction, recall: Fraction) -> Fraction:
    """Return 2PR / (P + R)."""
    return 2 * precision * recall / (precision + recall) if precision + recall else Fraction(0)


def f1_of_means(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try UF1 as 2PR / (P + R) of the mean precision P and the mean recall R."""
    found = limits_of_f1_of_means(claim, reading)
    if found is None:
        return False
    uf1, limits = found
    return any(uf1.holds(harmonic(precision, recall)) for recall, precision in _fitting(claim.sizes, limits, deadline))


def _fitting(
    counts: Counts, limits: Sequence[tuple[Score, Span]], deadline: Deadline
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


def _columns(counts: Counts, limits: Sequence[tuple[Score, Span]]) -> list[tuple[int, int, int]]:
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
    counts: Counts, diagonal: Counts, columns: Counts, limits: Sequence[tuple[Score, Span]]
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
