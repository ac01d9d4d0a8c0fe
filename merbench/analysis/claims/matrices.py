"""Confusion matrices with given class counts and given scores: which exist, found by search over their margins.

With n_k clips of class k, d_k of them right and c_k predictions of it, the scores are UAR = mean d_k / n_k,
Acc = sum d_k / sum n_k and UF1 = mean 2 d_k / (n_k + c_k): they depend on the diagonal d and the column sums c alone.
A matrix with these margins exists if and only if, with r_k = n_k - d_k, s_k = c_k - d_k and R = sum r_k, all s_k >= 0,
sum s_k = R and r_k + s_k <= R for each k (a class is never confused with itself).

Whole numbers and fractions decide; floating point, with a margin far above its error, only passes over what can't fit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = Sequence[int]
Diagonals = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Deadline = Callable[[], None]

#: Far above the rounding error of a few sums and divisions, far below the last digit of any print.
_MARGIN = 1e-9
#: Diagonals in one array, about.
_CHUNK = 4096
#: With more classes the vertices are too many to try.
_MOST_FOR_VERTICES = 6


class Span(NamedTuple):
    """The values that a printed figure may stand for: an interval closed at both ends."""

    low: Fraction
    high: Fraction

    def holds(self, value: Fraction) -> bool:
        """Whether the interval has a value."""
        return self.low <= value <= self.high


def deadline_in(seconds: float) -> Deadline:
    """Return what raises `TimeoutError` when this process has computed for so long: the search has no answer then."""
    end = time.process_time() + seconds

    def check() -> None:
        if time.process_time() > end:
            raise TimeoutError

    return check


def scores(counts: Counts, diagonal: Counts, columns: Counts) -> dict[str, Fraction]:
    """Compute UF1, UAR and accuracy as fractions."""
    classes = list(zip(counts, diagonal, columns, strict=True))
    return {
        "uf1": sum((Fraction(2 * d, n + c) for n, d, c in classes), Fraction(0)) / len(counts),
        "uar": sum((Fraction(d, n) for n, d, _ in classes), Fraction(0)) / len(counts),
        "acc": Fraction(sum(diagonal), sum(counts)),
    }


def is_matrix(counts: Counts, diagonal: Counts, columns: Counts) -> bool:
    """Whether a confusion matrix has these row sums, diagonal and column sums."""
    rows, off = ([a - b for a, b in zip(sums, diagonal, strict=True)] for sums in (counts, columns))
    wrong = sum(rows)
    fits = min(diagonal) >= 0 and min(rows) >= 0 and min(off) >= 0 and sum(off) == wrong
    return fits and all(r + s <= wrong for r, s in zip(rows, off, strict=True))


def matrix_of(counts: Counts, diagonal: Counts, columns: Counts) -> list[list[int]]:
    """Fill a confusion matrix (rows true) with margins for which :func:`is_matrix` holds.

    Clips are placed one by one, from or to the class that has most left, which keeps the condition.
    """
    size = len(counts)
    rows, off = ([a - b for a, b in zip(sums, diagonal, strict=True)] for sums in (counts, columns))
    filled = [[diagonal[k] if j == k else 0 for j in range(size)] for k in range(size)]
    for _ in range(sum(rows)):
        first = max(range(size), key=lambda k: rows[k] + off[k])
        others = [k for k in range(size) if k != first]
        if rows[first]:
            row, column = first, max((k for k in others if off[k]), key=lambda k: rows[k] + off[k])
        else:
            row, column = max((k for k in others if rows[k]), key=lambda k: rows[k] + off[k]), first
        filled[row][column] += 1
        rows[row] -= 1
        off[column] -= 1
    return filled


def diagonals(counts: Counts, spans: Mapping[str, Span], deadline: Deadline) -> Iterator[Diagonals]:
    """Yield all diagonals whose UAR and accuracy are in their spans, as arrays (m, classes).

    All but the last two classes are fixed in turn, in an order that is random and always the same; integers decide.
    """
    size, common = len(counts), math.lcm(*counts)
    limits: list[tuple[list[int], int, int]] = []  # weights, and the ends of the weighted sum
    if span := spans.get("uar"):
        weights = [common // n for n in counts]
        limits.append((weights, math.ceil(span.low * size * common), math.floor(span.high * size * common)))
    if span := spans.get("acc"):
        limits.append(([1] * size, math.ceil(span.low * sum(counts)), math.floor(span.high * sum(counts))))
    if any(least > most for _, least, most in limits):
        return
    kind = np.int64 if size * common * 2 < 1 << 62 else object
    second, last = np.arange(counts[-2] + 1).astype(kind), counts[-1]
    kept, many_kept = [], 0
    for head in _heads(counts[:-2]):
        deadline()
        low, high = np.zeros(len(second), kind), np.full(len(second), last, kind)
        for weights, least, most in limits:
            fixed = sum(w * d for w, d in zip(weights, head, strict=False)) + weights[-2] * second
            low = np.maximum(low, -((fixed - least) // weights[-1]))
            high = np.minimum(high, (most - fixed) // weights[-1])
        many = np.maximum(high - low + 1, 0).astype(np.int64)
        if many.sum():
            place = np.repeat(np.arange(len(second)), many)
            ends = low[place] + np.arange(len(place)) - np.repeat(np.cumsum(many) - many, many)
            fixed_columns = [np.full(len(place), d) for d in head]
            kept.append(np.stack([*fixed_columns, place, ends.astype(np.int64)], axis=1))
            many_kept += len(place)
        if many_kept >= _CHUNK:
            yield np.concatenate(kept)
            kept, many_kept = [], 0
    if kept:
        yield np.concatenate(kept)


def _heads(counts: Counts) -> Iterator[tuple[int, ...]]:
    """Yield every choice of the first classes' diagonal, neighbours far apart."""
    total = math.prod(n + 1 for n in counts)
    step = next(s for s in range(int(total * 0.618), total + 2) if math.gcd(s, total) == 1) if total > 2 else 1
    for number in range(total):
        left, head = (number + 1) * step % total, []
        for n in counts:
            left, digit = divmod(left, n + 1)
            head.append(digit)
        yield tuple(head)


def f1_bounds(counts: Counts, found: Diagonals) -> tuple[Values, Values]:
    """Bound UF1 for each diagonal, whatever the column sums.

    UF1 is a convex function of them: by Cauchy and Schwarz at least (sum sqrt d_k)^2 / (classes * clips), and greatest
    at a vertex, where all but one s_k are 0 or all that they may be.
    """
    size, total = len(counts), sum(counts)
    right = found.astype(np.float64)
    low = np.sqrt(right).sum(axis=1) ** 2 / (size * total)
    rows = np.asarray(counts) - found
    if size > _MOST_FOR_VERTICES:
        return low - _MARGIN, (2 * right / (np.asarray(counts) + found)).mean(axis=1) + _MARGIN
    wrong = rows.sum(axis=1)
    room = wrong[:, None] - rows
    high = np.full(len(found), -np.inf)
    for free in range(size):
        for full in product((0, 1), repeat=size - 1):
            taken = room * np.insert(np.asarray(full), free, 0)
            rest = wrong - taken.sum(axis=1)
            taken[:, free] = rest
            valid = (rest >= 0) & (rest <= room[:, free])
            values = (2 * right / (np.asarray(counts) + found + np.maximum(taken, 0))).mean(axis=1)
            high = np.where(valid, np.maximum(high, values), high)
    return low - _MARGIN, high + _MARGIN


def columns_near(
    counts: Counts, diagonal: Counts, target: Fraction, span: Span | None, deadline: Deadline, outside: int = 0
) -> tuple[int, ...] | None:
    """Find column sums whose UF1 is in a span, nearest to its middle; with no span, nearest to `target`.

    Classes beyond the third from the end are fixed in turn; the last three are tried as one array. `outside`
    predictions are of a class that no clip has.
    """
    rows = [n - d for n, d in zip(counts, diagonal, strict=True)]
    wrong, size = sum(rows), len(counts)
    room = [wrong - r for r in rows]
    reach = float(max(span.high - target, target - span.low)) + _MARGIN if span else math.inf
    best: tuple[Fraction, tuple[int, ...]] | None = None
    corners = product(*({0, u} for u in room[:-3])) if room[:-3] else ()
    for head in chain(corners, _heads(room[:-3])):
        deadline()
        rest = wrong - outside - sum(head)
        if not 0 <= rest <= sum(room[-3:]) or (span and not _may_fit(counts, diagonal, head, rest, span)):
            continue
        tail = _tails(room[-3:], rest)
        off = np.concatenate([np.tile(np.asarray(head, np.int64), (len(tail), 1)), tail], axis=1)
        values = (2 * np.asarray(diagonal) / (np.asarray(counts) + np.asarray(diagonal) + off)).sum(axis=1) / size
        away = np.abs(values - float(target))
        limit = min(reach, float(away.min(initial=math.inf)) + _MARGIN) if span is None else reach
        close = np.flatnonzero(away <= limit)
        for index in close[np.argsort(away[close], kind="stable")].tolist():
            columns = tuple(d + s for d, s in zip(diagonal, off[index].tolist(), strict=True))
            value = scores(counts, diagonal, columns)["uf1"]
            if span is not None and span.holds(value):
                return columns
            if span is None and (best is None or abs(value - target) < best[0]):
                best = (abs(value - target), columns)
    return None if best is None else best[1]


def _may_fit(counts: Counts, diagonal: Counts, head: Counts, rest: int, span: Span) -> bool:
    """Whether UF1 may be in the span with the first s_k fixed; bounds as in :func:`f1_bounds`."""
    least = [n + d for n, d in zip(counts, diagonal, strict=True)]
    first = sum(2 * d / (x + s) for d, x, s in zip(diagonal, least, head, strict=False))
    tail = list(zip(diagonal, least, strict=True))[len(head) :]
    low = first + sum(math.sqrt(2 * d) for d, _ in tail) ** 2 / (rest + sum(x for _, x in tail))
    high = first + sum(2 * d / x for d, x in tail)
    size = len(counts)
    return low / size <= float(span.high) + _MARGIN and high / size >= float(span.low) - _MARGIN


def _tails(room: Sequence[int], rest: int) -> Diagonals:
    """List the s of the last classes (two or three) that sum to `rest`, each within its room."""
    if len(room) == 2:
        first = np.arange(max(0, rest - room[1]), min(room[0], rest) + 1)
        return np.stack([first, rest - first], axis=1)
    first, second = (grid.ravel() for grid in np.meshgrid(*(np.arange(u + 1) for u in room[:2]), indexing="ij"))
    third = rest - first - second
    valid = (third >= 0) & (third <= room[2])
    return np.stack([first, second, third], axis=1)[valid]


def find_matrix(
    counts: Counts, spans: Mapping[str, Span], deadline: Deadline
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Find the diagonal and the column sums of a matrix whose scores are all in their spans; None if none exists.

    Raises `TimeoutError` where the time was too short to say.
    """
    order = sorted(range(len(counts)), key=lambda k: counts[k])  # the two largest classes are tried as one array
    sizes, span = [counts[k] for k in order], spans.get("uf1")
    for found in diagonals(sizes, spans, deadline):
        if span is None:
            chosen = tuple(found[0].tolist())
            return _restored(order, chosen, _any_columns(sizes, chosen))
        for diagonal in _worth_trying(sizes, found, span):
            deadline()
            columns = columns_near(sizes, diagonal, (span.low + span.high) / 2, span, deadline)
            if columns is not None:
                return _restored(order, diagonal, columns)
    return None


def _worth_trying(counts: Counts, found: Diagonals, span: Span) -> Iterator[tuple[int, ...]]:
    """Yield the diagonals whose bounds allow a UF1 in the span, those with most room on both sides first."""
    low, high = f1_bounds(counts, found)
    slack = np.minimum(float(span.high) - low, high - float(span.low))
    fit = np.flatnonzero(slack >= 0)
    for index in fit[np.argsort(-slack[fit], kind="stable")].tolist():
        yield tuple(found[index].tolist())


def _any_columns(counts: Counts, diagonal: Counts) -> tuple[int, ...]:
    """Return the column sums of some matrix with this diagonal."""
    wrong = sum(counts) - sum(diagonal)
    columns, rest = [], wrong
    for n, d in zip(counts, diagonal, strict=True):
        taken = min(rest, wrong - (n - d))
        columns.append(d + taken)
        rest -= taken
    return tuple(columns)


def _restored(order: Sequence[int], diagonal: Counts, columns: Counts) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Put margins back into the order of the classes."""
    back = sorted(range(len(order)), key=lambda place: order[place])
    return tuple(diagonal[k] for k in back), tuple(columns[k] for k in back)


def nearest_uf1(counts: Counts, target: Fraction, spans: Mapping[str, Span], deadline: Deadline) -> Fraction | None:
    """Return the UF1 nearest to `target` among matrices whose other scores are in their spans."""
    candidates: list[tuple[float, tuple[int, ...]]] = []
    for found in diagonals(counts, spans, deadline):
        low, high = f1_bounds(counts, found)
        away = np.maximum(np.maximum(low - float(target), float(target) - high), 0.0)
        candidates += zip(away.tolist(), map(tuple, found.tolist()), strict=True)
    best: Fraction | None = None
    for away_of, diagonal in sorted(candidates):
        if best is not None and away_of > float(abs(best - target)) + _MARGIN:
            break
        columns = columns_near(counts, diagonal, target, None, deadline)
        assert columns is not None
        value = scores(counts, diagonal, columns)["uf1"]
        if best is None or abs(value - target) < abs(best - target):
            best = value
    return best


def nearest_of_diagonal(
    counts: Counts, figure: str, target: Fraction, spans: Mapping[str, Span], deadline: Deadline
) -> Fraction | None:
    """Return the UAR or accuracy nearest to `target` among matrices whose other scores are in their spans."""
    span, size = spans.get("uf1"), len(counts)
    weights = np.array([1 / (size * n) if figure == "uar" else 1 / sum(counts) for n in counts])
    kept, values = [], []
    for found in diagonals(counts, {name: of for name, of in spans.items() if name != figure}, deadline):
        if span is not None:
            low, high = f1_bounds(counts, found)
            found = found[(low <= float(span.high)) & (high >= float(span.low))]
        kept.append(found)
        values.append(np.abs(found @ weights - float(target)))
    if not kept:
        return None
    every, away = np.concatenate(kept), np.concatenate(values)
    for index in np.argsort(away, kind="stable").tolist():
        deadline()
        diagonal = tuple(every[index].tolist())
        if span is None or columns_near(counts, diagonal, (span.low + span.high) / 2, span, deadline):
            return scores(counts, diagonal, counts)[figure]
    return None
