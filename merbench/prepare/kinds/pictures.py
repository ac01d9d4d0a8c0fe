"""The dynamic image of a clip, and its landmarks."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.prepare.faces.find import five_points
from merbench.prepare.frames import Image
from merbench.prepare.kinds.flow import to_bytes


def rank_weights(count: int) -> npt.NDArray[np.float64]:
    """Return the weight of each of `count` frames in approximate rank pooling (Bilen et al., CVPR 2016).

    Of the running mean at time i the weight is ``2 i - T - 1``, so frame t of T, counted from 1, has in all::

        sum over i from t to T of (2 i - T - 1) / i
    """
    time = np.arange(1, count + 1)
    return np.cumsum(((2 * time - count - 1) / time)[::-1])[::-1]


def dynamic_image(frames: Iterable[Image], count: int) -> Image:
    """Sum the frames of a clip by their rank weights, scaled to 0..255 over all channels together.

    Parameters
    ----------
    frames : iterable of ndarray, shape (height, width, channels)
        In order; read one by one, not kept in memory.
    count : int
        Number of frames. One frame, or identical frames, give a black picture.
    """
    first, pooled = None, np.zeros(())
    for weight, frame in zip(rank_weights(count), frames, strict=True):
        first = frame.astype(np.float64) if first is None else first
        pooled = pooled + weight * (frame - first)  # the weights sum to 0: a clip without movement is exactly 0
    return to_bytes(pooled.reshape(-1, 1, 1)).reshape(pooled.shape)


def landmarks(points: npt.NDArray[Any], count: int) -> npt.NDArray[np.float32]:
    """Return all 68 points, or 5: eye centres, nose tip and mouth corners; shape (count, 2)."""
    return np.asarray(points if count == 68 else five_points(points), dtype=np.float32)
