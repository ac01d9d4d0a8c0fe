"""Face frames of a clip."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import Frames
from merbench.prepare import marked, pictures, sampling
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames, Image, grey, rgb
from merbench.prepare.kinds.kind import Form, Kind


class _FramesKind(Kind[Frames]):
    spec = Frames

    def form(self, spec: Frames) -> Form:
        return np.uint8, (spec.count, spec.size, spec.size, 3 if spec.colour == "rgb" else 1)

    def build(self, spec: Frames, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        convert = rgb if spec.colour == "rgb" else grey
        first, last = clip.ends(spec.span)
        if spec.count is None:
            numbers = sampling.within(faces.numbers, first, last)
        elif spec.sampling == "phase":
            numbers = sampling.nearest(faces.numbers, sampling.phase(clip.onset, clip.apex, clip.offset, spec.count))
        elif spec.sampling == "uniform":
            numbers = sampling.nearest(faces.numbers, np.linspace(first, last, spec.count))
        else:
            mixed = sampling.neighbours(faces.numbers, np.linspace(first, last, spec.count))
            return np.stack([convert(_blend(faces, spec.size, *each)) for each in mixed])
        return np.stack([convert(faces.face(number, spec.size)) for number in numbers])

    def synthetic(self, spec: Frames, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Make frames in which the marks increase."""
        final = marks.to_numpy()

        def make(rows: slice, shape: tuple[int, ...]) -> npt.NDArray[Any]:
            count, size, _, channels = shape
            steps = np.linspace(0, 1, count)
            return np.stack([marked.images(final[rows] * at, size, channels, rng) for at in steps], axis=1)

        return marked.each_length(self.form(spec)[1], make, len(final))

    def pictures(self, spec: Frames, values: npt.NDArray[Any]) -> list[tuple[str, pictures.Picture]]:
        """Draw frames, at most some of them."""
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), pictures.MOST)).round().astype(int))
        whole = np.repeat(values, 3, axis=-1) if spec.colour == "grey" else values
        return [(f"frame {index + 1}", pictures.fitted(whole[index])) for index in chosen]


def _blend(faces: Faces, size: int, before: int, after: int, weight: float) -> Image:
    return np.asarray(cv2.addWeighted(faces.face(before, size), 1 - weight, faces.face(after, size), weight, 0))


KIND = _FramesKind()
