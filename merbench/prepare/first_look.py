"""A video, or a folder of pictures, as a source with one clip, for a first look without a table."""

import re
from pathlib import Path

import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading, Source
from merbench.contracts.errors import DataError, MerbenchError
from merbench.databases.own.places import frames_at
from merbench.databases.reading.videos import frame_rate, is_video


class _FirstLook:
    """Reader of one clip."""

    card = DatabaseCard(name="video", title="Video", datasets={"video": "Video"}, licence="your own", source="a file")

    def recognises(self, folder: Path) -> bool:
        return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        raise DataError(f"{folder} has no table of clips: merbench data add NAME --clips TABLE --frames DIR")

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        return frames_at(folder / path, 1)


def first_look(path: Path, frames: str | None) -> Source | None:
    """Return a video, or a folder with numbered pictures, as a source with one clip; None for anything else.

    `frames` is ``onset,apex`` or ``onset,apex,offset``, by default the first, middle and last frame; frames of a video
    count from 1. MerbenchError for other numbers; DataError if the video can't be decoded.
    """
    if not (path.is_file() and is_video(path)) and not path.is_dir():
        return None
    found = list(frames_at(path, 1))
    if not found:
        return None
    numbers = [found[0], found[len(found) // 2], found[-1]]
    if frames is not None:
        if not re.fullmatch(r"\d+(,\d+){1,2}", frames):
            raise MerbenchError(f"--frames {frames!r}: write onset,apex or onset,apex,offset, such as 3,20,45")
        given = [int(number) for number in frames.split(",")]
        numbers = [*given, given[-1]][:3]
    if numbers != sorted(numbers) or not set(numbers) <= set(found) or numbers[0] == numbers[1]:
        raise DataError(
            f"{path} has frames {found[0]} to {found[-1]}: the onset must be before the apex, both among them"
        )
    place = path.resolve()
    row: dict[str, object] = {
        "dataset": "video",
        "subject": place.parent.name or "folder",
        "clip": place.stem,
        "path": place.name,
    }
    row |= {"onset": numbers[0], "apex": numbers[1], "offset": numbers[2], "apex_source": "annotated"}
    table = clip_table(pd.DataFrame([row | {"fps": frame_rate(path) if is_video(path) else None}]), str(path))
    return Source(_FirstLook(), place.parent, Reading(table, "one clip"))
