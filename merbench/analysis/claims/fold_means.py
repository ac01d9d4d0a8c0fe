"""Figures as means over the folds, each of a fold's own confusion matrix, in place of one pooled matrix."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product
from typing import Any, Literal

import numpy as np

from merbench.analysis.claims.claim import Claim
from merbench.analysis.claims.matrices import Counts, Deadline, Span, Values
from merbench.analysis.claims.scores import Fits

#: Over which classes a fold's means are: those of its clips; those of its clips or predictions, as scikit-learn does;
#: or all, those without clips counted as 0.
_Classes = Literal["true", "seen", "all"]
_CLASSES: tuple[_Classes, ...] = ("true", "seen", "all")
#: Matrices of a fold that are tried; and of so many folds, those with most clips, two are changed at a time.
_MATRICES, _FOLDS = 300, 12

_Matrix = tuple[tuple[int, ...], ...]


def means_over_folds(folds: Sequence[Counts]) -> Fits:
    """Return the test of figures that are means over folds with these clips of each class; accuracy also as pooled.

    From matrices near the figures, those of any two folds are changed: TimeoutError if that is not enough to say. Since
    2r / (1 + r) is concave in a recall r, a mean UF1 above that of the mean recall is excluded.
    """

    def fits(claim: Claim, reading: str, deadline: Deadline) -> bool:
        spans = claim.spans(reading)
        if "uar" in spans and spans["uf1"].low > 2 * spans["uar"].high / (1 + spans["uar"].high):
            return False
        ways = list(product(_CLASSES, (False, True) if "acc" in spans else (False,)))
        for start in range(10**6):
            classes, pooled = ways[start % len(ways)]
            if _found(folds, spans, classes, pooled, np.random.default_rng(start), deadline):
                return True
        raise TimeoutError

    return fits


def _found(
    folds: Sequence[Counts], spans: dict[str, Span], classes: _Classes, pooled: bool, rng: Any, deadline: Deadline
) -> bool:
    """Search from one choice of matrices, about as good as the figures."""
    tables = [_matrices(tuple(fold), classes) for fold in folds]
    names, many, clips = list(spans), len(folds), sum(map(sum, folds))
    scaled = [values[:, [_PLACE[name] for name in names]] for _, values in tables]
    if pooled:
        for fold, values in zip(folds, scaled, strict=True):
            values[:, names.index("acc")] *= sum(fold) * many / clips
    low, high = (np.array([float(getattr(spans[name], end)) for name in names]) * many for end in ("low", "high"))
    middle = (low + high) / 2 / many
    chosen = [int(np.argmin(np.abs(values - middle + rng.normal(0, 0.2, len(names))).sum(axis=1))) for values in scaled]
    total = np.sum([values[place] for values, place in zip(scaled, chosen, strict=True)], axis=0)
    for fold in np.tile(rng.permutation(many), 3).tolist():  # towards the figures, fold by fold
        rest = total - scaled[fold][chosen[fold]]
        chosen[fold] = int(np.argmin(np.abs(scaled[fold] + rest - middle * many).sum(axis=1)))
        total = rest + scaled[fold][chosen[fold]]
    largest = sorted(range(many), key=lambda place: -len(scaled[place]))[:_FOLDS]
    for one, two in combinations(largest, 2):
        deadline()
        rest = total - scaled[one][chosen[one]] - scaled[two][chosen[two]]
        sums = scaled[one][:, None] + scaled[two][None] + rest
        near = np.argwhere(((sums > low - 1e-9) & (sums < high + 1e-9)).all(axis=2))
        for a, b in near[:20].tolist():
            taken = [*chosen]
            taken[one], taken[two] = a, b
            matrices = [table[place] for (table, _), place in zip(tables, taken, strict=True)]
            if _exact(matrices, spans, classes, pooled):
                return True
    return False


_PLACE = {"uf1": 0, "uar": 1, "acc": 2}


@lru_cache(maxsize=512)
def _matrices(counts: tuple[int, ...], classes: _Classes) -> tuple[list[_Matrix], Values]:
    """Return some matrices of a fold, all if there are few, and their scores."""
    rng, found = np.random.default_rng(sum(counts)), dict[_Matrix, None]()
    size = len(counts)
    for _ in range(4 * _MATRICES):
        shares = rng.dirichlet(np.full(size, 0.7), size) + np.eye(size) * rng.uniform(0, 3)
        rows = [rng.multinomial(n, share / share.sum()) for n, share in zip(counts, shares, strict=True)]
        found[tuple(tuple(row.tolist()) for row in rows)] = None
        if len(found) >= _MATRICES:
            break
    kept = list(found)
    return kept, np.array([[float(value) for value in _scores(matrix, classes)] for matrix in kept])


def _scores(matrix: _Matrix, classes: _Classes) -> tuple[Fraction, Fraction, Fraction]:
    """Compute UF1, UAR and accuracy of a fold."""
    rows, columns = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix, strict=True)]
    kept = [k for k in range(len(rows)) if classes == "all" or rows[k] or (classes == "seen" and columns[k])]
    right = [matrix[k][k] for k in range(len(rows))]
    uf1 = sum((Fraction(2 * right[k], rows[k] + columns[k]) for k in kept if rows[k] + columns[k]), Fraction(0))
    uar = sum((Fraction(right[k], rows[k]) for k in kept if rows[k]), Fraction(0))
    return uf1 / len(kept), uar / len(kept), Fraction(sum(right), sum(rows))


def _exact(matrices: Sequence[_Matrix], spans: dict[str, Span], classes: _Classes, pooled: bool) -> bool:
    """Whether the means over these folds are in the intervals, by fractions."""
    found = [_scores(matrix, classes) for matrix in matrices]
    means = {name: sum((each[place] for each in found), Fraction(0)) / len(found) for name, place in _PLACE.items()}
    if pooled:
        right = sum(matrix[k][k] for matrix in matrices for k in range(len(matrix)))
        means["acc"] = Fraction(right, sum(sum(row) for matrix in matrices for row in matrix))
    return all(span.holds(means[name]) for name, span in spans.items())
