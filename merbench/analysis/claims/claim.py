"""Claims: whether a confusion matrix with given class counts gives the figures that a paper prints.

The answer is *possible*, with an example and the power of the check; *impossible* as one pooled confusion matrix of
these counts, with the nearest figures that are possible and the named slips that fit (:mod:`.slips`); or *undecided*
in the time. Possible never confirms a figure: on small classes most pairs of figures are possible.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Literal

from merbench.analysis.claims.matrices import (
    Deadline,
    Span,
    deadline_in,
    find_matrix,
    matrix_of,
    nearest_of_diagonal,
    nearest_uf1,
)
from merbench.contracts.errors import MerbenchError

#: Figures that a claim may have, and how they are printed.
FIGURES = {"uf1": "UF1", "uar": "UAR", "acc": "Acc"}
#: How a printed figure was shortened.
READINGS = ("rounded", "truncated")
Verdict = Literal["possible", "impossible", "undecided"]
#: A search without an answer is ended after so many seconds.
SECONDS = 10.0

#: Neighbours for the power: so many last digits up and down, by the number of figures; less for many classes.
_REACH = {1: 10, 2: 4, 3: 2}
_SECONDS_FOR_POWER = 4.0


@dataclass(frozen=True)
class Claim:
    """Figures as printed, for clips of known classes.

    `printed` has a `Fraction` and its number of decimals for each figure; `counts` the clips of each class. `method`,
    `protocol` and `part` say whose figures they are, where known.
    """

    counts: Mapping[str, int]
    printed: Mapping[str, tuple[Fraction, int]]
    method: str = ""
    protocol: str = ""
    part: str = ""

    @property
    def label(self) -> str:
        """The name of a row of claims."""
        return f"{self.method} {self.part}".strip()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The clips of each class."""
        return tuple(self.counts.values())

    def spans(self, reading: str, shifts: Mapping[str, int] | None = None) -> dict[str, Span]:
        """Return the values that each figure stands for, both ends included; `shifts` move it by last digits."""
        spans = {}
        for name, (value, digits) in self.printed.items():
            unit = Fraction(1, 10**digits)
            value += unit * (shifts or {}).get(name, 0)
            spans[name] = (
                Span(value - unit / 2, value + unit / 2) if reading == "rounded" else Span(value, value + unit)
            )
        return spans


@dataclass(frozen=True)
class Answer:
    """What arithmetic says of a claim.

    `reading` is how the figures were shortened where the claim is possible, and `matrix` an example; `power` the share
    of its `neighbours` (figures that differ in last digits) that are possible too. Where it is impossible, `nearest`
    has for each figure the possible value nearest to the print while the others stay as printed (None: none is); each
    of `alone` is not possible even by itself.
    """

    claim: Claim
    verdict: Verdict
    reading: str = ""
    matrix: Sequence[Sequence[int]] = ()
    power: float | None = None
    neighbours: int = 0
    nearest: Mapping[str, Fraction | None] | None = None
    alone: tuple[str, ...] = ()

    @property
    def refused(self) -> Sequence[str]:
        """The readings in which the claim is impossible."""
        if self.verdict == "possible":
            return READINGS[: READINGS.index(self.reading)]
        return READINGS if self.verdict == "impossible" else ()


def read_figure(name: str, text: str, percent: bool = False) -> tuple[Fraction, int]:
    """Read a printed figure and its number of decimals, of the fraction; MerbenchError names what is wrong."""
    title = FIGURES[name]
    found = re.fullmatch(r"(\d*)[.,]?(\d*)", text.strip())
    if not found or not found[0].strip(".,"):
        raise MerbenchError(f"{title} {text!r}: expected a figure as printed, like .5280")
    digits = len(found[2]) + 2 * percent
    value = Fraction(int(found[1] + found[2] or 0), 10**digits)
    if value > 1:
        scale = "100 %" if percent else "1"
        step = "" if percent else "; if the paper prints percent, add --percent"
        raise MerbenchError(f"{title} {text} is above {scale}{step}")
    if not 0 < digits <= 12:
        raise MerbenchError(f"{title} {text}: give all the decimals that are printed, like .5280 (at most 12)")
    return value, digits


def check_claim(claim: Claim, seconds: float = SECONDS) -> Answer:
    """Decide whether a claim is possible; see :class:`Answer`.

    Figures are read as rounded, then as truncated, all of a claim in one way.
    """
    if not claim.printed:
        raise MerbenchError("a claim needs a figure: --uf1, --uar or --acc")
    deadline, open_reading = deadline_in(seconds), False
    for reading in READINGS:
        try:
            margins = find_matrix(claim.sizes, claim.spans(reading), deadline)
        except TimeoutError:
            open_reading = True
            continue
        if margins is not None:
            share, neighbours = _power(claim, reading)
            matrix = matrix_of(claim.sizes, *margins)
            return Answer(claim, "possible", reading, matrix, share, neighbours)
    if open_reading:
        return Answer(claim, "undecided")
    nearest = {name: _nearest(claim, name) for name in claim.printed}
    alone = tuple(name for name in claim.printed if is_possible(_only(claim, name), seconds) is False)
    return Answer(claim, "impossible", nearest=nearest, alone=alone)


def is_possible(claim: Claim, seconds: float = SECONDS, readings: Sequence[str] = READINGS) -> bool | None:
    """Whether a claim is possible in one of some readings; None where the time was too short."""
    deadline = deadline_in(seconds)
    try:
        return any(find_matrix(claim.sizes, claim.spans(reading), deadline) is not None for reading in readings)
    except TimeoutError:
        return None


def _only(claim: Claim, name: str) -> Claim:
    return Claim(claim.counts, {name: claim.printed[name]})


def _nearest(claim: Claim, name: str) -> Fraction | None:
    """Return the possible value of a figure nearest to the print while the others stay as printed, rounded."""
    spans, target, deadline = claim.spans("rounded"), claim.printed[name][0], deadline_in(SECONDS)
    others = {other: span for other, span in spans.items() if other != name}
    if len(claim.sizes) > 3:
        return None
    try:
        if name == "uf1":
            return nearest_uf1(claim.sizes, target, others, deadline)
        return nearest_of_diagonal(claim.sizes, name, target, others, deadline)
    except TimeoutError:
        return None


def _power(claim: Claim, reading: str) -> tuple[float | None, int]:
    """Return the share of neighbours that are possible too, and how many were decided, the nearest ones first."""
    reach = range(-_REACH[len(claim.printed)], _REACH[len(claim.printed)] + 1)
    moves = sorted(product(reach, repeat=len(claim.printed)), key=lambda move: (sum(map(abs, move)), move))[1:]
    deadline: Deadline = deadline_in(_SECONDS_FOR_POWER)
    possible = decided = 0
    for move in moves:
        spans = claim.spans(reading, dict(zip(claim.printed, move, strict=True)))
        if any(span.high < 0 or span.low > 1 for span in spans.values()):
            continue
        try:
            possible += find_matrix(claim.sizes, spans, deadline) is not None
        except TimeoutError:
            break
        decided += 1
    return (possible / decided if decided else None), decided


def record_of(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data; figures to six decimals."""
    claim = answer.claim
    printed = {name: f"{float(value):.{digits}f}" for name, (value, digits) in claim.printed.items()}
    nearest = {
        name: None if value is None else round(float(value), 6) for name, value in (answer.nearest or {}).items()
    }
    return {
        "protocol": claim.protocol or None,
        "part": claim.part or None,
        "method": claim.method or None,
        "counts": list(claim.sizes),
        **{name: printed.get(name) for name in FIGURES},
        "verdict": answer.verdict,
        "reading": answer.reading or None,
        "matrix": [list(row) for row in answer.matrix] or None,
        "power": None if answer.power is None else round(answer.power, 4),
        "neighbours": answer.neighbours,
        "nearest": nearest or None,
        "alone": list(answer.alone),
    }
