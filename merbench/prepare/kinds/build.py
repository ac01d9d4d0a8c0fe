"""One input of one clip, built from its frames: the meaning of every specification."""

from collections.abc import Callable
from functools import cache, cached_property, partial
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import ActionUnits, ClipFacts, DynamicImage, Flow, Frames, InputSpec, Landmarks
from merbench.prepare import sampling
from merbench.prepare.faces.find import FaceAlignment, Points, find_face, five_points
from merbench.prepare.frames import ClipFrames, Image
from merbench.prepare.kinds import flow, pictures

Array = npt.NDArray[Any]
PictureSpec = Flow | Frames | DynamicImage | Landmarks


def build(spec: InputSpec, clip: ClipFrames) -> Array:
    """Build one input of one clip; each frame is read and aligned once.

    `spec` is settled, see :func:`merbench.prepare.faces.settle.settled`. Its docstring has shape and type of the array;
    with a jitter window there is a leading axis over :func:`variants`.

    Raises
    ------
    DataError
        A frame is unreadable, shows no face, or is not of the onset frame's size; names clip and file.
    MerbenchError
        Landmarks are asked for and dlib is not installed.
    """
    assert not isinstance(spec, ClipFacts)  # not built from frames
    if isinstance(spec, ActionUnits):
        unknown = np.full(len(spec.vocabulary), np.nan, dtype=np.float32)
        return unknown if clip.aus is None else clip.aus.vector(spec.vocabulary)
    faces = _Faces(spec, clip)
    if isinstance(spec, Landmarks):
        points = faces.points(spec.size)
        return np.asarray(points if spec.points == 68 else five_points(points), dtype=np.float32)
    if isinstance(spec, DynamicImage):
        numbers = sampling.within(faces.numbers, *_ends(spec, clip, clip.onset, clip.apex))
        return pictures.dynamic_image((_rgb(faces.aligned(number, spec.size)) for number in numbers), len(numbers))
    of_annotation: Callable[[int, int], Array]
    of_annotation = _flows(spec, clip, faces) if isinstance(spec, Flow) else partial(_sampled, spec, clip, faces)
    built = [of_annotation(*shifted(clip, *shift)) for shift in variants(spec)]
    return np.stack(built) if spec.onset_jitter or spec.apex_jitter else built[0]


def variants(spec: InputSpec) -> list[tuple[int, int]]:
    """Return the shifts of onset and apex, in frames, of each variant of an input; the first is (0, 0).

    All combinations within the jitter windows; only the first without windows.
    """
    if not isinstance(spec, Flow | Frames):
        return [(0, 0)]
    onsets, apexes = (range(-window, window + 1) for window in (spec.onset_jitter, spec.apex_jitter))
    return sorted(product(onsets, apexes), key=lambda shift: (shift != (0, 0), shift))


def shifted(clip: ClipFrames, onset_shift: int, apex_shift: int) -> tuple[int, int]:
    """Return onset and apex shifted by that many frames, within the limits of the clip.

    The onset stays before the annotated apex and within the frames on disk, the apex after the shifted onset and not
    after the offset. A frame that is not shifted stays as annotated, in any order.
    """
    onset, apex = clip.onset, clip.apex
    if onset_shift:
        onset = max(min(onset + onset_shift, max(apex - 1, onset)), min(clip.files))
    if apex_shift:
        apex = max(min(apex + apex_shift, clip.offset), min(onset + 1, clip.offset))
    return onset, apex


class _Faces:
    """The faces of a clip: every frame decoded and aligned once, by the onset frame's transform or by its own."""

    def __init__(self, spec: PictureSpec, clip: ClipFrames) -> None:
        assert spec.faces != "auto"  # settled before anything is built
        self._spec, self._clip, self._found = spec, clip, spec.faces
        self._needs_points = isinstance(spec, Landmarks) or (isinstance(spec, Flow) and spec.mask == "face")
        self._kept: dict[int, Image] = {}
        self.numbers = sorted(clip.files)

    def face(self, number: int, size: int) -> Image:
        """Return the face of a frame, BGR, `size` x `size`."""
        if number not in self._kept:
            self._kept[number] = self.aligned(number, size)
        return self._kept[number]

    def points(self, size: int) -> Points:
        """Return the onset frame's 68 landmarks in pixels of a face of `size`."""
        return self._onset[1].points(size)

    @cached_property
    def _onset(self) -> tuple[Image, FaceAlignment]:
        number = self._clip.nearest(self._clip.onset)
        image = self._clip.image(number)
        return image, find_face(image, self._found, self._where(number), self._needs_points)

    def aligned(self, number: int, size: int) -> Image:
        """Return the face of a frame that is used once, without caching it."""
        onset, alignment = self._onset
        if number == self._clip.nearest(self._clip.onset):
            return alignment.apply(onset, size)
        image = self._clip.image(number)
        if self._spec.align == "frame":
            return find_face(image, self._found, self._where(number)).apply(image, size)
        if image.shape != onset.shape:
            here, there = (f"{each.shape[1]} x {each.shape[0]}" for each in (image, onset))
            raise DataError(
                f"{self._where(number)}: {here} pixels, where the onset frame has {there}; "
                "copy the clip again, or prepare it with align: frame"
            )
        return alignment.apply(image, size)

    def _where(self, number: int) -> str:
        return f"{self._clip.name}, frame {number} ({self._clip.files[number]})"


def _flows(spec: Flow, clip: ClipFrames, faces: _Faces) -> Callable[[int, int], Array]:
    """Return the function of onset and apex that builds the flow, computed once for each pair of frames."""
    of_pair = cache(partial(_flow, spec, faces))
    return lambda onset, apex: of_pair(*sampling.nearest(faces.numbers, _ends(spec, clip, onset, apex)))


def _flow(spec: Flow, faces: _Faces, first: int, last: int) -> Array:
    before, after = (_grey(faces.face(number, spec.face_size))[:, :, 0] for number in (first, last))
    values = flow.channels(flow.flow(before, after, spec.algorithm), spec.channels)
    mask = None
    if spec.mask == "face":
        values = flow.damp_outside(values, flow.face_mask(faces.points(spec.face_size), spec.face_size))
        mask = flow.face_mask(faces.points(spec.size), spec.size)
    values = flow.resize(values, spec.size)
    if spec.normalise == "hsv":
        return flow.colour(values, mask)
    return flow.to_bytes(values) if spec.normalise == "clip" else values


def _sampled(spec: Frames, clip: ClipFrames, faces: _Faces, onset: int, apex: int) -> Array:
    convert = _rgb if spec.colour == "rgb" else _grey
    first, last = _ends(spec, clip, onset, apex)
    if spec.count is None:
        numbers = sampling.within(faces.numbers, first, last)
    elif spec.sampling == "phase":
        numbers = sampling.nearest(faces.numbers, sampling.phase(onset, apex, clip.offset, spec.count))
    elif spec.sampling == "uniform":
        numbers = sampling.nearest(faces.numbers, np.linspace(first, last, spec.count))
    else:
        mixed = sampling.neighbours(faces.numbers, np.linspace(first, last, spec.count))
        return np.stack([convert(_blend(faces, spec.size, *each)) for each in mixed])
    return np.stack([convert(faces.face(number, spec.size)) for number in numbers])


def _blend(faces: _Faces, size: int, before: int, after: int, weight: float) -> Image:
    return np.asarray(cv2.addWeighted(faces.face(before, size), 1 - weight, faces.face(after, size), weight, 0))


def _ends(spec: Flow | Frames | DynamicImage, clip: ClipFrames, onset: int, apex: int) -> tuple[int, int]:
    return sampling.ends(spec.span, onset, apex, clip.offset, list(clip.files))


def _rgb(image: Image) -> Image:
    return np.ascontiguousarray(image[:, :, ::-1])


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[:, :, None]
