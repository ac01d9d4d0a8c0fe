"""The versions of a clip from which an input draws in training: onset and apex shifted or drawn, positions drawn."""

from dataclasses import replace
from itertools import product

from merbench.contracts.inputs import Frames, FrameTimes
from merbench.contracts.specifications import Specification
from merbench.prepare.draws import drawn_pairs, windows
from merbench.prepare.frames import ClipFrames


def versions(spec: Specification, clip: ClipFrames) -> list[ClipFrames]:
    """Return the versions of a clip, first the annotated one: with other onsets and apexes, or numbered."""
    spec = spec.frames if isinstance(spec, FrameTimes) else spec
    if isinstance(spec, Frames) and spec.sampling == "jittered":
        return [replace(clip, version=number) for number in range(spec.versions)]
    if isinstance(spec, Frames) and vary_in_number(spec):
        onsets, apexes = windows(clip.onset, clip.apex, clip.offset, spec.onset_draw, spec.apex_draw)
        onsets = range(max(onsets[0], min(min(clip.files), clip.onset)), onsets[-1] + 1)
        pairs = drawn_pairs(onsets, apexes, (clip.onset, clip.apex), spec.versions, clip.name)
    else:
        pairs = [shifted(clip, *shift) for shift in variants(spec)]
    return [replace(clip, onset=onset, apex=apex) for onset, apex in pairs]


def vary_in_number(spec: Specification) -> bool:
    """Return whether clips have different numbers of versions."""
    spec = spec.frames if isinstance(spec, FrameTimes) else spec
    return isinstance(spec, Frames) and any(spec.onset_draw + spec.apex_draw)


def variants(spec: Specification) -> list[tuple[int, int]]:
    """Return the shifts of onset and apex, in frames, of each variant of an input; the first is (0, 0).

    All combinations within the jitter windows; only the first without windows.
    """
    onsets, apexes = (range(-window, window + 1) for window in _windows(spec))
    return sorted(product(onsets, apexes), key=lambda shift: (shift != (0, 0), shift))


def _windows(spec: Specification) -> tuple[int, int]:
    return getattr(spec, "onset_jitter", 0), getattr(spec, "apex_jitter", 0)


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
