"""Scores that are linear in the diagonal of a confusion matrix once its column sums are fixed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from merbench.analysis.claims.claim import Claim
from merbench.analysis.claims.matrices import Counts, Deadline, Span, Values

#: Whether figures, read in a way, fit a computation; TimeoutError without an answer.
Fits = Callable[[Claim, str, Deadline], bool]


class Score(NamedTuple):
    """A mean over classes, or weighted by clips, of the right clips of a class divided by a function of n and c."""

    weight: Callable[[Any, Any], Any]
    weighted: bool = False

    def weights(self, n: Any, c: Any, counts: Counts) -> Any:
        """Return what each right clip of a class of n clips adds if c clips are predicted as it, c above 0."""
        return self.weight(n, c) * (n / sum(counts) if self.weighted else n / (n * len(counts)))


F1 = Score(lambda n, c: 2 / (n + c))
RECALL = Score(lambda n, c: 1 / (n + 0 * c))
PRECISION = Score(lambda n, c: 1 / (c + 0 * n))
WEIGHTED_F1 = Score(F1.weight, weighted=True)
ACCURACY = Score(RECALL.weight, weighted=True)


def in_hull(other: Values, uf1: Values, other_span: Span, uf1_span: Span, slack: float = 0.0) -> bool:
    """Whether some mean of points (other, UF1) is in both intervals, the first widened by `slack`."""
    from scipy.optimize import linprog

    rows = np.stack([other, -other, uf1, -uf1])
    ends = [other_span.high, -other_span.low, uf1_span.high, -uf1_span.low]
    limits = np.array([float(end) for end in ends]) + np.array([slack, slack, 0, 0])
    found = linprog(np.zeros(len(other)), rows, limits, np.ones((1, len(other))), [1.0], bounds=(0, None))
    return bool(found.status == 0)
