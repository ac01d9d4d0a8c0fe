"""What all databases of frames share: a tree of clip folders, and annotation that is checked against its frames.

The reader of such a database gives a few facts: names of folders, name and columns of the sheet, spelling. Nothing is
dropped or changed silently: each excluded clip, and each value that differs from the sheet, has a
:class:`~merbench.contracts.notes.Note`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.errors import DataError, listed
from merbench.contracts.notes import Note
from merbench.databases.reading.corrections import corrections_for
from merbench.databases.reading.fitting import (
    ExcludedError,
    Numbering,
    check_frames,
    check_span,
    frame_problems,
    settled_apex,
)
from merbench.databases.reading.layouts import TreeForm, clip_folders, find_trees, is_crop
from merbench.databases.reading.trees import FolderContent, frames_and_strays, survey
from merbench.databases.reading.unread import unread
from merbench.databases.reading.videos import is_video

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")
_NAMED = 20  # folders in a refusal
_RENUMBERED = "the frames are numbered from 0 or 1, the sheet's numbers are shifted"


@dataclass(frozen=True)
class Annotation:
    """The annotation of a clip, as written in the sheet, before its frames are examined; subject and clip normalised.

    ``where(column)`` names a cell, ``where(None)`` the row, for notes. Onset, apex and offset are text where the sheet
    has something else than a number. `apex_source` is the source of an apex within the clip.
    """

    subject: str
    clip: str
    where: Callable[[str | None], str]
    emotion: str | None
    onset: int | str | None
    apex: int | str | None
    offset: int | str | None
    aus: str | None = None
    objective_class: str | None = None
    apex_source: str = "annotated"
    fps: int | None = None  # where it differs from clip to clip


@dataclass
class FramedDatabase(ABC):
    """A database of frames with one dataset; subclasses read the annotation.

    `fps` is frames a second; `emotions` are the database's emotion words, lower case. `spelling` has an example, for
    messages, and ``f(subject, clip)``, which returns the one spelling of both or raises ValueError.
    """

    card: DatabaseCard
    tree: TreeForm
    fps: int
    emotions: tuple[str, ...]
    _: KW_ONLY
    spelling: tuple[str, Callable[[str, str], tuple[str, str]]] = ("", lambda subject, clip: (subject, clip))
    stills: bool = False  #: every clip is a single picture, for pretraining: no movement is seen
    #: Clips in the folder of another one, or of a long video: subject and clip -> subject and folder.
    folder_of: Callable[[str, str], tuple[str, str]] = lambda subject, clip: (subject, clip)

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        (name,) = self.card.datasets
        return name

    def identity(self, subject: str, clip: str) -> tuple[str, str]:
        """Return the one spelling of a subject and a clip; DataError if they do not have the form of this database."""
        subject, clip = subject.strip(), clip.strip()
        example, spelled = self.spelling
        try:
            return spelled(subject, clip)
        except ValueError:
            said = f"subject {subject!r}, clip {clip!r} are not of the form {example}"
            raise DataError(f"{self.dataset}: {said}") from None

    def recognises(self, folder: Path) -> bool:
        """Return whether a tree of this database is in `folder` or up to three levels below."""
        try:
            return bool(find_trees(folder, self.tree)[0])
        except DataError:
            return False

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return number -> file of a clip's frames, in order of number; DataError as :func:`frames_and_strays`."""
        return self._files(folder / path)[0]

    def _files(self, place: Path) -> tuple[dict[int, Path], list[str]]:
        """Return frames and strays of a clip, as :func:`frames_and_strays`."""
        return ({1: place}, []) if self.stills else frames_and_strays(place)

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table: the annotation, checked against the frames on disk.

        DataError if no tree or annotation sheet is found, a sheet is not readable, a clip is found twice, or no clip
        can be used; names file or folder and the next step.
        """
        trees, places = find_trees(folder, self.tree)
        if not trees:
            raise DataError(
                f"{folder}: no clip folders such as {self.tree.example} were found there or up to three levels below"
                f"{unread(folder, _everywhere(folder))}; give the folder of your copy of {self.card.title}"
            )
        tree, notes = trees[0], list[Note]()
        if len(trees) > 1:
            others = ", ".join(f"{other.shown} ({other.kind})" for other in trees[1:])
            notes.append(Note("note", f"using the frames of {tree.shown} ({tree.kind}), not of {others}"))
        notes += [Note("note", tree.doubt)] if tree.doubt else []
        disk = self._clip_folders(folder, tree.path, tree.form, notes)
        annotations, sheet = self._annotations(folder, places, disk, notes)
        rows, own = self._rows(folder, annotations, disk, corrections, tree.reg)
        notes += own
        if not rows:
            raise DataError(f"{folder}: no clip can be used: {_commonest(notes)}")
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        for name in ("aus", "objective_class"):
            columns[name] = pd.Series(columns[name], dtype=object)  # so that None stays None
        table = clip_table(pd.DataFrame(columns), str(folder))
        return Reading(table, f"{tree.kind} frames in {tree.shown}, {sheet}", notes, cropped=tree.kind == "cropped")

    def _rows(
        self,
        folder: Path,
        annotations: Sequence[Annotation],
        disk: Mapping[tuple[str, str], Path],
        corrections: bool,
        reg: bool,
    ) -> tuple[list[dict[str, object]], list[Note]]:
        """Make the rows of the clip table, with notes; DataError if the frames of the copy were renumbered."""
        numbering, found = Numbering(), list[tuple[dict[str, object] | None, list[Note]]]()
        shifted, unreadable = [], list[str]()
        for annotation in annotations:
            place = self._place(disk, annotation.subject, annotation.clip)
            try:
                row, notes = self._row(annotation, place, corrections, reg, numbering)
            except DataError as error:
                unreadable.append(str(error))
                continue
            if any(note.text == _RENUMBERED for note in notes):
                shifted.append((len(found), annotation, place))
            found.append((row, notes))
        if unreadable:
            raise DataError(
                "; ".join(unreadable[:_NAMED]) + f"; and {len(unreadable) - _NAMED} more" * (len(unreadable) > _NAMED)
            )
        if len(shifted) == 1 and numbering.clips > 1:  # frames are missing at its end
            ((index, annotation, place),) = shifted
            found[index] = self._row(annotation, place, corrections, reg, None)
        numbering.check(str(folder))
        rows = [row | {"path": Path(str(row["path"])).relative_to(folder).as_posix()} for row, _ in found if row]
        return rows, [note for _, notes in found for note in notes]

    def _row(
        self, said: Annotation, place: Path | None, corrections: bool, reg: bool, numbering: Numbering | None
    ) -> tuple[dict[str, object] | None, list[Note]]:
        """Make a row, with notes, or None and the reason; without `numbering`, frames have the sheet's numbers."""
        name = f"{self.dataset}/{said.subject}/{said.clip}"
        try:
            return self._clip(name, said, place, corrections, reg, numbering)
        except ExcludedError as why:
            return None, [Note("excluded", why.args[0], name, why.args[1])]

    @abstractmethod
    def _annotations(
        self, folder: Path, places: Sequence[FolderContent], disk: Mapping[tuple[str, str], Path], notes: list[Note]
    ) -> tuple[list[Annotation], str]:
        """Return the annotations and, in words, where they are from; adds to `notes`.

        `places` are the folders in which a sheet may be, `disk` has the folder of each (subject, clip).
        """

    def _place(self, disk: Mapping[tuple[str, str], Path], subject: str, clip: str) -> Path | None:
        """Return the clip's own folder, or the one that holds it."""
        return disk.get((subject, clip)) or disk.get(self.folder_of(subject, clip))

    def _clip_folders(self, folder: Path, tree: Path, form: TreeForm, notes: list[Note]) -> dict[tuple[str, str], Path]:
        """Return (subject, clip) -> folder of all the tree's clips."""
        disk: dict[tuple[str, str], Path] = {}
        for place, names in clip_folders(tree, form):
            shown = place.relative_to(folder).as_posix()
            try:
                if names is None:
                    raise DataError("the name is not of this database")
                key = form.key(names) if form.key else self.identity(names[0].lower(), form.spelled(names[-1]))
            except (DataError, ValueError):
                notes.append(Note("excluded", f"the folder name is not of the form {form.example}", shown))
                continue
            if key in disk:
                name = "/".join((self.dataset, *key))
                raise DataError(f"{place} and {disk[key]} are both {name}; remove one of them")
            disk[key] = place
        return disk

    def _clip(
        self,
        name: str,
        said: Annotation,
        place: Path | None,
        corrections: bool,
        reg: bool,
        numbering: Numbering | None,
    ) -> tuple[dict[str, object], list[Note]]:
        """Make a row of the clip table, with notes; ExcludedError if the clip can't be used."""
        if place is None:
            raise ExcludedError("the clip has no folder on disk", said.where(None))
        try:
            frames, strays = self._files(place)
        except DataError as error:
            if not is_video(place):
                raise
            raise ExcludedError("the clip's video can't be read: copy or convert it again", str(error)) from error
        if not frames:
            unnumbered = f"; without a frame number: {listed(strays)}" if strays else ""
            raise ExcludedError("the clip's folder has no frames", f"{place} (expected jpg, png or bmp){unnumbered}")
        if said.emotion is None:
            raise ExcludedError("the sheet has no emotion", said.where("emotion"))
        if is_crop(next(iter(frames.values())).name) != reg:
            what = ("whole pictures", "cropped faces") if reg else ("cropped faces", "whole pictures")
            raise ExcludedError(f"the clip's frames are {what[0]}, those of the copy {what[1]}", str(place))
        notes: list[Note] = []
        if strays:
            notes.append(Note("note", "pictures that are not named like frames are ignored", name, listed(strays)))
        annotated = {"onset": said.onset, "apex": said.apex, "offset": said.offset}
        numbers = {column: value if isinstance(value, int) else None for column, value in annotated.items()}
        alone = self.folder_of(said.subject, said.clip) == (said.subject, said.clip)
        shift = numbering.shift(numbers, frames) if numbering and alone else 0
        if shift:
            detail = f"{min(frames)} to {max(frames)} on disk, {said.onset} to {said.offset} in the sheet"
            notes.append(Note("corrected", _RENUMBERED, name, detail))
            frames = {number + shift: path for number, path in frames.items()}
        apex_source = said.apex_source
        if corrections:
            for known in corrections_for((self.dataset, said.subject, said.clip), numbers, frames):
                was = _shown(annotated[known.column])
                detail = f"{known.column} {known.value} instead of {was}, according to {known.source}"
                notes.append(Note("corrected", known.reason, name, detail))
                numbers[known.column] = known.value
                apex_source = "corrected" if known.column == "apex" else apex_source
        begin, end = numbers["onset"], numbers["offset"]
        length = 0 if begin is None or end is None else end - begin + 1
        fits = False
        try:
            onset, apex, offset, source = self._span(name, said, numbers, frames, notes)
            fits = True
        finally:
            if numbering and length > 0:
                numbering.count(name, frames, length, fits)
        row = {"dataset": self.dataset, "subject": said.subject, "clip": said.clip, "fps": said.fps or self.fps}
        row |= {"path": place, "onset": onset - shift, "apex": apex - shift, "offset": offset - shift}
        return row | {"apex_source": source or apex_source} | self._labels(name, said, notes), notes

    def _span(
        self,
        name: str,
        said: Annotation,
        numbers: Mapping[str, int | None],
        frames: Mapping[int, Path],
        notes: list[Note],
    ) -> tuple[int, int, int, str]:
        """Return onset, apex, offset, and the apex' source if it is not the annotation's; ExcludedError with reason."""
        onset, offset, source = numbers["onset"], numbers["offset"], ""
        if onset is None or offset is None:
            lacking = {"onset": said.onset, "offset": said.offset}.items()
            cells = [f"{said.where(word)}: {_shown(value)}" for word, value in lacking if not isinstance(value, int)]
            raise ExcludedError("the sheet has no onset or no offset number", "; ".join(cells))
        check_span(onset, offset, frames, said.where(None))
        apex, problem = settled_apex(onset, numbers["apex"], offset)
        if problem:
            source = "midpoint"
            detail = f"{apex} in {onset} to {offset} ({said.where('apex')}: {_shown(said.apex)})"
            notes.append(Note("corrected", problem, name, detail))
        elif apex == onset and not self.stills:
            notes.append(Note("note", "the apex is the onset", name, f"{apex}"))
        check_frames(frames, onset, apex, offset)
        notes += [Note("note", text, name, detail) for text, detail in frame_problems(frames, onset, apex, offset)]
        return onset, apex, offset, source

    def _labels(self, name: str, said: Annotation, notes: list[Note]) -> dict[str, object]:
        """Read emotion, action units and objective class; values that are not readable become None, with a note."""
        if not set((said.emotion or "").split("+")) <= set(self.emotions):  # some clips have several
            notes.append(Note("note", "the emotion is not one known for this database", name, repr(said.emotion)))
        aus = None
        try:
            aus = read_coding(said.aus)
        except ValueError as error:
            detail = f"{said.where('aus')}: {said.aus!r}: {error}"
            notes.append(Note("note", "the action units are not readable, and count as not annotated", name, detail))
        text = (said.objective_class or "").upper()
        roman = text if text in _ROMAN else dict(zip("1234567", _ROMAN, strict=True)).get(text)
        if text and roman is None:
            reason = "the objective class is not one of I to VII, and counts as not annotated"
            notes.append(Note("note", reason, name, repr(text)))
        return {"emotion": said.emotion, "aus": aus, "objective_class": roman}


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)


def _commonest(notes: Sequence[Note]) -> str:
    """Return the reason why most clips were excluded, with one of them."""
    excluded = [note for note in notes if note.kind == "excluded"]
    if not excluded:
        return "there are none"
    (reason, count), *_ = Counter(note.text for note in excluded).most_common(1)
    first = next(note for note in excluded if note.text == reason)
    return f"{reason} ({count} of {len(excluded)} excluded), such as {first.about} {first.detail}".strip()


def _everywhere(folder: Path) -> list[FolderContent]:
    """Return the content of a folder and of all folders up to three levels below; nothing if there are too many."""
    with suppress(DataError):
        return list(survey(folder, lambda _: False))
    return []
