"""Sampling of a clip: positions on the database's own frame counter, and the frames nearest to them.

Pure functions of numbers; missing frames are replaced by the nearest one on disk.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import FrameSpan

Positions = npt.NDArray[np.float64]


def ends(span: FrameSpan, onset: int, apex: int, offset: int, numbers: Sequence[int]) -> tuple[int, int]:
    """Return the first and the last frame number of a span.

    Parameters
    ----------
    span : {"onset", "onset-apex", "onset-offset", "clip"}
        ``clip``: all frames on disk, regardless of the annotation; ``onset``: only the onset frame.
    onset, apex, offset : int
        As annotated.
    numbers : sequence of int
        The frames on disk.
    """
    if span == "clip":
        return min(numbers), max(numbers)
    return onset, {"onset": onset, "onset-apex": apex, "onset-offset": offset}[span]


def uniform(first: float, last: float, count: int) -> Positions:
    """Return `count` positions at equal steps from `first` to `last`, both included."""
    return np.linspace(first, last, count)


def phase(onset: float, apex: float, offset: float, count: int) -> Positions:
    """Return `count` positions, one of them the apex: rise and decay have the same number of steps.

    If `count` is even, the rise has one step more: 8 frames are onset, three, apex, two,
    offset.
    """
    decay = (count - 1) // 2
    return np.concatenate([np.linspace(onset, apex, count - decay), np.linspace(apex, offset, decay + 1)[1:]])


def nearest(numbers: Sequence[int], positions: npt.ArrayLike) -> list[int]:
    """Return the frame nearest to each position; of two equally near, the earlier.

    Parameters
    ----------
    numbers : sequence of int
        The frames on disk, ascending; there may be gaps.
    positions : array_like of float
        Positions to sample.
    """
    known = np.asarray(numbers)
    lower, upper, weight = _between(known, np.asarray(positions, dtype=np.float64))
    return [int(number) for number in np.where(weight > 0.5, known[upper], known[lower])]


def neighbours(numbers: Sequence[int], positions: npt.ArrayLike) -> list[tuple[int, int, float]]:
    """Return, for each position, the frames before and after it and the weight (0 to 1) of the one after.

    Neighbours are frames on disk, across missing ones. At a frame, both are that frame; beyond the ends, the end.
    """
    known = np.asarray(numbers)
    lower, upper, weight = _between(known, np.asarray(positions, dtype=np.float64))
    return [(int(a), int(b), float(w)) for a, b, w in zip(known[lower], known[upper], weight, strict=True)]


def within(numbers: Sequence[int], first: int, last: int) -> list[int]:
    """Return every frame on disk from the one nearest to `first` to the one nearest to `last`."""
    low, high = nearest(numbers, [first, last])
    return [number for number in numbers if low <= number <= high]


def _between(
    known: npt.NDArray[np.int_], positions: Positions
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Positions]:
    """Return the indices of each position's neighbours and how far it lies from the lower to the upper one."""
    inside = np.clip(positions, known[0], known[-1])
    lower = np.searchsorted(known, inside, side="right") - 1
    upper = np.where(known[lower] == inside, lower, lower + 1)
    gap = np.maximum(known[upper] - known[lower], 1)
    return lower, upper, (inside - known[lower]) / gap
