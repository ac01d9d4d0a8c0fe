"""Optical flow of the pairs of faces that a clip's flow inputs need: computed once, for all of them."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import Flow, Magnify, Span
from merbench.contracts.specifications import FaceSpecification
from merbench.prepare import sampling
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames, Image, grey
from merbench.prepare.jitter import jittered
from merbench.prepare.kinds.kind import Form, Kind

Field = npt.NDArray[np.float32]
Algorithm = Literal["tvl1", "farneback", "dis", "tvl1-torch"]

_PIXELS_AT_ONCE = 2**19  # 32 pairs of 128 x 128; each pixel takes some half a kilobyte

_cv2: Any = cv2  # its type stubs miss what contrib adds


def flow(first: Image, last: Image, algorithm: Algorithm = "tvl1") -> Field:
    """Return the movement from one grey picture to another.

    ``tvl1`` is OpenCV's dual TV-L1 with its default parameters (Zach, Pock & Bischof 2007), ``farneback`` OpenCV's
    with the parameters of its manual: 3 levels at 0.5, window 15, 3 iterations, polynomials over 5 with sigma 1.2;
    ``dis`` is dense inverse search (Kroeger et al., ECCV 2016) in OpenCV's medium preset; ``tvl1-torch`` is TV-L1 in
    torch, :mod:`merbench.prepare.tvl1`.

    The field, (height, width, 2), is u, in pixels to the right, and v, in pixels **down**: the point (x, y) of `first`
    is at (x + u, y + v) of `last`. Exactly 0 for identical pictures.
    """
    if np.array_equal(first, last):  # scaled to 0..255, numerical residue would look like movement
        return np.zeros((*first.shape, 2), dtype=np.float32)
    if algorithm == "tvl1-torch":
        return np.asarray(flows([(first, last)], algorithm)[0])
    if algorithm == "tvl1":
        field = _cv2.optflow.DualTVL1OpticalFlow_create().calc(first, last, None)
    elif algorithm == "dis":
        search = _cv2.DISOpticalFlow_create(_cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        field = search.calc(first, last, np.zeros((*first.shape, 2), np.float32))
    else:
        field = cv2.calcOpticalFlowFarneback(
            first, last, None, pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0
        )
    return np.asarray(field, dtype=np.float32)


def flows(pairs: Sequence[tuple[Image, Image]], algorithm: Algorithm) -> Field:
    """Return the movement of each pair, as :func:`flow` does; ``tvl1-torch`` computes many of them at once."""
    if algorithm != "tvl1-torch":
        return np.stack([flow(first, last, algorithm) for first, last in pairs])
    from merbench.prepare.tvl1 import best_device, tvl1

    shape = pairs[0][0].shape
    fields = np.zeros((len(pairs), *shape, 2), dtype=np.float32)
    moved = [index for index, (first, last) in enumerate(pairs) if not np.array_equal(first, last)]
    for begin in range(0, len(moved), pairs_at_once(*shape)):
        some = moved[begin : begin + pairs_at_once(*shape)]
        firsts, lasts = (np.stack([pairs[index][side] for index in some]) for side in (0, 1))
        fields[some] = tvl1(firsts, lasts, best_device())
    return fields


def pairs_at_once(height: int, width: int) -> int:
    """Return of how many pairs ``tvl1-torch`` computes the flow at once: as many as memory is meant for."""
    return max(1, _PIXELS_AT_ONCE // (height * width))


class _FlowField(FaceSpecification):
    """Flow of each pair of frames that jitter gives, each once: ``(pairs, face_size, face_size, 2)`` a clip, float32.

    The settings are those of flow that change it.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "face_size", "algorithm")

    kind: Literal["flow-field"] = "flow-field"
    span: Span
    algorithm: Algorithm
    face_size: int
    onset_jitter: int = 0
    apex_jitter: int = 0
    magnify: Magnify = "none"

    @property
    def drawn(self) -> None:
        """None: an array has the pairs of all variants."""
        return


def field_of(spec: Flow) -> _FlowField:
    """Return the field from which a settled flow input is made."""
    return _FlowField.model_validate({name: getattr(spec, name) for name in _FlowField.model_fields if name != "kind"})


def pair_of(spec: Flow | _FlowField, clip: ClipFrames, faces: Faces) -> tuple[int, int]:
    """Return the numbers of the frames on disk between which the flow of a variant of a clip is computed."""
    first, last = sampling.nearest(faces.numbers, clip.ends(spec.span))
    return first, last


def pairs_of(spec: _FlowField, faces: Faces) -> list[tuple[int, int]]:
    """Return the pairs of a clip in the order of its array."""
    return list(dict.fromkeys(pair_of(spec, variant, faces) for variant in jittered(spec, faces.clip)))


class _FlowFieldKind(Kind[_FlowField]):
    spec = _FlowField

    def form(self, spec: _FlowField) -> Form:
        return np.float32, (None, spec.face_size, spec.face_size, 2)

    def versions(self, spec: _FlowField, clip: ClipFrames) -> list[ClipFrames]:
        return [clip]

    def build(self, spec: _FlowField, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        return flows(_grey_pairs(spec, faces), spec.algorithm)

    def together(self, spec: _FlowField) -> int:
        """Return the clips whose pairs are computed at once; with jitter a clip has many, and is built alone."""
        jitter = spec.onset_jitter or spec.apex_jitter
        return 1 if spec.algorithm != "tvl1-torch" or jitter else pairs_at_once(spec.face_size, spec.face_size)

    def build_together(self, spec: _FlowField, clips: Sequence[tuple[ClipFrames, Faces]]) -> list[npt.NDArray[Any]]:
        pairs = [_grey_pairs(spec, faces) for _, faces in clips]
        fields = flows([pair for own in pairs for pair in own], spec.algorithm)
        return np.split(fields, np.cumsum([len(own) for own in pairs])[:-1])


def _grey_pairs(spec: _FlowField, faces: Faces) -> list[tuple[Image, Image]]:
    pairs = pairs_of(spec, faces)
    greys = {number: grey(faces.face(number, spec.face_size))[:, :, 0] for pair in pairs for number in pair}
    return [(greys[first], greys[last]) for first, last in pairs]


KIND = _FlowFieldKind()
