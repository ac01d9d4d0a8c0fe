"""Onset, apex and offset of an annotation sheet, held against the numbers of the frames on disk."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from merbench.contracts.errors import DataError
from merbench.databases.reading.trees import picture_size
from merbench.databases.reading.videos import is_video

#: How far the frame used in place of a missing onset, apex or offset may be: frames, or a share of the clip.
_NEAR, _NEAR_SHARE = 2, 0.1


class ExcludedError(Exception):
    """A clip can't be used: the reason, the same for all such clips, and the detail of this clip."""


def settled_apex(onset: int, apex: int | None, offset: int) -> tuple[int, str]:
    """Return the apex of a clip and, if it is not the annotated one, why.

    The annotated apex is used if onset <= apex <= offset; otherwise the midpoint, ``(onset + offset) // 2``.
    """
    if apex is not None and onset <= apex <= offset:
        return apex, ""
    why = "the sheet has no apex" if apex is None else "the apex is not between onset and offset"
    return (onset + offset) // 2, f"{why}: using the midpoint"


def check_span(onset: int, offset: int, frames: Collection[int], where: str) -> None:
    """Exclude a clip whose onset is after its offset, or that has no frame between them; `where` is its row."""
    if onset > offset:
        raise ExcludedError("the onset is after the offset", f"{where}: {onset} to {offset}")
    if not any(onset <= number <= offset for number in frames):
        detail = f"{where}: {onset} to {offset}, on disk {min(frames)} to {max(frames)}"
        raise ExcludedError("no frame on disk is between onset and offset", detail)


def check_frames(frames: Collection[int], onset: int, apex: int, offset: int) -> None:
    """Exclude a clip whose onset, apex or offset is far from every frame, or whose missing frames make two of them one.

    Near is within 2 frames, or a tenth of the clip.
    """
    wanted = {"onset": onset, "apex": apex, "offset": offset}
    nearest = {name: min(frames, key=lambda n: (abs(n - number), n)) for name, number in wanted.items()}
    allowed = max(_NEAR, int(_NEAR_SHARE * (offset - onset)))
    shown = f"on disk {len(frames)} frames, {min(frames)} to {max(frames)}"
    for name, number in wanted.items():
        if abs(nearest[name] - number) > allowed:
            detail = f"{name} {number}, nearest {nearest[name]}; {shown}"
            raise ExcludedError("no frame on disk is near the onset, the apex or the offset", detail)
    at_onset, at_apex, at_offset = nearest.values()
    if (onset < apex and at_onset == at_apex) or (onset < offset and at_onset == at_offset):
        raise ExcludedError("too many frames are missing to show a movement", f"{onset}, {apex}, {offset}; {shown}")


def frame_problems(frames: Mapping[int, Path], onset: int, apex: int, offset: int) -> Iterator[tuple[str, str]]:
    """Yield problem and detail: frames that are missing, and onset, apex and offset frames of several sizes."""
    count = offset - onset + 1 - sum(onset <= number <= offset for number in frames)
    if count:
        first = islice((number for number in range(onset, offset + 1) if number not in frames), 10)
        numbers = ", ".join(map(str, first)) + (" ..." if count > 10 else "")
        yield "frames are missing between onset and offset", f"{count} of {offset - onset + 1}: {numbers}"
    if is_video(next(iter(frames.values()))):
        return
    near = [frames[min(frames, key=lambda number: abs(number - wanted))] for wanted in (onset, apex, offset)]
    sizes = {path.name: picture_size(path) for path in near}
    if None in sizes.values():
        yield "a frame is not a readable picture", ", ".join(name for name, size in sizes.items() if size is None)
    elif len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size[0]}x{size[1]}" for name, size in sizes.items() if size)
        yield "the pictures differ in size", shown


class Numbering:
    """How the frames of a copy are numbered: as in the sheet, or from 0 or 1 in every clip, as some tools write them.

    A clip whose frames are 1 to N, with N frames from the sheet's onset to its offset, can be matched by shifting its
    numbers; if it is the only one, its last frames are missing rather than renumbered.
    """

    def __init__(self) -> None:
        self.clips = self._from_start = 0
        self._misfits: list[str] = []

    def shift(self, numbers: Mapping[str, int | None], frames: Collection[int]) -> int:
        """Return by how much the sheet's numbers exceed those on disk, 0 where they fit or where that is not known."""
        onset, offset, first = numbers["onset"], numbers["offset"], min(frames)
        if onset is None or offset is None or first > 1 or onset == first:
            return 0
        whole = len(frames) == offset - onset + 1 == max(frames) - first + 1
        return onset - first if whole else 0

    def count(self, name: str, frames: Collection[int], span: int, fits: bool) -> None:
        """Count a clip of `span` frames in the sheet; `fits` says whether the sheet's numbers are on disk."""
        self.clips += 1
        self._from_start += min(frames) <= 1
        self._misfits += [] if fits or span > len(frames) else [name]

    def check(self, where: str) -> None:
        """Refuse a copy in which all frames count from 0 or 1, and a fifth of the sheet's numbers are not on disk."""
        misfits = self._misfits
        if len(misfits) > 1 and self.clips == self._from_start and 5 * len(misfits) >= self.clips:
            raise DataError(
                f"{where}: the frames of every clip are numbered from 0 or 1, and the sheet's numbers of "
                f"{len(misfits)} of {self.clips} clips, such as {misfits[0]}, are not among them: the frames "
                "were renumbered; give a copy with the database's own frame numbers"
            )
