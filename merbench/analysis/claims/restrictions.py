"""Claims beside one another: parts that one set of predictions can not give, and figures that are printed twice."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

from merbench.analysis.claims.claim import READINGS, SECONDS, Claim
from merbench.analysis.claims.matrices import deadline_in, diagonals

#: More sums of diagonals than this are not tried.
_MOST = 4_000_000
#: Figures of fewer decimals agree too often by chance.
_DIGITS = 3


def one_set_of_predictions(full: Claim, parts: Sequence[Claim]) -> bool | None:
    """Whether diagonals of the parts, each with the UAR printed for it, add up to one with the UAR of all clips.

    Accuracies are used where they are printed; UF1 is not. None where there are too many diagonals to say. Parts that
    were trained separately need not be restrictions of the same predictions.
    """
    answers = [_in_reading(full, parts, reading) for reading in READINGS]
    return True if True in answers else None if None in answers else False


def _in_reading(full: Claim, parts: Sequence[Claim], reading: str) -> bool | None:
    span, size, common = full.spans(reading)["uar"], len(full.sizes), math.lcm(*full.sizes)
    weights = np.array([common // n for n in full.sizes], dtype=np.int64)
    low, high = math.ceil(span.low * size * common), math.floor(span.high * size * common)
    sums = np.zeros(1, np.int64)
    for number, part in enumerate(parts, start=1):
        spans = {name: of for name, of in part.spans(reading).items() if name != "uf1"}
        try:
            found = list(diagonals(part.sizes, spans, deadline_in(SECONDS)))
        except TimeoutError:
            return None
        if not found:
            return False
        values = np.unique(np.concatenate(found) @ weights)
        if number == len(parts):  # the sums that lack a value between the ends
            sums.sort()
            return bool((np.searchsorted(sums, high - values, "right") > np.searchsorted(sums, low - values)).any())
        if len(sums) * len(values) > _MOST:
            return None
        sums = np.unique(sums[:, None] + values)
    return None


def printed_twice(claims: Sequence[Claim]) -> dict[int, list[int]]:
    """Find claims that print the figures of another method, part or protocol, by their places.

    Two figures at least are the same, at the digits that both have, three or more; in any order, since tables differ in
    which figure they name first. A method cited in two tables of one protocol is not meant.
    """
    found: dict[int, list[int]] = {}
    values = [sorted(claim.printed.values()) for claim in claims]
    many = [sum(digits >= _DIGITS for _, digits in each) for each in values]
    for one, other in combinations([place for place, number in enumerate(many) if number >= 2], 2):
        if _same_work(claims[one], claims[other]) or not _share_two(values[one], values[other]):
            continue
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return found


def _same_work(one: Claim, other: Claim) -> bool:
    names = [claim.method.partition(" [")[0].casefold() for claim in (one, other)]
    return names[0] == names[1] and (one.protocol, one.part) == (other.protocol, other.part)


def _share_two(one: Sequence[tuple[Fraction, int]], other: Sequence[tuple[Fraction, int]]) -> bool:
    left, shared = list(other), 0
    for value, digits in one:
        for place, (second, more) in enumerate(left):
            fewer = min(digits, more)
            if fewer >= _DIGITS and abs(value - second) * 2 * 10**fewer <= (digits != more):
                shared += 1
                del left[place]
                break
    return shared >= 2
