"""Onset, apex and offset of a clip, checked against its frames on disk."""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from merbench.databases.reading.trees import picture_size


class ExcludedError(Exception):
    """A clip can't be used: the reason, the same for all such clips, and the detail of this clip."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def settled_apex(onset: int, apex: int | None, offset: int) -> tuple[int, str]:
    """Return the apex of a clip and, if it is not the annotated one, why.

    The annotated apex is used if onset <= apex <= offset; otherwise the midpoint, ``(onset + offset) // 2``.

    Examples
    --------
    >>> settled_apex(10, 20, 41)
    (20, '')
    >>> settled_apex(10, 50, 41)
    (25, 'the apex is outside onset to offset: using the midpoint')
    """
    if apex is not None and onset <= apex <= offset:
        return apex, ""
    why = "the sheet has no apex" if apex is None else "the apex is outside onset to offset"
    return (onset + offset) // 2, f"{why}: using the midpoint"


def onset_and_offset(
    numbers: Mapping[str, int | None],
    annotated: Mapping[str, object],
    where: Callable[[str | None], str],
    frames: Collection[int],
) -> tuple[int, int]:
    """Return onset and offset; ExcludedError without numbers, in the wrong order, or without a frame between them."""
    onset, offset = numbers["onset"], numbers["offset"]
    if onset is None or offset is None:
        lacking = [(name, annotated[name]) for name in ("onset", "offset") if not isinstance(annotated[name], int)]
        said = [f"{where(name)}: {'nothing' if value is None else value}" for name, value in lacking]
        raise ExcludedError("the sheet has no onset or no offset number", "; ".join(said))
    if onset > offset:
        raise ExcludedError("the onset is after the offset", f"{where(None)}: {onset} to {offset}")
    if not any(onset <= number <= offset for number in frames):
        detail = f"{where(None)}: {onset} to {offset}, on disk {min(frames)} to {max(frames)}"
        raise ExcludedError("no frame on disk is between onset and offset", detail)
    return onset, offset


def check_movement(frames: Collection[int], onset: int, apex: int, offset: int) -> None:
    """Exclude a clip whose missing frames would make one file both onset and apex, or onset and offset."""
    at_onset, at_apex, at_offset = (min(frames, key=lambda n: (abs(n - wanted), n)) for wanted in (onset, apex, offset))
    if (onset < apex and at_onset == at_apex) or (onset < offset and at_onset == at_offset):
        detail = f"{onset}, {apex}, {offset}; on disk {len(frames)} frames, {min(frames)} to {max(frames)}"
        raise ExcludedError("too many frames are missing to show a movement", detail)


def frame_problems(frames: Mapping[int, Path], onset: int, apex: int, offset: int) -> Iterator[tuple[str, str]]:
    """Yield problem and detail: frames that are missing, and onset, apex and offset frames of several sizes."""
    count = offset - onset + 1 - sum(onset <= number <= offset for number in frames)
    if count:
        first = islice((number for number in range(onset, offset + 1) if number not in frames), 10)
        numbers = ", ".join(map(str, first)) + (" ..." if count > 10 else "")
        yield "frames are missing between onset and offset", f"{count} of {offset - onset + 1}: {numbers}"
    near = [frames[min(frames, key=lambda number: abs(number - wanted))] for wanted in (onset, apex, offset)]
    sizes = {path.name: picture_size(path) for path in near}
    if None in sizes.values():
        yield "a frame is not a readable picture", ", ".join(name for name, size in sizes.items() if size is None)
    elif len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size[0]}x{size[1]}" for name, size in sizes.items() if size)
        yield "the pictures differ in size", shown
