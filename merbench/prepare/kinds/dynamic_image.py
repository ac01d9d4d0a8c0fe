"""The dynamic image of a clip: its frames summed by weights."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import DynamicImage
from merbench.prepare import marked, sampling
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames, Image, grey, rgb
from merbench.prepare.kinds.flow import to_bytes
from merbench.prepare.kinds.kind import Form, Kind

Weights = npt.NDArray[np.float64]


def rank_weights(count: int) -> Weights:
    """Return the weight of each of `count` frames in approximate rank pooling (Bilen et al., CVPR 2016).

    Of the running mean at time i the weight is ``2 i - T - 1``, so frame t of T, counted from 1, has in all::

        sum over i from t to T of (2 i - T - 1) / i
    """
    time = np.arange(1, count + 1)
    return np.cumsum(((2 * time - count - 1) / time)[::-1])[::-1]


def lab_weights(count: int) -> Weights:
    """Return the weights in the code of LEARNet (Verma et al., TIP 2020), which sum to T, not to 0.

    So the pooled clip holds its face T times. Frame t of T, counted from 1, has::

        sum over i from t to T of (2 i - T) / i
    """
    time = np.arange(1, count + 1)
    return np.cumsum(((2 * time - count) / time)[::-1])[::-1]


def active_weights(count: int) -> Weights:
    """Return the weights in the code of OrigiNet's active image (Verma et al., IJCNN 2020), which sum to 0.

    Frame m of N, counted from 0, has ``max(m - 1, 0) - max(N - 2 - m, 0)``.
    """
    place = np.arange(count, dtype=np.float64)
    return np.maximum(place - 1, 0) - np.maximum(count - 2 - place, 0)


_WEIGHTS: dict[str, Callable[[int], Weights]] = {"exact": rank_weights, "lab": lab_weights, "active": active_weights}


def pooled(frames: Iterable[Image], count: int, weights: Literal["exact", "lab", "active"]) -> npt.NDArray[np.float64]:
    """Return the weighted sum of the `count` frames of a clip, which are read one by one, not kept in memory."""
    first, total = None, np.zeros(())
    for weight, frame in zip(_WEIGHTS[weights](count), frames, strict=True):
        first = frame.astype(np.float64) if first is None else first
        total = total + weight * (frame - first)  # of weights that sum to 0: a clip without movement is exactly 0
    return total if weights != "lab" or first is None else total + count * first


def dynamic_image(frames: Iterable[Image], count: int, weights: Literal["exact", "lab", "active"] = "exact") -> Image:
    """Sum the `count` frames of a clip, scaled to 0..255 over all channels together; ``active``: cut to 0..255.

    One frame, or identical frames, give a black picture; with ``lab``, a face.
    """
    total = pooled(frames, count, weights)
    if weights == "active":
        return np.clip(np.rint(total), 0, 255).astype(np.uint8)
    return to_bytes(total.reshape(-1, 1, 1)).reshape(total.shape)


class _DynamicImageKind(Kind[DynamicImage]):
    spec = DynamicImage

    def form(self, spec: DynamicImage) -> Form:
        return np.uint8, (spec.size, spec.size, 1 if spec.weights == "active" else 3)

    def needs_movement(self, spec: DynamicImage) -> bool:
        return True

    def build(self, spec: DynamicImage, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        numbers = sampling.within(faces.numbers, *clip.ends(spec.span))
        convert = grey if spec.weights == "active" else rgb
        frames = (convert(faces.aligned(number, spec.size)) for number in numbers)
        return dynamic_image(frames, len(numbers), spec.weights)

    def synthetic(self, spec: DynamicImage, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        return marked.images(marks.to_numpy(), spec.size, 1 if spec.weights == "active" else 3, rng)


KIND = _DynamicImageKind()
