"""Face frames of a clip."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.inputs import Frames
from merbench.prepare import marked, pictures, sampling
from merbench.prepare.draws import drawn_pairs, drawn_positions, windows
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames, Image, grey, rgb
from merbench.prepare.jitter import moved
from merbench.prepare.kinds.kind import Form, Kind


def taken(spec: Frames, clip: ClipFrames) -> list[tuple[int, int, float]]:
    """Return what is taken of a clip: pairs of neighbouring frames on disk and the weight of the second, mostly 0.

    With ``sampling="tim"``, that is where the pictures are on the clip's time, not what they are made of.
    """
    numbers = sorted(clip.files)
    first, last = clip.ends(spec.span)
    if spec.count is None:
        return [(number, number, 0.0) for number in sampling.within(numbers, first, last)]
    if spec.sampling == "phase":
        positions = sampling.phase(clip.onset, clip.apex, clip.offset, spec.count)
    elif spec.sampling == "jittered":
        positions = drawn_positions(first, last, spec.count, spec.versions, clip.name)[clip.version]
    elif spec.sampling == "tim":
        whole = sampling.within(numbers, first, last)
        positions = np.interp(np.linspace(0, len(whole) - 1, spec.count), np.arange(len(whole)), whole)
    else:
        positions = np.linspace(first, last, spec.count)
    if spec.sampling in ("interpolated", "tim"):
        return sampling.neighbours(numbers, positions)
    return [(number, number, 0.0) for number in sampling.nearest(numbers, positions)]


def lengths(spec: Frames) -> int | None:
    """Return the number of frames in the array of a clip; None if clips differ."""
    return None if spec.count is None else spec.count - (spec.difference == "onset")


class _FramesKind(Kind[Frames]):
    spec = Frames

    def form(self, spec: Frames) -> Form:
        dtype = np.uint8 if spec.difference == "none" else np.int16
        return dtype, (lengths(spec), spec.size, spec.size, 3 if spec.colour == "rgb" else 1)

    def needs_movement(self, spec: Frames) -> bool:
        return spec.difference != "none" or spec.count not in (None, 1)

    def build(self, spec: Frames, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        convert = rgb if spec.colour == "rgb" else grey
        if spec.sampling == "tim":
            assert spec.count is not None  # refused by the specification
            whole = sampling.within(faces.numbers, *clip.ends(spec.span))
            known = np.stack([convert(faces.aligned(number, spec.size)) for number in whole])
            values = _weighted(known, sampling.tim(len(whole), spec.count))
        else:
            values = np.stack([convert(_blend(faces, spec.size, *each)) for each in taken(spec, clip)])
        return values if spec.difference == "none" else _difference(values)

    def versions(self, spec: Frames, clip: ClipFrames) -> list[ClipFrames]:
        """Return versions with positions drawn (they are numbered), onset and apex drawn, or jitter."""
        if spec.sampling == "jittered":
            return [replace(clip, version=number) for number in range(spec.versions)]
        if not self.has_varying_versions(spec):
            return super().versions(spec, clip)
        onsets, apexes = windows(clip.onset, clip.apex, clip.offset, spec.onset_draw, spec.apex_draw)
        onsets = range(max(onsets[0], min(min(clip.files), clip.onset)), onsets[-1] + 1)
        pairs = drawn_pairs(onsets, apexes, (clip.onset, clip.apex), spec.versions, clip.name)
        return [moved(clip, pair) for pair in pairs]

    def has_varying_versions(self, spec: Frames) -> bool:
        return any(spec.onset_draw + spec.apex_draw)

    def synthetic(self, spec: Frames, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Make frames in which the marks increase."""
        final = marks.to_numpy()

        def make(rows: slice, shape: tuple[int, ...]) -> npt.NDArray[Any]:
            count, size, _, channels = shape
            steps = np.linspace(0, 1, count + (spec.difference == "onset"))
            made = np.stack([marked.images(final[rows] * at, size, channels, rng) for at in steps], axis=1)
            return made if spec.difference == "none" else np.stack([_difference(clip) for clip in made])

        return marked.each_length(self.form(spec)[1], make, len(final))

    def pictures(self, spec: Frames, values: npt.NDArray[Any]) -> list[tuple[str, pictures.Picture]]:
        """Draw frames, at most some of them."""
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), pictures.MOST)).round().astype(int))
        shown = values if spec.difference == "none" else np.clip(128 + values, 0, 255).astype(np.uint8)
        whole = np.repeat(shown, 3, axis=-1) if spec.colour == "grey" else shown
        return [(f"frame {index + 1}", pictures.fitted(whole[index])) for index in chosen]


def _blend(faces: Faces, size: int, before: int, after: int, weight: float) -> Image:
    if not weight:
        return faces.face(before, size)
    return np.asarray(cv2.addWeighted(faces.face(before, size), 1 - weight, faces.face(after, size), weight, 0))


def _weighted(frames: npt.NDArray[np.uint8], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return weighted sums of frames, rounded and cut to 0..255."""
    return np.asarray(np.clip(np.rint(np.tensordot(weights, frames, 1)), 0, 255), dtype=np.uint8)


def _difference(frames: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    return np.asarray(frames[1:].astype(np.int16) - frames[0])


KIND = _FramesKind()
