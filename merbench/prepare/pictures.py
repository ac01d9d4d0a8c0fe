"""Arrays as small pictures, for contact sheets."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

SIDE = 144
#: Pictures of one array at most.
MOST = 6


def grey(values: npt.NDArray[Any]) -> Picture:
    """Return grey values 0..255, (height, width), as RGB."""
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[:, :, None], 3, axis=-1)


def fitted(picture: npt.NDArray[np.uint8]) -> Picture:
    """Return a picture as `SIDE` x `SIDE`, its pixels enlarged without smoothing."""
    if picture.shape[:2] == (SIDE, SIDE):
        return picture
    way = cv2.INTER_NEAREST if max(picture.shape[:2]) < SIDE else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (SIDE, SIDE), interpolation=way), dtype=np.uint8)


def stretched(values: npt.NDArray[Any]) -> Picture:
    """Return values of any range, (height, width), as grey from the least to the greatest."""
    exact = np.nan_to_num(values.astype(np.float64))
    low, high = exact.min(), exact.max()
    return grey(255 * (exact - low) / (high - low if high > low else 1.0))


def drawn(title: str, values: npt.NDArray[Any]) -> list[tuple[str, Picture]]:
    """Draw an array of any form: (height, width), with 3 channels of bytes as colours, or else channel by channel.

    Of more axes, up to `MOST` of the first are drawn; vectors and numbers are not.
    """
    if values.ndim < 2 or not values.size:
        return []
    if values.ndim == 2:
        return [(title, fitted(stretched(values)))]
    if values.ndim == 3 and values.dtype == np.uint8 and values.shape[2] == 3:
        return [(title, fitted(values))]
    parts = np.moveaxis(values, -1, 0) if values.ndim == 3 else values
    chosen = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), MOST)).round().astype(int))
    return [drawn(f"{title} {index + 1}", parts[index])[0] for index in chosen]
