"""Other computations over confusion matrices of more than three classes, which are too many to list.

Column sums are drawn at random, the same ones every time; with them fixed, scores are linear in the diagonal, and a
diagonal is found by integer programming. What is found is checked by fractions. What is not found is undecided
(`TimeoutError`), unless a bound proves that there is none.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count, product

import numpy as np

from merbench.analysis.claims.claim import Claim
from merbench.analysis.claims.matrices import Counts, Deadline, Diagonals, Span, Values, is_matrix
from merbench.analysis.claims.scores import ACCURACY, F1, PRECISION, RECALL, Fits, Score, in_hull
from merbench.analysis.claims.three_classes import harmonic, limits_of_f1_of_means

#: Column sums are drawn around the class counts, each time with another of these weights.
_WEIGHTS = (4.0, 15.0, 60.0)
#: Matrices of so many classes at most have their corners listed; and so many matrices are drawn beside them.
_MOST_FOR_CORNERS, _DRAWN = 8, 2000

Limits = Sequence[tuple[Score, Span]]


def linear_of_many(**computed: Score) -> Fits:
    """Return the test of scores that are linear once the column sums are fixed, as `three_classes.linear`."""

    def fits(claim: Claim, reading: str, deadline: Deadline) -> bool:
        spans = claim.spans(reading)
        limits = [(score, spans[name]) for name, score in ({"acc": ACCURACY} | computed).items() if name in spans]
        return _any(claim.sizes, [limits], deadline)

    return fits


def f1_of_means_of_many(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try UF1 as 2PR / (P + R) of the mean precision P and the mean recall R."""
    found = limits_of_f1_of_means(claim, reading)
    if found is None or _excluded(claim.sizes, found[1]):
        return False
    uf1, limits = found
    fitting = _fitting(claim.sizes, [limits], deadline)
    if any(uf1.holds(harmonic(precision, recall)) for recall, precision, *_ in fitting):
        return True
    raise TimeoutError


def over_predicted_of_many(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try means over the classes that are predicted at all: one is not, and counts in none or in UAR alone."""
    spans, size = claim.spans(reading), len(claim.sizes)
    fewer = Fraction(size - 1, size)
    shrunk = {name: Span(span.low * fewer, span.high * fewer) for name, span in spans.items() if name != "acc"}
    fixed = {"acc": spans["acc"]} if "acc" in spans else {}
    scores = {"uf1": F1, "uar": RECALL, "acc": ACCURACY}
    ways = [shrunk | fixed, *([shrunk | fixed | {"uar": spans["uar"]}] if "uar" in spans else [])]
    tried = [[(scores[name], span) for name, span in way.items()] for way in ways]
    return _any(claim.sizes, tried, deadline, one_less=True)


def mean_over_runs_of_many(claim: Claim, reading: str, _: Deadline) -> bool:
    """Whether the pair lies among possible ones, so that a mean over enough runs comes as near as wanted.

    The pair is UF1 and UAR, or UF1 and accuracy; TimeoutError where it lies among none of those that are tried, and no
    bound excludes it.
    """
    spans = claim.spans(reading)
    name = "uar" if "uar" in spans else "acc"
    matrices = _some_matrices(claim.sizes)
    right, rows, columns = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=2), matrices.sum(axis=1)
    uf1 = (2 * right / (rows + columns)).mean(axis=1)
    other = (right / rows).mean(axis=1) if name == "uar" else right.sum(axis=1) / sum(claim.sizes)
    if in_hull(other, uf1, spans[name], spans["uf1"]):
        return True
    if name == "uar" and _above_the_bound(spans["uf1"], spans["uar"]):  # of every run, so also of their mean
        return False
    raise TimeoutError


def _some_matrices(counts: Counts) -> Values:
    """Return matrices with these row sums: corners, where each class is all right or all predicted as one other."""
    size, found = len(counts), []
    kept = product((0, 1), repeat=size) if size <= _MOST_FOR_CORNERS else []
    for right, to in product(kept, range(size)):
        matrix = np.zeros((size, size))
        for k, n in enumerate(counts):
            matrix[k, k if right[k] else (to if to != k else (k + 1) % size)] = n
        found.append(matrix)
    rng = np.random.default_rng(0)
    for _ in range(_DRAWN):
        shares = rng.dirichlet(np.full(size, 0.3), size) + np.eye(size) * rng.uniform(0, 2, size)[:, None]
        drawn = [rng.multinomial(n, share / share.sum()) for n, share in zip(counts, shares, strict=True)]
        found.append(np.array(drawn, dtype=float))
    return np.array(found)


def _any(counts: Counts, ways: Sequence[Limits], deadline: Deadline, one_less: bool = False) -> bool:
    """Whether a matrix is found whose scores are in the intervals of one of the ways."""
    left = [limits for limits in ways if not _excluded(counts, limits)]
    return any(True for _ in _fitting(counts, left, deadline, one_less)) if left else False


def _excluded(counts: Counts, limits: Limits) -> bool:
    """Whether bounds prove that no matrix has scores in these intervals.

    An accuracy is a number of clips of all; and F1 = 2r / (1 + r) at most, of a recall or a precision r, is concave, so
    that a mean F1 is at most that of the mean recall or precision with the same weights (Jensen).
    """
    total, ends = sum(counts), {id(score): span for score, span in limits}
    acc = ends.get(id(ACCURACY))
    if acc is not None and -(-acc.low * total // 1) > acc.high * total // 1:
        return True
    if any(span.low > 1 or span.high < 0 for span in ends.values()):
        return True
    pairs = [(f1, mean) for f1, f1_span in limits for mean, _ in limits
             if f1 is not mean and f1.weight is F1.weight and mean.weight in (RECALL.weight, PRECISION.weight)
             and f1.weighted is mean.weighted]  # fmt: skip
    return any(_above_the_bound(ends[id(f1)], ends[id(mean)]) for f1, mean in pairs)


def _above_the_bound(f1: Span, mean: Span) -> bool:
    return f1.low > 2 * mean.high / (1 + mean.high) if mean.high > -1 else True


def _fitting(
    counts: Counts, ways: Sequence[Limits], deadline: Deadline, one_less: bool = False
) -> Iterator[tuple[Fraction, ...]]:
    """Yield the scores of matrices whose scores are in all intervals of a way, until the deadline ends the search.

    With `one_less` one class has no predictions, each in turn.
    """
    for columns in _some_columns(counts, one_less):
        for limits in ways:
            deadline()
            diagonal = _diagonal(counts, columns, limits)
            values = None if diagonal is None else _exact(counts, diagonal, columns.tolist(), limits)
            if values is not None:
                yield values


def _some_columns(counts: Counts, one_less: bool) -> Iterator[Diagonals]:
    rng, total = np.random.default_rng(0), sum(counts)
    shares = np.asarray(counts, float) / total
    for number in count():
        drawn = rng.dirichlet(shares * _WEIGHTS[number % len(_WEIGHTS)] + 0.2)
        if one_less:
            drawn[number % len(counts)] = 0.0
        yield rng.multinomial(total, drawn / drawn.sum())


def _diagonal(counts: Counts, columns: Diagonals, limits: Limits) -> list[int] | None:
    """Find a diagonal with these column sums by integer programming, up to the rounding of its solver."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    sizes, size = np.asarray(counts), len(counts)
    weights = np.array([score.weights(sizes, np.maximum(columns, 1), counts) + 0 * sizes for score, _ in limits])
    scale = 1 / np.abs(weights).max(axis=1)  # the solver's tolerance is absolute
    ends = np.array([[float(span.low), float(span.high)] for _, span in limits]) * scale[:, None]
    room = sum(counts) - sizes - columns  # r_k + s_k <= R, see `matrices`
    rules = [
        LinearConstraint(weights * scale[:, None], ends[:, 0], ends[:, 1]),
        LinearConstraint(np.ones((size, size)) - 2 * np.eye(size), -np.inf, room),
    ]
    found = milp(
        np.zeros(size), integrality=np.ones(size), bounds=Bounds(np.zeros(size), np.minimum(sizes, columns)),
        constraints=rules, options={"time_limit": 0.5},
    )  # fmt: skip
    return None if found.x is None else [round(value) for value in found.x]


def _exact(counts: Counts, diagonal: Counts, columns: Counts, limits: Limits) -> tuple[Fraction, ...] | None:
    """Return the scores as fractions where the matrix exists and all are in their intervals."""
    if not is_matrix(counts, diagonal, columns):
        return None
    values = []
    for score, span in limits:
        weights = [
            score.weights(Fraction(n), Fraction(max(c, 1)), counts) for n, c in zip(counts, columns, strict=True)
        ]
        value = sum((d * weight for d, weight in zip(diagonal, weights, strict=True)), Fraction(0))
        if not span.holds(value):
            return None
        values.append(value)
    return tuple(values)
