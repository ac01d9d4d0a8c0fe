"""Figures of all clips and of their parts: whether one set of predictions can give both."""

import math
from collections.abc import Sequence

import numpy as np

from merbench.analysis.claims import READINGS, SECONDS, Claim
from merbench.analysis.matrices import deadline_in, diagonals

#: More sums of diagonals than this are not tried.
_MOST = 4_000_000


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
