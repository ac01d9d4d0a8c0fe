"""The times of the frames of another input."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import FrameTimes
from merbench.prepare import marked
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.frames import KIND as FRAMES
from merbench.prepare.kinds.frames import lengths, taken
from merbench.prepare.kinds.kind import Form, Kind


class _FrameTimesKind(Kind[FrameTimes]):
    spec = FrameTimes

    def form(self, spec: FrameTimes) -> Form:
        return np.float32, (lengths(spec.frames),)

    def needs_fps(self, spec: FrameTimes) -> bool:
        return spec.unit == "milliseconds"

    def build(self, spec: FrameTimes, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        positions = [(1 - weight) * before + weight * after for before, after, weight in taken(spec.frames, clip)]
        times = (np.array(positions) - clip.onset) * self._length(spec, clip)
        return times[spec.frames.difference == "onset" :].astype(np.float32)

    def _length(self, spec: FrameTimes, clip: ClipFrames) -> float:
        """Return the length of a frame in the unit."""
        if spec.unit == "milliseconds":
            assert clip.fps is not None
            return 1000 / clip.fps
        return 1.0 if spec.unit == "frames" else 1 / max(clip.ends(spec.frames.span)[1] - clip.onset, 1)

    def versions(self, spec: FrameTimes, clip: ClipFrames) -> list[ClipFrames]:
        return FRAMES.versions(spec.frames, clip)

    def has_varying_versions(self, spec: FrameTimes) -> bool:
        return FRAMES.has_varying_versions(spec.frames)

    def synthetic(self, spec: FrameTimes, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Make times at equal steps, in clips whose length depends on their marks."""
        durations = 100 + 50 * marks.to_numpy() @ np.arange(1, marks.shape[1] + 1) + rng.uniform(0, 20, len(marks))
        if spec.unit == "fraction":
            durations = np.ones(len(marks))

        def make(rows: slice, shape: tuple[int, ...]) -> npt.NDArray[Any]:
            return (durations[rows, None] * np.linspace(0, 1, shape[0])).astype(np.float32)

        return marked.each_length(self.form(spec)[1], make, len(marks))


KIND = _FrameTimesKind()
