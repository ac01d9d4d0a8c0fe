"""Inputs: their specifications, which methods declare, and the arrays that methods get.

A method declares named inputs and never reads files. A specification covers everything that changes the values; its
digest is part of the resume key.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializeAsAny, WrapValidator, model_validator

from merbench.contracts.specifications import FaceSpecification, Specification, read_specification

Span = Literal["onset-apex", "onset-offset", "apex-offset", "clip"]
FrameSpan = Literal["onset", "apex", "onset-apex", "onset-offset", "clip"]
#: ``evm`` amplifies the movement of the prepared faces, see :mod:`merbench.prepare.magnify`; it needs the frame rate.
Magnify = Literal["none", "evm"]
_Fraction = Annotated[float, Field(ge=0, lt=1)]


def _check_moved(spec: "Flow | Frames", way: str, onset: object, apex: object, apex_is_used: bool) -> None:
    if (apex and not apex_is_used) or (spec.span in ("apex", "clip", "apex-offset") and onset):
        moved = {"jitter": "jittered", "draw": "drawn"}[way]
        raise ValueError(f"the span {spec.span} does not begin or end at the {moved} frame: remove the {way}")


class Flow(FaceSpecification):
    """Optical flow between the first and the last frame of a span: ``(size, size, channels)`` a clip.

    The flow is computed on grey faces of ``face_size`` pixels, in these pixels, and averaged to ``size``.
    With jitter windows, onset and apex are randomly shifted by up to that many frames in training.

    ``normalise="clip"`` scales each channel of a clip to 0..255 (uint8), as published by STSTNet's authors; ``"unit"``
    gives these bytes divided by 255 (float32); ``"none"`` gives float32 pixels; ``"hsv"`` gives one RGB picture (uint8)
    of ``channels=("u", "v")``, hue the direction, value the magnitude. ``mask="face"`` divides values outside brows and
    jaw by 3, as MEDN's authors do; it needs landmarks.

    Releases of ready-made flow of another size serve this input only with ``resample``: their arrays are averaged over
    areas if they are larger, else bilinear, and scaled anew. From frames, ``resample`` changes nothing.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "size", "channels", "algorithm", "normalise")
    added_later: ClassVar[tuple[str, ...]] = ("magnify", "resample")

    kind: Literal["flow"] = "flow"
    span: Span = "onset-apex"
    size: int = Field(28, ge=8)
    channels: tuple[Literal["u", "v", "strain", "magnitude"], ...] = ("u", "v", "strain")
    algorithm: Literal["tvl1", "farneback", "dis", "tvl1-torch"] = "tvl1"
    normalise: Literal["clip", "unit", "none", "hsv"] = "clip"
    mask: Literal["none", "face"] = "none"
    face_size: int = Field(128, ge=16)
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)
    magnify: Magnify = "none"
    resample: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Flow":
        if self.normalise == "hsv" and self.channels != ("u", "v"):
            raise ValueError("normalise: hsv needs the channels u and v: write channels: [u, v]")
        if not self.channels:
            raise ValueError("name at least one channel")
        if self.mask == "face" and self.faces == "haar":
            raise ValueError("mask: face needs landmarks, which faces: haar does not provide")
        _check_moved(self, "jitter", self.onset_jitter, self.apex_jitter, "apex" in self.span)
        return self


class MotionPositions(Specification):
    """Two maps of where the face moves during a span, as a release has them: ``(28, 28, 2)`` a clip, uint8.

    CausalNet's authors publish these maps of the clips of MEGC 2019, but not how they are computed, so that no database
    of frames serves them.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span",)

    kind: Literal["motion-positions"] = "motion-positions"
    span: Literal["onset-apex", "apex-offset"] = "onset-apex"


class FlowSeries(FaceSpecification):
    """Optical flow to each of `count` frames at equal steps over a span but the first: float32 pixels, right and down.

    ``(count - 1, size, size, 2)`` a clip, computed on grey faces of `size` pixels from the first frame
    (``reference="onset"``) or from the frame before (``"previous"``).
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "count", "size", "reference", "algorithm")

    kind: Literal["flow-series"] = "flow-series"
    span: Span = "onset-offset"
    count: int = Field(10, ge=2)
    size: int = Field(112, ge=16)
    reference: Literal["onset", "previous"] = "onset"
    algorithm: Literal["tvl1", "farneback", "dis", "tvl1-torch"] = "farneback"


class Frames(FaceSpecification):
    """Face frames: ``(count, size, size, channels)`` a clip, uint8; ``count=None`` gives every frame (ragged).

    ``span="onset"`` is the onset frame alone, with ``count=1``: a face without movement; ``"apex"`` the apex frame.

    ``sampling`` places the count over the span: ``"uniform"`` takes the nearest frame at equal steps,
    ``"interpolated"`` blends its two neighbours, ``"tim"`` all frames (:func:`merbench.prepare.sampling.tim`),
    ``"phase"`` gives the rise (onset to apex) and the decay (apex to offset) the same number of steps, the apex being
    one of them (only over ``onset-offset``). ``"jittered"`` is uniform for test clips; in training, each position but
    the first is drawn within half a step of its uniform one.

    In training, ``onset_draw`` and ``apex_draw`` draw onset and apex from windows before and after the annotated
    frame: fractions of the rise, but after the apex of the decay, see :func:`merbench.prepare.draws.windows`.
    MMNet's rule is ``onset_draw=(0, .0375), apex_draw=(.0375, 0)``. A clip has at most so many ``versions`` to draw
    from, which are all in memory; they are chosen once if there are more, as there always are with ``"jittered"``.

    ``difference="onset"`` gives int16 differences to the first frame, which is dropped: count - 1 of them.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "count", "size", "colour")
    added_later: ClassVar[tuple[str, ...]] = ("onset_draw", "apex_draw", "versions", "difference", "magnify")

    kind: Literal["frames"] = "frames"
    span: FrameSpan = "onset-offset"
    count: int | None = Field(8, ge=1)
    size: int = Field(112, ge=8)
    colour: Literal["grey", "rgb"] = "grey"
    sampling: Literal["uniform", "interpolated", "tim", "phase", "jittered"] = "uniform"
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)
    onset_draw: tuple[_Fraction, _Fraction] = (0, 0)
    apex_draw: tuple[_Fraction, _Fraction] = (0, 0)
    versions: int = Field(16, ge=2)
    difference: Literal["none", "onset"] = "none"
    magnify: Magnify = "none"

    @property
    def drawn(self) -> Hashable:
        """None if there is one version of each clip; else what is drawn: the same frames at any size, in any colour."""
        if self.sampling == "jittered" or any(self.onset_draw + self.apex_draw):
            return self.span, self.count, self.sampling, self.onset_draw, self.apex_draw, self.versions
        return super().drawn

    @model_validator(mode="after")
    def _consistent(self) -> "Frames":
        single = self.span in ("onset", "apex")
        if single != (self.count == 1):
            span = self.span if single else "onset"
            raise ValueError(f"count: 1 and span: {span} need each other: write span: {span}, count: 1")
        if single and self.sampling != "uniform":
            raise ValueError(f"the span {self.span} has only one frame: remove sampling: {self.sampling}")
        if self.sampling == "phase" and (self.span != "onset-offset" or self.count is None or self.count < 3):
            raise ValueError("sampling: phase needs the span onset-offset and a count of at least 3")
        apex_is_used = self.span in ("apex", "onset-apex") or self.sampling == "phase"
        _check_moved(self, "jitter", self.onset_jitter, self.apex_jitter, apex_is_used)
        if self.count is None and (self.sampling in ("interpolated", "tim", "jittered") or self.drawn):
            raise ValueError("interpolated sampling, jitter and draws need a count")
        if self.difference == "onset" and self.span in ("onset", "apex", "clip"):
            raise ValueError(f"difference: onset needs a span from the onset to another frame, not {self.span}")
        self._check_draws(apex_is_used)
        return self

    def _check_draws(self, apex_is_used: bool) -> None:
        _check_moved(self, "draw", any(self.onset_draw), any(self.apex_draw), apex_is_used)
        ways = [self.onset_jitter or self.apex_jitter, any(self.onset_draw + self.apex_draw)]
        if sum(map(bool, [*ways, self.sampling == "jittered"])) > 1:
            raise ValueError("use one of jitter, draws of onset and apex, and sampling: jittered")
        if self.onset_draw[1] + self.apex_draw[0] >= 1:
            raise ValueError("onset and apex would be drawn from one window: lower onset_draw or apex_draw")
        if self.versions != 16 and not (ways[1] or self.sampling == "jittered"):
            raise ValueError("versions needs onset_draw, apex_draw or sampling: jittered")


class FrameTimes(Specification):
    """When the frames of another input were taken: ``(count,)`` a clip, float32, after the onset.

    ``unit`` is ``milliseconds``, which need the frame rate; ``frames`` of the recording, whatever its rate; or
    ``fraction``: of the span of the frames, which ends at 1.

    Declared with the same `frames` as that input: one time for each of its frames, of the frame taken, not of the
    position asked for, and with ``difference`` none for the dropped one. In training both draw the same version if they
    come from one call of :meth:`Inputs.batch`, where the onset is the drawn one.
    """

    named_by: ClassVar[tuple[str, ...]] = ("frames",)

    added_later: ClassVar[tuple[str, ...]] = ("unit",)

    kind: Literal["frame-times"] = "frame-times"
    frames: Frames
    unit: Literal["milliseconds", "frames", "fraction"] = "milliseconds"

    @property
    def drawn(self) -> Hashable:
        """What the frames draw."""
        return self.frames.drawn


class DynamicImage(FaceSpecification):
    """The whole clip in one picture by approximate rank pooling: ``(size, size, 3)`` a clip, uint8, RGB.

    ``weights="exact"`` are those of Bilen et al. (CVPR 2016), ``"lab"`` those in the code of LEARNet, which add the
    face itself; both are scaled to 0..255. ``"active"`` are those in the code of OrigiNet: ``(size, size, 1)``, grey,
    not scaled but cut to 0..255. See :mod:`merbench.prepare.kinds.dynamic_image`.
    """

    named_by: ClassVar[tuple[str, ...]] = ("span", "size")
    added_later: ClassVar[tuple[str, ...]] = ("weights", "magnify")

    kind: Literal["dynamic-image"] = "dynamic-image"
    span: Span = "onset-offset"
    size: int = Field(112, ge=8)
    weights: Literal["exact", "lab", "active"] = "exact"
    magnify: Magnify = "none"


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
    cls.model_fields["kind"].default: cls
    for cls in (Flow, FlowSeries, MotionPositions, Frames, FrameTimes, DynamicImage, Landmarks, ActionUnits, ClipFacts)
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

    `values` have shape (n_clips, ...). If versions are drawn in training, they are the second axis, first the annotated
    one. Clips of different length (``count=None``), or with different numbers of versions, are an array of arrays.
    `prepared` is database -> the settled specification, where it differs from `spec`.
    """

    def __init__(self, spec: InputSpec, values: npt.NDArray[Any], prepared: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self.prepared = dict(prepared or {})
        self._values = values

    def batch(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> npt.NDArray[Any]:
        """Return the values of the clips at `rows`, shape (n_rows, ...), as a copy that may be changed in place.

        `rng` draws the version of each clip if the specification has any; None gives the annotated one. Clips of
        different length are an array of arrays: see :meth:`padded`.
        """
        return self.of_versions(rows, self.versions(rows, rng))

    def padded(
        self, rows: Rows = slice(None), rng: np.random.Generator | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Return a batch of clips of different length in one array, filled with 0, and the mask of what is not filled.

        Shapes (n_rows, longest, ...) and (n_rows, longest). A method must ignore what is filled, so that the
        prediction for a clip does not depend on the longest one in the batch.
        """
        clips = list(self.batch(rows, rng))
        longest = max(len(clip) for clip in clips)
        mask = np.arange(longest) < np.array([len(clip) for clip in clips])[:, None]
        values = np.zeros((*mask.shape, *clips[0].shape[1:]), clips[0].dtype)
        values[mask] = np.concatenate(clips)
        return values, mask

    def versions(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> npt.NDArray[np.intp]:
        """Draw a version of each clip at `rows`; without `rng`, or versions to draw from, the annotated one."""
        values = self._values[rows]
        if rng is None or self.spec.drawn is None:
            return np.zeros(len(values), int)
        if values.dtype == object:
            return rng.integers([len(versions) for versions in values])
        return rng.integers(values.shape[1], size=len(values))

    def of_versions(self, rows: Rows, versions: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return what :meth:`batch` returns for versions that :meth:`versions` drew."""
        values = self._values[rows]
        if self.spec.drawn is None:
            return _copied(values)
        if values.dtype == object:
            return np.stack([clip[version] for clip, version in zip(values, versions, strict=True)])
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


def _concatenated(values: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Join the values of clips, as an array of arrays where these differ in shape."""
    if len({(each.dtype, each.shape[1:]) for each in values}) == 1:
        return np.concatenate(values)
    found = np.empty(sum(map(len, values)), dtype=object)
    for index, value in enumerate(value for each in values for value in each):
        found[index] = value
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

    def batch(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> dict[str, npt.NDArray[Any]]:
        """Return a batch of each input, see :meth:`ArrayInput.batch`; inputs with the same draws draw alike."""
        found, drawn = {}, dict[Hashable, npt.NDArray[np.intp]]()
        for name, array in self._arrays.items():
            versions = drawn.get(array.spec.drawn)
            if versions is None:
                versions = drawn[array.spec.drawn] = array.versions(rows, rng)
            found[name] = array.of_versions(rows, versions)
        return found

    def take(self, rows: npt.NDArray[np.intp]) -> "Inputs":
        """Return a **copy** for some clips: a method gets no other clip, not even by reference."""
        return Inputs({name: array.take(rows) for name, array in self._arrays.items()}, len(rows))

    def joined(self, *others: "Inputs") -> "Inputs":
        """Return the clips of these inputs and then those of the others; ValueError where inputs differ."""
        parts = [self, *others]
        specs = [{name: part[name].spec for name in part.names()} for part in parts]
        if any(found != specs[0] for found in specs):
            raise ValueError("clips with different inputs can't be joined: declare the same inputs for both")
        arrays = {}
        for name, spec in specs[0].items():
            prepared = {source: how for part in parts for source, how in part[name].prepared.items()}
            arrays[name] = ArrayInput(spec, _concatenated([part[name].stored() for part in parts]), prepared)
        return Inputs(arrays, sum(part.clips for part in parts))

    def without_labels(self) -> "Inputs":
        """Return the inputs that are not labels, such as action units."""
        arrays = {name: array for name, array in self._arrays.items() if not array.spec.training_only}
        return Inputs(arrays, self.clips)
