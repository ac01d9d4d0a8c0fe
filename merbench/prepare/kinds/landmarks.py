"""Facial landmarks of a clip's onset frame."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import Landmarks
from merbench.prepare import marked, pictures
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.faces.find import five_points
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import Form, Kind


class _LandmarksKind(Kind[Landmarks]):
    spec = Landmarks

    def form(self, spec: Landmarks) -> Form:
        return np.float32, (spec.points, 2)

    def needs_landmarks(self, spec: Landmarks) -> bool:
        return True

    def build(self, spec: Landmarks, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        points = faces.points(spec.size)
        return np.asarray(points if spec.points == 68 else five_points(points), dtype=np.float32)

    def synthetic(self, spec: Landmarks, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Make points around the middle of the face, moved by the marks."""
        points = rng.normal(spec.size / 2, spec.size / 20, (len(marks), spec.points, 2))
        return (points + marked.bands(marks.to_numpy(), spec.points)[:, :, None] * spec.size / 10).astype(np.float32)

    def pictures(self, spec: Landmarks, values: npt.NDArray[Any]) -> list[tuple[str, pictures.Picture]]:
        """Draw the points."""
        found = np.full((pictures.SIDE, pictures.SIDE, 3), 255, dtype=np.uint8)
        for x, y in (values + 0.5) * pictures.SIDE / spec.size:
            cv2.circle(found, (round(x), round(y)), 1, (0, 0, 0), -1)
        return [("landmarks", found)]


KIND = _LandmarksKind()
