"""Jitter: the variants of a clip in which onset and apex are shifted, within the windows that an input declares."""

from dataclasses import replace
from itertools import product

from merbench.contracts.specifications import Specification
from merbench.prepare.frames import ClipFrames


def jittered(spec: Specification, clip: ClipFrames) -> list[ClipFrames]:
    """Return the variants of a clip, first the annotated one."""
    return [moved(clip, shifted(clip, *shift)) for shift in variants(spec)]


def moved(clip: ClipFrames, ends: tuple[int, int]) -> ClipFrames:
    """Return a clip with another onset and apex."""
    return replace(clip, onset=ends[0], apex=ends[1])


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
