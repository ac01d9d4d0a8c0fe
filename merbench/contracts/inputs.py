"""Inputs: their specifications, which methods declare, and the arrays that methods get.

A method declares named inputs and never reads files. A specification covers everything that changes the values; its
digest is part of the resume key.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializeAsAny, WrapValidator, model_validator

from merbench.contracts.specifications import FaceSpecification, Specification, read_specification

Span = Literal["onset-apex", "onset-offset", "clip"]
FrameSpan = Literal["onset", "onset-apex", "onset-offset", "clip"]


def _check_jitter(spec: "Flow | Frames", apex_is_used: bool) -> None:
    if (spec.apex_jitter and not apex_is_used) or (spec.span == "clip" and spec.onset_jitter):
        raise ValueError(f"the span {spec.span} does not begin or end at the jittered frame: remove the jitter")


class Flow(FaceSpecification):
    """Optical flow between the first and the last frame of a span: ``(size, size, channels)`` a clip.

    The flow is computed on grey faces of ``face_size`` pixels, in these pixels, and averaged to ``size``.
    With jitter windows, onset and apex are randomly shifted by up to that many frames in training.

    ``normalise="clip"`` scales each channel of a clip to 0..255 (uint8), as published by STSTNet's authors; ``"none"``
    gives float32 pixels; ``"hsv"`` gives one RGB picture (uint8) of ``channels=("u", "v")``, hue the direction, value
    the magnitude. ``mask="face"`` divides values outside brows and jaw by 3, as MEDN's authors do; it needs
    landmarks.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "size", "channels", "algorithm", "normalise")

    kind: Literal["flow"] = "flow"
    span: Span = "onset-apex"
    size: int = Field(28, ge=8)
    channels: tuple[Literal["u", "v", "strain", "magnitude"], ...] = ("u", "v", "strain")
    algorithm: Literal["tvl1", "farneback"] = "tvl1"
    normalise: Literal["clip", "none", "hsv"] = "clip"
    mask: Literal["none", "face"] = "none"
    face_size: int = Field(128, ge=16)
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Flow":
        if self.normalise == "hsv" and self.channels != ("u", "v"):
            raise ValueError("normalise: hsv needs the channels u and v: write channels: [u, v]")
        if not self.channels:
            raise ValueError("name at least one channel")
        if self.mask == "face" and self.faces == "haar":
            raise ValueError("mask: face needs landmarks, which faces: haar does not provide")
        _check_jitter(self, self.span == "onset-apex")
        return self


class Frames(FaceSpecification):
    """Face frames: ``(count, size, size, channels)`` a clip, uint8; ``count=None`` gives every frame (ragged).

    ``span="onset"`` is the onset frame alone, with ``count=1``: a face without movement.

    ``sampling`` places the count over the span: ``"uniform"`` takes the nearest frame at equal steps,
    ``"interpolated"`` blends its two neighbours, ``"phase"`` gives the rise (onset to apex) and the decay (apex to
    offset) the same number of steps, the apex being one of them (only over ``onset-offset``).
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "count", "size", "colour")

    kind: Literal["frames"] = "frames"
    span: FrameSpan = "onset-offset"
    count: int | None = Field(8, ge=1)
    size: int = Field(112, ge=8)
    colour: Literal["grey", "rgb"] = "grey"
    sampling: Literal["uniform", "interpolated", "phase"] = "uniform"
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Frames":
        if (self.span == "onset") != (self.count == 1):
            raise ValueError("count: 1 and span: onset need each other: write span: onset, count: 1")
        if self.span == "onset" and self.sampling != "uniform":
            raise ValueError(f"the span onset has only one frame: remove sampling: {self.sampling}")
        if self.sampling == "phase" and (self.span != "onset-offset" or self.count is None or self.count < 3):
            raise ValueError("sampling: phase needs the span onset-offset and a count of at least 3")
        _check_jitter(self, self.span == "onset-apex" or self.sampling == "phase")
        if self.count is None and (self.sampling == "interpolated" or self.onset_jitter or self.apex_jitter):
            raise ValueError("interpolated sampling and jitter need a count")
        return self


class DynamicImage(FaceSpecification):
    """The whole clip in one picture by approximate rank pooling: ``(size, size, 3)`` a clip, uint8, RGB."""

    named_by: ClassVar[tuple[str, ...]] = ("span", "size")

    kind: Literal["dynamic-image"] = "dynamic-image"
    span: Span = "onset-offset"
    size: int = Field(112, ge=8)


class Landmarks(FaceSpecification):
    """Facial landmarks of the onset frame: ``(points, 2)`` a clip, float32, x and y in pixels of the prepared face."""

    named_by: ClassVar[tuple[str, ...]] = ("points", "size")

    kind: Literal["landmarks"] = "landmarks"
    faces: Literal["auto", "landmarks", "delivered"] = "auto"
    points: Literal[5, 68] = 68
    size: int = Field(112, ge=8)


class ActionUnits(Specification):
    """Action units, for training only: ``(len(vocabulary),)`` a clip, 1 shown, 0 not, NaN without a label."""

    training_only: ClassVar[bool] = True
    named_by: ClassVar[tuple[str, ...]] = ("vocabulary",)

    kind: Literal["action-units"] = "action-units"
    vocabulary: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)


class ClipFacts(Specification):
    """Facts of a clip from the clip table: ``(len(facts),)`` a clip, float64.

    ``database`` is a number for the clip's database: the same for all its clips, different for any other, without
    further meaning. ``seconds`` is the duration of the movement, from onset to offset, both included. Subjects, labels
    and names are not available.
    """

    named_by: ClassVar[tuple[str, ...]] = ("facts",)

    kind: Literal["clip-facts"] = "clip-facts"
    facts: tuple[Literal["database", "seconds"], ...] = Field(min_length=1)


_BUILTIN: dict[str, type[Specification]] = {
    cls.model_fields["kind"].default: cls for cls in (Flow, Frames, DynamicImage, Landmarks, ActionUnits, ClipFacts)
}


def _read(value: Any, check: Callable[[Any], Specification]) -> Specification:
    if isinstance(value, Mapping):
        return read_specification(value, _BUILTIN)
    return value if isinstance(value, Specification) else check(value)  # check refuses it


#: A specification of any kind, built in or offered by a package; in a card, ``kind`` says which.
InputSpec = Annotated[SerializeAsAny[Specification], WrapValidator(_read)]

Rows = npt.NDArray[np.intp] | slice


class ArrayInput:
    """One input of a set of clips, held in memory.

    `values` have shape (n_clips, ...). With a jitter window, the second axis has the shifted versions, first the
    annotated one; clips of different length (``count=None``) are an array of arrays. `prepared` is database -> the
    settled specification, where it differs from `spec`.
    """

    def __init__(self, spec: InputSpec, values: npt.NDArray[Any], prepared: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self.prepared = dict(prepared or {})
        self._values = values
        self._shifted = bool(getattr(spec, "onset_jitter", 0) or getattr(spec, "apex_jitter", 0))

    def batch(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> npt.NDArray[Any]:
        """Return the values of the clips at `rows`, shape (n_rows, ...), as a copy that may be changed in place.

        `rng` draws the jitter of a specification with a window; None gives the annotated frames.
        """
        values = _copied(self._values[rows])
        if not self._shifted:
            return values
        versions = np.zeros(len(values), int) if rng is None else rng.integers(values.shape[1], size=len(values))
        return np.array(values[np.arange(len(values)), versions])

    def stored(self) -> npt.NDArray[Any]:
        """Return all values without a copy, for digests: read only."""
        return self._values

    def take(self, rows: npt.NDArray[np.intp]) -> "ArrayInput":
        """Return a copy for some clips."""
        return ArrayInput(self.spec, _copied(self._values[np.asarray(rows)]), self.prepared)


def _copied(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    found = np.array(values)
    if values.dtype == object:
        for index, value in enumerate(values):
            found[index] = value.copy()
    return found


class Inputs:
    """The inputs of a set of clips, by the names that the method declares; it may declare none."""

    def __init__(self, arrays: Mapping[str, ArrayInput], clips: int) -> None:
        self._arrays = dict(arrays)
        self.clips = clips

    def __getitem__(self, name: str) -> ArrayInput:
        return self._arrays[name]

    def names(self) -> Iterable[str]:
        """Return the names of the inputs."""
        return self._arrays.keys()

    def take(self, rows: npt.NDArray[np.intp]) -> "Inputs":
        """Return a **copy** for some clips: a method gets no other clip, not even by reference."""
        return Inputs({name: array.take(rows) for name, array in self._arrays.items()}, len(rows))

    def without_labels(self) -> "Inputs":
        """Return the inputs that are not labels, such as action units."""
        arrays = {name: array for name, array in self._arrays.items() if not array.spec.training_only}
        return Inputs(arrays, self.clips)
