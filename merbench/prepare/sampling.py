"""Sampling of a clip: positions on the database's own frame counter, and the frames on disk nearest to them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import FrameSpan, Span

Positions = npt.NDArray[np.float64]


def ends(span: FrameSpan | Span, onset: int, apex: int, offset: int, numbers: Sequence[int]) -> tuple[int, int]:
    """Return the first and the last frame number of a span, given the annotation and the numbers on disk.

    ``clip``: all frames on disk, regardless of the annotation; ``onset``, ``apex``: only that frame.
    """
    if span == "clip":
        return min(numbers), max(numbers)
    if span == "apex":
        return apex, apex
    if span == "apex-offset":
        return apex, offset
    return onset, {"onset": onset, "onset-apex": apex, "onset-offset": offset}[span]


def phase(onset: float, apex: float, offset: float, count: int) -> Positions:
    """Return `count` positions, one of them the apex: rise and decay have the same number of steps.

    If `count` is even, the rise has one step more: 8 frames are onset, three, apex, two, offset.
    """
    decay = (count - 1) // 2
    return np.concatenate([np.linspace(onset, apex, count - decay), np.linspace(apex, offset, decay + 1)[1:]])


def tim(frames: int, count: int) -> npt.NDArray[np.float64]:
    """Return the weights, (count, frames), of a clip's frames in `count` pictures of the temporal interpolation model.

    The model (Zhou, Zhao & Pietikainen, CVPR 2011) embeds the frames as a path graph whose coordinates are
    ``sin(pi k t + pi (n - k) / (2 n))``, k = 1 to n - 1, at t = i / n, and maps the curve back by the linear map that
    returns each frame at its own time. The coordinates being a cosine basis, what is returned at any t is a weighted
    sum whose weights do not depend on the frames::

        1 / n + 2 / n sum over k of cos(pi k (i - 1/2) / n) cos(pi k (t - 1 / (2 n)))

    The pictures are at equal steps from t = 1 / n, the first frame, to 1, the last. Rows sum to 1.
    """
    waves = np.arange(1, frames)[:, None] * np.pi
    times = np.linspace(1 / frames, 1, count) - 1 / (2 * frames)
    known = np.cos(waves * (np.arange(frames) + 0.5) / frames)
    found: npt.NDArray[np.float64] = (1 + 2 * np.cos(waves * times).T @ known) / frames
    return found


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
