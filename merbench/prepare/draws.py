"""Versions of a clip for training: onset and apex drawn within windows, frames drawn within their steps.

A clip stores a limited number of versions, first the annotated one; what is drawn depends on the clip's name alone.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from merbench.contracts.digests import derived_seed
from merbench.prepare.sampling import Positions

#: A window as fractions of the movement before and after a frame.
Window = tuple[float, float]


def windows(onset: int, apex: int, offset: int, onset_draw: Window, apex_draw: Window) -> tuple[range, range]:
    """Return the frames from which the onset and the apex are drawn.

    With rise = apex - onset and decay = offset - apex::

        onset: onset - int(before * rise) .. onset + int(after * rise)
        apex:  apex - int(before * rise)  .. apex + int(after * decay)

    so a short rise has the annotated frame alone. MMNet's rule int(f * rise / 4) is a fraction of f / 4.
    """
    rise, decay = max(apex - onset, 0), max(offset - apex, 0)
    return (
        range(onset - _whole(onset_draw[0], rise), onset + _whole(onset_draw[1], rise) + 1),
        range(apex - _whole(apex_draw[0], rise), apex + _whole(apex_draw[1], decay) + 1),
    )


def drawn_pairs(
    onsets: Sequence[int], apexes: Sequence[int], annotated: tuple[int, int], most: int, clip: str
) -> list[tuple[int, int]]:
    """Return all pairs of an onset and an apex, first the annotated one; of more than `most`, that one and a sample."""
    others = [pair for pair in product(onsets, apexes) if pair != annotated]
    if len(others) >= most:
        chosen = np.random.default_rng(derived_seed(clip, "pairs")).choice(len(others), most - 1, replace=False)
        others = [others[index] for index in sorted(chosen)]
    return [annotated, *others]


def drawn_positions(first: float, last: float, count: int, most: int, clip: str) -> list[Positions]:
    """Return `most` versions of `count` positions from `first` to `last`; the first version is uniform.

    In the others the first position stays, and each other is drawn evenly within half a step of its uniform one, the
    last one not after `last`: their order stays.
    """
    uniform = np.linspace(first, last, count)
    half = (last - first) / max(count - 1, 1) / 2
    low, high = uniform - half, np.minimum(uniform + half, last)
    low[0] = high[0] = first
    rng = np.random.default_rng(derived_seed(clip, "positions"))
    return [uniform, *(rng.uniform(low, high) for _ in range(most - 1))]


def _whole(fraction: float, frames: int) -> int:
    return int(fraction * frames + 1e-9)  # .1 * 30 is 3, whatever its last bit
