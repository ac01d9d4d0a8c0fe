"""Features of flow images, uint8 of shape (n, 28, 28, 3), channels u, v, strain: each (n, n_features)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Features = npt.NDArray[np.floating[Any]]
GRID, BINS = 4, 8  # of histograms of directions and of patterns


def pixels(images: Images) -> Features:
    """Return the values in 0..1."""
    return images.reshape(len(images), -1) / 255


def blocks(images: Images) -> Features:
    """Return the means of 4 x 4 pixels in 0..1: 7 x 7 of each channel."""
    side = images.shape[1] // 4
    means: Features = images.reshape(len(images), side, 4, side, 4, 3).mean(axis=(2, 4)) / 255
    return means.reshape(len(images), -1)


def dct(images: Images) -> Features:
    """Return the 8 x 8 lowest coefficients of the cosine transform of each channel."""
    from scipy.fft import dctn

    found: Features = dctn(images / 255, axes=(1, 2), norm="ortho")[:, :8, :8]
    return found.reshape(len(images), -1)


def components(images: Images) -> tuple[Features, Features]:
    """Return u and v, (n, 28, 28) each, whose zero is taken to be the image's median.

    The release scales each channel of a clip to 0..255, so that no movement has another grey level in each clip.
    """
    values = images[..., :2].astype(float)
    centred = values - np.median(values, axis=(1, 2), keepdims=True)
    return centred[..., 0], centred[..., 1]


def hoof(images: Images) -> Features:
    """Return histograms of flow directions, weighted by magnitude: 4 x 4 blocks of 8 bins from -180 degrees, L1."""
    return _scaled(_directions(*components(images), GRID), 1).reshape(len(images), -1)


def biwoof(images: Images) -> Features:
    """Return `bi_woof` of what the release keeps of flow and strain, 4 x 4 blocks."""
    return bi_woof(*components(images), images[..., 2].astype(float), GRID)


def bi_woof(u: Features, v: Features, strain: Features, grid: int) -> Features:
    """Return the bi-weighted histograms of Liong et al. (SPIC 2018) of maps (n, side, side), `grid` x `grid` blocks.

    In each block, a histogram of directions weighted by magnitude, divided by its sum, times the block's sum of strain;
    the whole vector has length 1.
    """
    weights = _blocks(strain, grid).sum(axis=(-2, -1))
    found = _scaled(_directions(u, v, grid), 1) * weights[..., None]
    return _scaled(found.reshape(len(u), -1), 2)


def lbp(images: Images) -> Features:
    """Return histograms of uniform local binary patterns (radius 1, 8 points, 59 bins) in 4 x 4 blocks, L1."""
    from skimage import feature

    pattern: Any = feature.local_binary_pattern

    channels = np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3])
    codes = np.stack([pattern(each, 8, 1, "nri_uniform") for each in channels])
    found: Features = (_blocks(codes, GRID)[..., None] == np.arange(59)).mean(axis=(-3, -2))
    return found.reshape(len(images), -1)


def hog(images: Images) -> Features:
    """Return histograms of oriented gradients of each channel: 9 orientations, 7 x 7 pixels a cell, 2 x 2 a block."""
    from skimage.feature import hog as histogram

    def of(image: npt.NDArray[np.uint8]) -> Features:
        found: Features = histogram(image, 9, (7, 7), (2, 2))
        return found

    return np.stack([np.concatenate([of(image[..., channel]) for channel in range(3)]) for image in images])


FEATURES: dict[str, Callable[[Images], Features]] = {
    "pixels": pixels,
    "blocks": blocks,
    "dct": dct,
    "hoof": hoof,
    "biwoof": biwoof,
    "lbp": lbp,
    "hog": hog,
}


def _directions(u: Features, v: Features, grid: int) -> Features:
    """Return the magnitudes in each bin of directions, (n, grid, grid, 8)."""
    bins = np.floor((np.arctan2(v, u) + np.pi) / (2 * np.pi) * BINS).astype(int) % BINS
    magnitude, bins = _blocks(np.hypot(u, v), grid), _blocks(bins, grid)
    found: Features = np.stack([(magnitude * (bins == each)).sum(axis=(-2, -1)) for each in range(BINS)], axis=-1)
    return found


def _blocks(maps: npt.NDArray[Any], grid: int) -> npt.NDArray[Any]:
    """Cut maps (n, side, side) to (n, grid, grid, side / grid, side / grid)."""
    side = maps.shape[1] // grid
    return maps.reshape(len(maps), grid, side, grid, side).swapaxes(2, 3)


def _scaled(values: Features, order: int) -> Features:
    """Divide vectors by their norm; a vector of zeros stays."""
    norm = np.linalg.norm(values, order, axis=-1, keepdims=True)
    found: Features = np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
    return found
