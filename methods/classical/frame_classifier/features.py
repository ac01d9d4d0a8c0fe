"""Hand-crafted features of the frames of clips, and of the flow between them: each (n_clips, n_features)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from .histograms import DIRECTIONS, block_histograms, directions, hoof_of, unit
from .regions import masks_of

Features = npt.NDArray[np.floating[Any]]
Clips = npt.NDArray[np.uint8]


def uniform_patterns(points: int) -> npt.NDArray[np.intp]:
    """Return the bin of each local binary pattern of `points` neighbours (u2): 0 to points (points - 1) + 2.

    A pattern with at most two changes around the circle has a bin of its own, in the order of the codes; all others
    share the last (Ojala et al., TPAMI 2002).
    """
    codes = np.arange(2**points)
    turned = (codes << 1 | codes >> (points - 1)) & (2**points - 1)
    uniform = np.array([int(code).bit_count() <= 2 for code in codes ^ turned])
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum())


def lbp_top(clips: Clips, radii: tuple[int, int, int], points: int, blocks: Sequence[int]) -> Features:
    """Return local binary patterns on three orthogonal planes (Zhao & Pietikainen, TPAMI 2007).

    Parameters
    ----------
    clips : ndarray
        Grey, (n, frames, height, width).
    radii : tuple of int
        Along x, y and time. Pixels and frames this near to an edge have no pattern.
    points : int
        Neighbours on the ellipse in each plane, at the nearest pixel.
    blocks : sequence of int
        Along rows, columns and time.

    Returns
    -------
    ndarray
        For each block and plane (xy, xt, yt) the shares of `uniform_patterns`.
    """
    table = uniform_patterns(points)
    volume = clips.transpose(0, 2, 3, 1)  # rows, columns, time
    margins = np.array([radii[1], radii[0], radii[2]])
    core = _shifted(volume, margins, np.zeros(3, int))
    angles = 2 * np.pi * np.arange(points) / points
    planes = []
    for across, up in ((1, 0), (1, 2), (0, 2)):
        codes = np.zeros(core.shape, np.intp)
        for place, angle in enumerate(angles):
            step = np.zeros(3, int)
            ahead = -1 if across == 0 else 1
            step[across] = np.floor(ahead * margins[across] * np.cos(angle) + 0.5)
            step[up] = np.floor(-margins[up] * np.sin(angle) + 0.5)
            codes += (_shifted(volume, margins, step) >= core).astype(np.intp) << place
        planes.append(block_histograms(table[codes], (len(clips), *blocks), int(table.max()) + 1))
    return unit(np.stack(planes, axis=-2), "l1").reshape(len(clips), -1)


def _shifted(volume: Clips, margins: npt.NDArray[Any], step: npt.NDArray[Any]) -> Clips:
    """Return the part of clips that is `margins` from the edges, moved by `step`."""
    ends = [slice(m + s, size - m + s) for m, s, size in zip(margins, step, volume.shape[1:], strict=True)]
    return volume[:, *ends]


def hog_3d(clips: Clips, blocks: Sequence[int]) -> Features:
    """Return histograms of gradient directions in the planes xy, xt and yt of cubes (after Polikovsky et al., 2009).

    8 bins, weighted by the magnitude in the plane; each cube's histogram of a plane has length 1. `blocks` are those
    along rows, columns and time.
    """
    volume = clips.transpose(0, 2, 3, 1).astype(np.float32)
    along = np.gradient(volume, axis=(2, 1, 3))  # x, y, time
    grid = (len(clips), *blocks)
    found = [block_histograms(directions(a, b), grid, DIRECTIONS, np.hypot(a, b)) for a, b in combinations(along, 2)]
    return unit(np.stack(found, axis=-2), "l2").reshape(len(clips), -1)


def hoof_over_time(fields: Features, grid: int) -> Features:
    """Return `hoof_of` of each of the fields, (n, fields, height, width, 2), one after the other."""
    each = fields.reshape(-1, *fields.shape[2:])
    return hoof_of(each[..., 0], each[..., 1], grid).reshape(len(fields), -1)


def mdmo(fields: Features, points: Features) -> Features:
    """Return the main directional mean optical flow of 36 regions (Liu et al., TAFFC 2016): magnitudes, then angles.

    In each region and field, vectors fall into 8 ranges of directions, the first around 0; the mean vector of those in
    the fullest range (the first of equals) counts. Of the mean over fields, the magnitude, divided by the largest of
    all regions, and the angle, -pi to pi. A region without pixels, or without movement, has 0.

    Parameters
    ----------
    fields : ndarray
        Flow from the onset, (n, fields, size, size, 2).
    points : ndarray
        The 68 landmarks in the onset, (n, 68, 2), in pixels of the fields.
    """
    found = np.zeros((len(fields), 2, 36))
    for clip, (flow, marks) in enumerate(zip(fields, points, strict=True)):
        bins = directions(flow[..., 0], flow[..., 1], -np.pi / DIRECTIONS)
        vectors = np.array([_main(flow[:, mask], bins[:, mask]) for mask in masks_of(marks, flow.shape[1])])
        length = np.hypot(*vectors.T)
        found[clip] = length / (length.max() or 1), np.arctan2(vectors[:, 1], vectors[:, 0])
    return found.reshape(len(fields), -1)


def _main(vectors: Features, bins: npt.NDArray[np.intp]) -> Features:
    """Return the mean over fields of the mean vector in the fullest bin, of (fields, pixels, 2)."""
    if not bins.size:
        return np.zeros(2)
    counts = block_histograms(bins, (len(bins), 1), DIRECTIONS)[:, 0]
    chosen = bins == counts.argmax(axis=1)[:, None]
    means: Features = (vectors * chosen[..., None]).sum(axis=1) / chosen.sum(axis=1)[:, None]
    return np.asarray(means.mean(axis=0))
