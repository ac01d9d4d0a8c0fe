"""Arrays of noise that show the marks of their clips, for the checks on methods."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Lengths of the clips of inputs that are not of one length, in turn.
LENGTHS = (5, 6, 7)


def arrays(dtype: type[np.generic], shape: tuple[int | None, ...], marks: Array, rng: np.random.Generator) -> Array:
    """Make arrays of any form, shape (n_clips, ...): each mark raises a band of the first axis.

    Whole numbers are 0..99 and 150 more in the bands, truth values are true there; others are normal around 0 and 2.
    """
    return each_length(shape, lambda rows, sizes: _arrays(dtype, sizes, marks[rows], rng), len(marks))


def each_length(shape: tuple[int | None, ...], make: Callable[[slice, tuple[int, ...]], Array], count: int) -> Array:
    """Make the arrays of `count` clips by ``make(rows, shape)``; clips of several lengths one by one."""
    fixed = tuple(size for size in shape if size is not None)
    if len(fixed) == len(shape):
        return make(slice(None), fixed)
    found = np.empty(count, dtype=object)
    for row in range(count):
        length = LENGTHS[row % len(LENGTHS)]
        found[row] = make(slice(row, row + 1), tuple(length if size is None else size for size in shape))[0]
    return found


def _arrays(dtype: type[np.generic], shape: tuple[int, ...], marks: Array, rng: np.random.Generator) -> Array:
    ones = (1,) * (len(shape) - 1)
    numbered = marks @ np.arange(1, marks.shape[1] + 1)
    raised = bands(marks, shape[0]).reshape(len(marks), shape[0], *ones) if shape else numbered
    if np.issubdtype(dtype, np.integer):
        return np.asarray(rng.integers(0, 100, (len(marks), *shape)) + 150 * raised).astype(dtype)
    if np.issubdtype(dtype, np.bool_):
        return np.broadcast_to(raised > 0, (len(marks), *shape)).copy()
    return np.asarray(rng.normal(2 * raised, 1.0, (len(marks), *shape))).astype(dtype)


def images(marks: Array, size: int, channels: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Make images of noise, (n_clips, size, size, channels), in which each mark brightens a band."""
    noise = rng.integers(0, 100, (len(marks), size, size, channels))
    return np.asarray((noise + 150 * bands(marks, size)[:, :, None, None]).astype(np.uint8))


def bands(marks: Array, size: int) -> Array:
    """Spread marks, one per output, over an axis of `size`."""
    return marks[:, np.arange(size) * marks.shape[1] // size]
