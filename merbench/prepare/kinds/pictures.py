"""The dynamic image of a clip."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

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
    """Sum the `count` frames of a clip by their rank weights, scaled to 0..255 over all channels together.

    Frames are read one by one, not kept in memory. One frame, or identical frames, give a black picture.
    """
    first, pooled = None, np.zeros(())
    for weight, frame in zip(rank_weights(count), frames, strict=True):
        first = frame.astype(np.float64) if first is None else first
        pooled = pooled + weight * (frame - first)  # the weights sum to 0: a clip without movement is exactly 0
    return to_bytes(pooled.reshape(-1, 1, 1)).reshape(pooled.shape)
