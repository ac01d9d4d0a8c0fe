"""Sampling of a clip: positions on the database's own frame counter, and the frames on disk nearest to them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import FrameSpan

Positions = npt.NDArray[np.float64]


def ends(span: FrameSpan, onset: int, apex: int, offset: int, numbers: Sequence[int]) -> tuple[int, int]:
    """Return the first and the last frame number of a span, given the annotation and the numbers on disk.

    ``clip``: all frames on disk, regardless of the annotation; ``onset``: only the onset frame.
    """
    if span == "clip":
        return min(numbers), max(numbers)
    return onset, {"onset": onset, "onset-apex": apex, "onset-offset": offset}[span]


def phase(onset: float, apex: float, offset: float, count: int) -> Positions:
    """Return `count` positions, one of them the apex: rise and decay have the same number of steps.

    If `count` is even, the rise has one step more: 8 frames are onset, three, apex, two, offset.
    """
    decay = (count - 1) // 2
    return np.concatenate([np.linspace(onset, apex, count - decay), np.linspace(apex, offset, decay + 1)[1:]])


def nearest(numbers: Sequence[int], positions: npt.ArrayLike) -> list[int]:
    """Return which of the frames on disk, ascending, is nearest to each position; of two, the earlier."""
    return [after if weight > 0.5 else before for before, after, weight in neighbours(numbers, positions)]


def neighbours(numbers: Sequence[int], positions: npt.ArrayLike) -> list[tuple[int, int, float]]:
    """Return, for each position, the frames before and after it and the weight (0 to 1) of the one after.

    Neighbours are frames on disk, across missing ones. At a frame, both are that frame; beyond the ends, the end.
    """
    known = np.asarray(numbers)
    inside = np.clip(np.asarray(positions, dtype=np.float64), known[0], known[-1])
    lower = np.searchsorted(known, inside, side="right") - 1
    upper = np.where(known[lower] == inside, lower, lower + 1)
    weight = (inside - known[lower]) / np.maximum(known[upper] - known[lower], 1)
    return [(int(a), int(b), float(w)) for a, b, w in zip(known[lower], known[upper], weight, strict=True)]


def within(numbers: Sequence[int], first: int, last: int) -> list[int]:
    """Return every frame on disk from the one nearest to `first` to the one nearest to `last`."""
    low, high = nearest(numbers, [first, last])
    return [number for number in numbers if low <= number <= high]
