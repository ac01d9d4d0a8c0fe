"""Confusion matrices printed as shares of each class: which clip counts fit, and which figures follow.

A row of shares, rounded, fits n clips if whole numbers with sum n have these shares. Most n fit where few digits are
printed, so the share of n that fit is the power of this check.
"""

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from merbench.analysis.claims.matrices import Span
from merbench.contracts.errors import MerbenchError
from merbench.scoring.metrics import unweighted_f1

#: More matrices than these are bounded and not written out.
_MOST = 500_000

Cells = Sequence[Span]


class SharesOfClass(NamedTuple):
    """One row of the matrix: the `clips` asked about and whether they fit; which of 1..`tried` clips fit."""

    name: str
    clips: int | None
    fits: bool
    fitting: list[int]
    tried: int


def read_shares(text: str) -> list[list[Span]]:
    """Read ``97.1,1.5,1.4 / 20.0,70.0,10.0 / …``, rows true, in percent or in 0..1; MerbenchError names a bad row.

    Each cell is the interval that a rounded share stands for, both ends included.
    """
    lines = [line.split(",") for line in re.split(r"[/\n]", text.strip())]
    rows, size = [], len(lines)
    for number, line in enumerate(lines, start=1):
        cells = [re.fullmatch(r"(\d*)\.?(\d*)\s*%?", cell.strip()) for cell in line]
        if len(cells) != size or size < 2 or not all(cell and cell[1] + cell[2] for cell in cells):
            raise MerbenchError(
                f"--matrix, row {number}: expected {max(size, 2)} shares, as many as rows, like 97.1,1.5,1.4"
            )
        values = [Fraction(f"{cell[1] or 0}.{cell[2] or 0}") for cell in cells if cell]
        halves = [Fraction(1, 2 * 10 ** len(cell[2])) for cell in cells if cell]
        whole = 100 if sum(values) > 2 else 1
        if abs(sum(values, Fraction(-whole))) > sum(halves, Fraction(0)):
            raise MerbenchError(
                f"--matrix, row {number}: the shares sum to {float(sum(values)):g}, expected {whole} within rounding"
            )
        rows.append([
            Span(max((value - half) / whole, Fraction(0)), (value + half) / whole)
            for value, half in zip(values, halves, strict=True)
        ])  # fmt: skip
    return rows


def row_fits(row: Cells, clips: int) -> bool:
    """Whether whole numbers with this sum have the shares of a row."""
    low, high = _ends(row, clips)
    return all(a <= b for a, b in zip(low, high, strict=True)) and sum(low) <= clips <= sum(high)


def check_shares(rows: Sequence[Cells], names: Sequence[str], counts: Sequence[int] | None) -> list[SharesOfClass]:
    """Check each class; up to twice as many clips as it has are tried, 300 where its clips are not known."""
    found = []
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        clips = None if counts is None else counts[place]
        tried = 300 if clips is None else 2 * clips
        fitting = [n for n in range(1, tried + 1) if row_fits(row, n)]
        found.append(SharesOfClass(name, clips, clips is None or clips in fitting, fitting, tried))
    return found


def figures_of_shares(rows: Sequence[Cells], counts: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest UF1, UAR and accuracy of matrices with these shares; nothing if none exists.

    Exact where there are few enough matrices; else UF1 is bounded by the ends of every cell.
    """
    if not all(row_fits(row, n) for row, n in zip(rows, counts, strict=True)):
        return {}
    choices = []
    for row, n in zip(rows, counts, strict=True):
        low, high = _ends(row, n)
        if math.prod(b - a + 1 for a, b in zip(low[:-1], high[:-1], strict=True)) > _MOST:
            return _bounds(rows, counts)
        choices.append(np.array(list(_whole_numbers(low, high, n))))
    if math.prod(len(choice) for choice in choices) > _MOST:
        return _bounds(rows, counts)
    places = np.indices([len(choice) for choice in choices]).reshape(len(choices), -1)
    matrices = np.stack([choice[place] for choice, place in zip(choices, places, strict=True)], axis=1)
    right = matrices.diagonal(axis1=1, axis2=2)
    found = {
        "uf1": unweighted_f1(matrices.astype(np.float64)),
        "uar": (right / np.asarray(counts)).mean(axis=1),
        "acc": right.sum(axis=1) / sum(counts),
    }
    return {name: (float(values.min()), float(values.max())) for name, values in found.items()}


def _ends(row: Cells, clips: int) -> tuple[list[int], list[int]]:
    return [math.ceil(cell.low * clips) for cell in row], [math.floor(cell.high * clips) for cell in row]


def _whole_numbers(low: Sequence[int], high: Sequence[int], clips: int) -> Iterator[tuple[int, ...]]:
    for head in product(*(range(a, b + 1) for a, b in zip(low[:-1], high[:-1], strict=True))):
        if low[-1] <= clips - sum(head) <= high[-1]:
            yield (*head, clips - sum(head))


def _bounds(rows: Sequence[Cells], counts: Sequence[int]) -> dict[str, tuple[float, float]]:
    size = len(counts)
    low, high = (np.array([_ends(row, n)[end] for row, n in zip(rows, counts, strict=True)]) for end in (0, 1))
    n, right = np.asarray(counts), (low.diagonal(), high.diagonal())

    def f1(d: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> float:
        wrong = others.sum(axis=0) - others.diagonal()
        return float((2 * d / (n + d + wrong)).sum() / size)

    return {
        "uf1": (f1(right[0], high), f1(right[1], low)),
        "uar": tuple(float((d / n).mean()) for d in right),  # type: ignore[dict-item]
        "acc": tuple(float(d.sum() / sum(counts)) for d in right),  # type: ignore[dict-item]
    }
