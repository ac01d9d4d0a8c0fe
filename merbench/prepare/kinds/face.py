"""Where the face is in a clip's onset frame: found once, for the other inputs of the clip."""

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from merbench.contracts.specifications import FaceSpecification, Specification
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import Form, Kind, kind_of


class _Face(FaceSpecification):
    """The face in the onset frame: ``(3, 2)`` or ``(71, 2)`` a clip, float64.

    The first three rows take a pixel (x, y, 1) of the frame to the face square, whose edges are 0 and 1. The others are
    the 68 landmarks in pixels of the frame, with ``faces="landmarks"`` or `landmarks`.
    """

    named_by: ClassVar[tuple[str, ...]] = ("faces",)

    kind: Literal["face"] = "face"
    align: Literal["onset"] = "onset"
    landmarks: bool = False


class _FaceKind(Kind[_Face]):
    spec = _Face

    def form(self, spec: _Face) -> Form:
        return np.float64, (71 if self.needs_landmarks(spec) else 3, 2)

    def needs_landmarks(self, spec: _Face) -> bool:
        return spec.landmarks or spec.faces == "landmarks"

    def build(self, spec: _Face, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        return faces.alignment(self.needs_landmarks(spec)).array()


KIND = _FaceKind()


def face_of(spec: Specification) -> Specification | None:
    """Return the face that a settled input needs; None if it needs none, takes the whole picture, or is a face."""
    faces, landmarks = getattr(spec, "faces", "delivered"), kind_of(spec).needs_landmarks(spec)
    if isinstance(spec, _Face) or (faces == "delivered" and not landmarks):
        return None
    return _Face(faces=faces, landmarks=landmarks and faces != "landmarks")


def uses_dlib(spec: Specification) -> bool:
    """Return whether building a settled input, its face being known, runs dlib."""
    if isinstance(spec, _Face):
        return KIND.needs_landmarks(spec)
    return getattr(spec, "faces", "") == "landmarks" and getattr(spec, "align", "") == "frame"
