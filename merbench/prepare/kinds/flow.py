"""Channels of the optical flow of a pair of faces, and their encodings."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts import inputs
from merbench.contracts.specifications import Specification
from merbench.prepare import marked, pictures
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds import flow_field
from merbench.prepare.kinds.flow_field import Field
from merbench.prepare.kinds.kind import Form, Kind

Channel = Literal["u", "v", "strain", "magnitude"]

#: Values outside the face are divided by this, and their colours limited to this many times the mean (MEDN's authors).
OUTSIDE = 3


def strain(field: Field) -> Field:
    """Return the optical strain of a field, shape (height, width).

    The magnitude of the strain tensor: of stretching and shearing, not of moving or turning as a whole
    (Shreve et al. 2011; Liong et al., FG 2019)::

        sqrt(u_x^2 + v_y^2 + (u_y + v_x)^2 / 2)

    with derivatives by central differences, one-sided at the edges.
    """
    u_y, u_x = np.gradient(field[:, :, 0])
    v_y, v_x = np.gradient(field[:, :, 1])
    return np.asarray(np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2), dtype=np.float32)


def channels(field: Field, names: Sequence[Channel]) -> Field:
    """Return the named channels of a field, shape (height, width, len(names)); magnitude is ``sqrt(u^2 + v^2)``."""
    u, v = field[:, :, 0], field[:, :, 1]
    derive: dict[str, Callable[[], Field]] = {"u": lambda: u, "v": lambda: v, "strain": lambda: strain(field)}
    derive["magnitude"] = lambda: np.hypot(u, v)
    return np.stack([derive[name]() for name in names], axis=-1)


def resize(values: Field, size: int) -> Field:
    """Resize channels to `size` x `size`: averaged if smaller, bilinear if larger; vectors keep their length."""
    if values.shape[:2] == (size, size):
        return values
    way = cv2.INTER_AREA if size < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (size, size), interpolation=way)).reshape(size, size, -1)


def to_bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale each channel, the last axis, to 0..255: the least becomes 0, the greatest 255, rounded; a constant one 0.

    As in the published images of STSTNet's authors: in all 442, each of the channels u, v and strain spans 0 to 255.
    """
    exact = values.astype(np.float64)
    low, high = exact.min(axis=(0, 1)), exact.max(axis=(0, 1))
    share = (exact - low) / np.where(high > low, high - low, 1.0)
    return np.asarray(np.rint(255.0 * share), dtype=np.uint8)


def face_mask(points: npt.NDArray[Any], size: int) -> npt.NDArray[np.bool_]:
    """Return the mask of the face between brows and jaw, (size, size), of 68 points in pixels of a face of `size`.

    The outline of MEDN's authors: left brow 21 to 17, jaw 0 to 16, right brow 26 to 23, brows lifted by size / 10.
    """
    outline = points[[*range(21, 16, -1), *range(17), *range(26, 22, -1)]].astype(np.int32)
    brows = np.r_[:5, 22:26]
    outline[brows, 1] -= size // 10
    mask = np.zeros((size, size), dtype=np.uint8)
    cv2.fillPoly(mask, [outline], 1)
    return mask.astype(bool)


def damp_outside(values: Field, mask: npt.NDArray[np.bool_]) -> Field:
    """Divide the values outside the mask by 3; `values` has the shape (height, width, channels)."""
    return np.where(mask[:, :, None], values, values / OUTSIDE)


def colour(field: Field, mask: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.uint8]:
    """Write a field as a picture, as MEDN's authors do: hue the direction, full saturation, value the magnitude.

    The hue is half the angle in degrees, from the right (red) by way of down; the value runs from 0 for the shortest
    to 255 for the longest vector of this field, so the magnitude of the movement is lost. Turn or mirror **vectors** (a
    mirrored field has u negated) before colouring; mirroring the picture gives wrong hues.

    `field` is u and v, (height, width, 2), already damped outside the face where its `mask` is given: colours outside
    are limited to 3 times their mean. Returns RGB, (height, width, 3).
    """
    length, angle = cv2.cartToPolar(field[:, :, 0], field[:, :, 1], angleInDegrees=True)
    hsv = np.full((*length.shape, 3), 255, dtype=np.uint8)
    hsv[:, :, 0] = (angle / 2).astype(np.uint8) % 180
    hsv[:, :, 2] = to_bytes(length[:, :, None])[:, :, 0]
    picture = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    if mask is not None and not mask.all():
        outside = picture[~mask]
        picture[~mask] = np.minimum(outside, OUTSIDE * outside.mean()).astype(np.uint8)
    return picture


#: Settings that may differ from those of a release from which flow is derived.
_DERIVED = {"channels", "normalise", "size", "resample"}


class _FlowKind(Kind[inputs.Flow]):
    spec = inputs.Flow

    def form(self, spec: inputs.Flow) -> Form:
        count = 3 if spec.normalise == "hsv" else len(spec.channels)
        return np.float32 if spec.normalise in ("none", "unit") else np.uint8, (spec.size, spec.size, count)

    def needs_landmarks(self, spec: inputs.Flow) -> bool:
        return spec.mask == "face"

    def parts(self, spec: inputs.Flow) -> list[Specification]:
        return [flow_field.field_of(spec)]

    def needs_movement(self, spec: inputs.Flow) -> bool:
        return True

    def build(self, spec: inputs.Flow, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        part = flow_field.field_of(spec)
        fields = faces.once(part, lambda: flow_field.KIND.build(part, clip, faces))
        pair = flow_field.pair_of(spec, clip, faces)
        values = channels(fields[flow_field.pairs_of(part, faces).index(pair)], spec.channels)
        mask = None
        if spec.mask == "face":
            values = damp_outside(values, face_mask(faces.points(spec.face_size), spec.face_size))
            mask = face_mask(faces.points(spec.size), spec.size)
        return _encoded(spec, resize(values, spec.size), mask)

    def derive(self, spec: inputs.Flow, offered: inputs.Flow) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None:
        """Derive some channels, other scaling, and with ``resample`` another size.

        Bytes have lost the range of their channel, so neither pixels nor colours, which need the magnitude, are derived
        from them. Resampled channels are scaled to 0..255 anew: what was built from a smaller flow, up to rounding.
        """
        kept = offered.model_copy(update={name: getattr(spec, name) for name in _DERIVED})
        lost = {"clip": ("none", "hsv"), "unit": ("none", "hsv"), "none": (), "hsv": ("clip", "unit", "none", "hsv")}
        masked = spec.normalise == "hsv" and spec.mask == "face"  # its colours are limited where landmarks say
        if kept != spec or spec.drawn is not None or masked or spec.normalise in lost[offered.normalise]:
            return None
        if not set(spec.channels) <= set(offered.channels) or not (spec.resample or spec.size == offered.size):
            return None
        places = [offered.channels.index(name) for name in spec.channels]
        exact = offered.normalise == "none" or spec.size != offered.size

        def derived(arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
            chosen = np.ascontiguousarray(arrays[..., places])
            if exact:
                return np.stack([_encoded(spec, resize(each.astype(np.float32), spec.size)) for each in chosen])
            encoded = chosen if offered.normalise == "clip" else np.rint(255 * chosen).astype(np.uint8)
            return encoded if spec.normalise == "clip" else _unit(encoded)

        return derived

    def synthetic(self, spec: inputs.Flow, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        dtype, (_, _, count) = self.form(spec)
        assert count is not None
        values = marked.images(marks.to_numpy(), spec.size, count, rng)
        if spec.normalise == "unit":
            return _unit(values)
        return values if dtype is np.uint8 else (values.astype(np.float32) - 128) / 64

    def pictures(self, spec: inputs.Flow, values: npt.NDArray[Any]) -> list[tuple[str, pictures.Picture]]:
        """Draw each channel, or the coloured flow."""
        if spec.normalise == "hsv":
            return [("flow", pictures.fitted(values))]
        shown = values if spec.normalise == "clip" else to_bytes(values)
        return [(name, pictures.fitted(pictures.grey(shown[:, :, index]))) for index, name in enumerate(spec.channels)]


def _encoded(spec: inputs.Flow, values: Field, mask: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[Any]:
    """Encode channels of the final size as `spec` says."""
    if spec.normalise == "hsv":
        return colour(values, mask)
    if spec.normalise == "none":
        return values
    return to_bytes(values) if spec.normalise == "clip" else _unit(to_bytes(values))


def _unit(values: npt.NDArray[np.uint8]) -> Field:
    return np.asarray(values / np.float32(255), dtype=np.float32)


KIND = _FlowKind()
