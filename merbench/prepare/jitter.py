"""Jitter: the variants of a clip in which onset and apex are shifted, within the windows that an input declares."""

from itertools import product

from merbench.contracts.specifications import Specification
from merbench.prepare.frames import ClipFrames


def is_jittered(spec: Specification) -> bool:
    """Return whether a specification has a jitter window, so that its arrays have a leading axis over variants."""
    return any(_windows(spec))


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
