"""Optical flow over the time of a clip, from its first frame or step by step."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import FlowSeries
from merbench.prepare import marked, pictures, sampling
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames, grey
from merbench.prepare.kinds.flow import channels, to_bytes
from merbench.prepare.kinds.flow_field import flows
from merbench.prepare.kinds.kind import Form, Kind


class _FlowSeriesKind(Kind[FlowSeries]):
    spec = FlowSeries

    def form(self, spec: FlowSeries) -> Form:
        return np.float32, (spec.count - 1, spec.size, spec.size, 2)

    def needs_movement(self, spec: FlowSeries) -> bool:
        return True

    def build(self, spec: FlowSeries, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        numbers = sampling.nearest(faces.numbers, np.linspace(*clip.ends(spec.span), spec.count))
        greys = {number: grey(faces.face(number, spec.size))[:, :, 0] for number in numbers}
        from_ = numbers[:1] * (spec.count - 1) if spec.reference == "onset" else numbers[:-1]
        return flows([(greys[a], greys[b]) for a, b in zip(from_, numbers[1:], strict=True)], spec.algorithm)

    def synthetic(self, spec: FlowSeries, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Make movement that the marks turn and lengthen, in all frames alike."""
        made = marked.images(marks.to_numpy(), spec.size, 2, rng)
        return np.repeat((made[:, None].astype(np.float32) - 128) / 64, spec.count - 1, axis=1)

    def pictures(self, spec: FlowSeries, values: npt.NDArray[Any]) -> list[tuple[str, pictures.Picture]]:
        """Draw the magnitudes of some fields."""
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), pictures.MOST)).round().astype(int))
        shown = {index + 2: to_bytes(channels(values[index], ["magnitude"])) for index in chosen}
        return [(f"to frame {number}", pictures.fitted(pictures.grey(each[:, :, 0]))) for number, each in shown.items()]


KIND = _FlowSeriesKind()
