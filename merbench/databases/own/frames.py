"""A database of one's own with frames: the table's rows, each with its place and its frames."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from merbench.contracts.action_units import read_coding
from merbench.contracts.databases import FrameDatabase, Reading
from merbench.contracts.errors import DataError
from merbench.contracts.notes import Note
from merbench.databases.own.definitions import OwnDefinition
from merbench.databases.own.places import (
    MOST_FOLDERS,
    Finder,
    frames_at,
    marked_pictures,
    named_place,
    overlapping,
    places,
)
from merbench.databases.own.table import Problems, identity, ignored, read_table, table_rows
from merbench.databases.reading.fitting import ExcludedError, check_frames, check_span, frame_problems, settled_apex
from merbench.databases.reading.repeats import Look, pictures_look, repeat_notes
from merbench.databases.reading.trees import survey
from merbench.databases.reading.unread import archives
from merbench.databases.reading.videos import frame_rate, is_video

_NOT_FOUND = "no folder, video or pictures of the clip in "


def own_frames(definition: OwnDefinition) -> FrameDatabase:
    """Return the reader of a definition with frames."""
    return _OwnFrames(definition)


class _OwnFrames:
    """Reader of a table and a folder of frames; refuses a table with an invalid row, naming all of them."""

    def __init__(self, definition: OwnDefinition) -> None:
        self.definition, self.card = definition, definition.card

    def recognises(self, folder: Path) -> bool:
        """Return False: such data is known by its name alone."""
        return False

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of the clip at `path`: a folder, a video, or marked pictures."""
        return frames_at(folder / path, self.definition.first_frame)

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table; DataError names the rows that can't be used, all of them."""
        definition = self.definition
        sheet = read_table(definition.clips, definition.columns)
        problems, notes = Problems(definition.clips), ignored(sheet)
        find, made, looks = places(folder), list[dict[str, Any]](), list[Look | None]()
        spans = list[tuple[int, str, int, int]]()
        said = cache(lambda: _said_of(folder))
        rows = table_rows(sheet, definition.name, problems)
        named = Counter(cells["clip"] for _, cells in rows)
        for number, cells in rows:
            try:
                values, own, look = self._clip(folder, find, cells, named[cells["clip"]] == 1)
            except ExcludedError as error:
                reason, detail = error.args
                problems.add(number, f"{reason}{said()}" if reason == _NOT_FOUND else reason, detail)
            else:
                made.append(values)
                looks.append(look)
                spans.append((number, values["path"], values["onset"], values["offset"]))
                notes += own
        for number, other in overlapping(spans):
            problems.add(number, "the clip shares frames with another one", f"row {other}")
        table = problems.table(made)
        notes += repeat_notes(looks)
        kind = "cropped" if definition.cropped else "whole"
        return Reading(
            table, f"{kind} frames in {folder.name}, table {definition.clips.name}", notes, definition.cropped
        )

    def _clip(
        self, folder: Path, find: Finder, cells: dict[str, Any], unique: bool
    ) -> tuple[dict[str, Any], list[Note], Look | None]:
        """Return row, notes and look of a clip; ExcludedError says what is wrong with it."""
        dataset, subject, clip = identity(cells)
        try:
            path = cells["path"]
            place = named_place(folder, path) if path else find(dataset, subject, clip, unique)
        except DataError as error:
            raise ExcludedError(_NOT_FOUND, str(error)) from error
        try:
            frames = self.frames(folder, place)
        except DataError as error:
            raise ExcludedError("the clip's frames can't be read", str(error)) from error
        if not frames:
            raise ExcludedError("no frames (jpg, png, bmp or a video) in the clip's place", place)
        name, notes = "/".join(identity(cells)), list[Note]()
        marked = not is_video(folder / place) and bool(marked_pictures(folder / place))
        if marked and len(frames) < 2:
            raise ExcludedError("a clip needs an onset and an apex picture", place)
        if marked or cells["onset"] is None:  # numbers of pictures that are called onset and apex mean nothing
            onset, offset, annotated = min(frames), max(frames), 1 if marked and 1 in frames else cells["apex"]
            notes += [] if marked else [Note("note", "no onset and offset: using the first and the last frame", name)]
        else:
            onset, offset, annotated = cells["onset"], cells["offset"], cells["apex"]
        check_span(onset, offset, frames, name)
        apex, problem = settled_apex(onset, annotated, offset)
        notes += [Note("corrected", problem.replace("sheet", "table"), name, f"{apex}")] if problem else []
        check_frames(frames, onset, apex, offset)
        notes += [Note("note", text, name, detail) for text, detail in frame_problems(frames, onset, apex, offset)]
        notes += [] if cells["emotion"] else [Note("note", "the table has no emotion", name)]
        fps = float(cells["fps"]) if cells["fps"] else self.definition.fps
        if fps is None and is_video(folder / place):
            fps = frame_rate(folder / place)
        values = {"dataset": dataset, "subject": subject, "clip": clip, "emotion": cells["emotion"], "path": place}
        values |= {"onset": onset, "apex": apex, "offset": offset, "fps": fps, "aus": read_coding(cells["aus"])}
        values["apex_source"] = "midpoint" if problem else "annotated"
        return values, notes, pictures_look(name, f"{dataset}/{subject}", frames, onset, apex)


def _said_of(folder: Path) -> str:
    """Name a folder in which clips were not found, and the archives in it."""
    packed = archives(folder, survey(folder, ends=lambda _: False, most=MOST_FOLDERS))
    return f"{folder}, which has {packed}" if packed else f"{folder} or up to five levels below"
