"""Histograms in blocks of maps and clips."""

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import normalize

Features = npt.NDArray[np.floating[Any]]
DIRECTIONS = 8


def block_histograms(
    bins: npt.NDArray[np.integer[Any]], grid: Sequence[int], count: int, weights: Features | None = None
) -> Features:
    """Sum `weights`, by default 1, by bin within each block of an array.

    Parameters
    ----------
    bins : ndarray of int
        0 to `count` - 1, any shape.
    grid : sequence of int
        Blocks along each axis; the element `i` of `size` is in block ``i * blocks // size``. As many blocks as elements
        keep an axis, such as that of the clips.
    weights : ndarray, optional
        Of the shape of `bins`.

    Returns
    -------
    ndarray
        (*grid, count).
    """
    place: npt.NDArray[np.integer[Any]] = np.zeros((), np.intp)
    for size, blocks in zip(bins.shape, grid, strict=True):
        place = place[..., None] * blocks + np.arange(size) * blocks // size
    flat = None if weights is None else weights.ravel()
    found = np.bincount((place * count + bins).ravel(), flat, prod(grid) * count)
    return np.asarray(found, dtype=np.float64).reshape(*grid, count)


def directions(u: Features, v: Features, start: float = -np.pi) -> npt.NDArray[np.intp]:
    """Return which of 8 equal ranges of angles from `start` on, 0 to 7, each vector points into."""
    return np.asarray(np.floor((np.arctan2(v, u) - start) / (2 * np.pi) * DIRECTIONS), np.intp) % DIRECTIONS


def unit(vectors: Features, norm: Literal["l1", "l2"]) -> Features:
    """Divide vectors, the last axis, by their norm; a vector of zeros stays."""
    return np.asarray(normalize(vectors.reshape(-1, vectors.shape[-1]), norm)).reshape(vectors.shape)


def hoof_of(u: Features, v: Features, grid: int) -> Features:
    """Return histograms of flow directions, weighted by magnitude, of fields (n, height, width): (n, features).

    `grid` x `grid` blocks of 8 bins from -180 degrees, each block's sum 1 (after Chaudhry et al., CVPR 2009).
    """
    found = block_histograms(directions(u, v), (len(u), grid, grid), DIRECTIONS, np.hypot(u, v))
    return unit(found, "l1").reshape(len(u), -1)
