"""What all databases of frames share: a tree of clip folders, and annotation that is held against what lies in it.

A database of this kind is a few facts: how its folders are called, what its sheet is called and which columns it has.
Nothing is dropped or changed in silence: each clip that is not in the table, and each value that is not the sheet's,
is a :class:`~merbench.contracts.databases.Remark`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading, Remark
from merbench.contracts.errors import DataError, listed
from merbench.databases.reading.corrections import corrections_for
from merbench.databases.reading.identity import normalised
from merbench.databases.reading.layouts import SheetForm, Tree, TreeForm, clip_folders, find_trees, read_newest
from merbench.databases.reading.sheets import Sheet
from merbench.databases.reading.trees import Place, frames_and_strays, numbered_frames, picture_size

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")
_ELSEWHERE = "there or up to three levels below"  # where sheets and trees are looked for


@dataclass(frozen=True)
class Annotation:
    """What is annotated of a clip, before its frames were looked at.

    Attributes
    ----------
    subject, clip : str
        Normalised.
    where : callable
        ``where(column)`` names the cell, ``where(None)`` the row, for remarks.
    emotion, objective_class, aus : str, optional
        As the sheet writes them.
    onset, apex, offset : int, str or None
        Text where the sheet has no number.
    apex_source : str
        Of an apex that lies in the clip.
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


@dataclass
class Findings:
    """What a reader gathers on its way; `sheet` says in words where the annotation is from."""

    sheet: str = ""
    notes: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


class _LeftOutError(Exception):
    """A clip can't be used: the reason, alike for all such clips, and what is this clip's alone."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass
class FramedDatabase(ABC):
    """A database of frames whose card names one dataset; what the annotation is, subclasses say.

    Attributes
    ----------
    card : DatabaseCard
        With one dataset.
    tree : TreeForm
        How its folders are called.
    fps : int
        Frames a second.
    emotions : tuple of str
        The emotion words that the database uses, lower case.
    """

    card: DatabaseCard
    tree: TreeForm
    fps: int
    emotions: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        (name,) = self.card.datasets
        return name

    def recognises(self, folder: Path) -> bool:
        """Say whether a tree of this database lies in `folder` or up to three levels below."""
        try:
            return bool(find_trees(folder, self.tree)[0])
        except DataError:
            return False

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return number -> file of a clip's frames, in order of number; DataError as :func:`numbered_frames`."""
        return numbered_frames(folder / path)

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table: annotation, held against the frames on disk.

        Raises
        ------
        DataError
            No tree or no annotation sheet is there, a sheet is unreadable, a clip is there twice, no clip can be used;
            names file or folder and the next step.
        """
        trees, places = find_trees(folder, self.tree)
        if not trees:
            raise DataError(
                f"{folder}: no clip folders such as {self.tree.example} were found {_ELSEWHERE}; "
                f"give the folder that holds your copy of {self.card.title}"
            )
        tree, found = trees[0], Findings()
        if len(trees) > 1:
            others = ", ".join(f"{other.shown} ({other.kind})" for other in trees[1:])
            found.notes.append(f"frames are taken from {tree.shown} ({tree.kind}), not from {others}")
        disk = self._clip_folders(folder, tree, found)
        annotations = self._annotations(folder, places, disk, found)
        rows = []
        for annotation in annotations:
            name = f"{self.dataset}/{annotation.subject}/{annotation.clip}"
            try:
                place = disk.get((annotation.subject, annotation.clip))
                row, remarks = self._clip(name, annotation, place, corrections)
                rows.append(row | {"path": place.relative_to(folder).as_posix() if place else None})
                found.remarks += remarks
            except _LeftOutError as why:
                found.remarks.append(Remark(name, "left out", why.reason, why.detail))
        if not rows:
            raise DataError(f"{folder}: not one clip can be used: {_commonest(found.remarks)}")
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        for name in ("aus", "objective_class"):
            columns[name] = pd.Series(columns[name], dtype=object)  # so that None stays None
        table = clip_table(pd.DataFrame(columns), str(folder))
        layout = f"{tree.kind} frames in {tree.shown}, {found.sheet}"
        return Reading(table, layout, found.notes, found.remarks, cropped=tree.kind == "cropped")

    @abstractmethod
    def _annotations(
        self, folder: Path, places: Sequence[Place], disk: Mapping[tuple[str, str], Path], found: Findings
    ) -> list[Annotation]:
        """Return what is annotated; `places` are where a sheet may lie, `disk` the folder of each (subject, clip)."""

    def _clip_folders(self, folder: Path, tree: Tree, found: Findings) -> dict[tuple[str, str], Path]:
        """Return (subject, clip) -> folder of all the tree's clips."""
        disk: dict[tuple[str, str], Path] = {}
        for place, names in clip_folders(tree.path, self.tree):
            shown = place.relative_to(folder).as_posix()
            try:
                if names is None:
                    raise DataError("no such name is known here")
                _, *key = normalised(self.dataset, names[0].lower(), self.tree.spelled(names[-1]))
            except DataError:
                reason = f"a folder is not called like {self.tree.example}, and was passed over"
                found.remarks.append(Remark(shown, "left out", reason))
                continue
            subject, clip = key
            if (subject, clip) in disk:
                raise DataError(
                    f"{place} and {disk[subject, clip]} are both {self.dataset}/{subject}/{clip}; remove one of them"
                )
            disk[subject, clip] = place
        return disk

    def _clip(
        self, name: str, said: Annotation, place: Path | None, corrections: bool
    ) -> tuple[dict[str, object], list[Remark]]:
        """Make a row of the clip table, with remarks; _LeftOutError if the clip can't be used."""
        if place is None:
            raise _LeftOutError("the clip has no folder on disk", said.where(None))
        frames, strays = frames_and_strays(place)
        if not frames:
            raise _LeftOutError("the clip's folder holds no frame", f"{place} (jpg, png and bmp are looked for)")
        if said.emotion is None:
            raise _LeftOutError("the sheet has no emotion", said.where("emotion"))
        remarks: list[Remark] = []
        if strays:
            reason = "pictures are called otherwise than the clip's frames, and are passed over"
            remarks.append(Remark(name, "noted", reason, listed(strays)))
        annotated = {"onset": said.onset, "apex": said.apex, "offset": said.offset}
        numbers = {column: value if isinstance(value, int) else None for column, value in annotated.items()}
        apex_source = said.apex_source
        if corrections:
            for known in corrections_for((self.dataset, said.subject, said.clip), numbers, frames):
                was = _told(annotated[known.column])
                detail = f"{known.column} {known.value} instead of {was}, after {known.source}"
                remarks.append(Remark(name, "corrected", known.reason, detail))
                numbers[known.column] = known.value
                apex_source = "corrected" if known.column == "apex" else apex_source
        onset, offset = _span(numbers, said, frames)
        apex, repaired = settled_apex(onset, numbers["apex"], offset)
        if repaired:
            apex_source = "midpoint"
            told = f"{said.where('apex')}: {_told(said.apex)}"
            remarks.append(Remark(name, "repaired", repaired, f"{apex} in {onset} to {offset} ({told})"))
        elif apex == onset:
            remarks.append(Remark(name, "noted", "the apex is the onset", f"{apex}"))
        _refuse_stillness(frames, onset, apex, offset)
        remarks += [Remark(name, "noted", *told) for told in _about_frames(frames, onset, apex, offset)]
        row = {"dataset": self.dataset, "subject": said.subject, "clip": said.clip, "fps": self.fps}
        row |= {"onset": onset, "apex": apex, "offset": offset, "apex_source": apex_source}
        return row | self._labels(name, said, remarks), remarks

    def _labels(self, name: str, said: Annotation, remarks: list[Remark]) -> dict[str, object]:
        """Read emotion, action units and objective class; what can't be read is None, with a remark."""
        if said.emotion not in self.emotions:
            reason = "the emotion is none that the database is known to use"
            remarks.append(Remark(name, "noted", reason, repr(said.emotion)))
        aus = None
        try:
            aus = read_coding(said.aus)
        except ValueError as error:
            detail = f"{said.where('aus')}: {said.aus!r}: {error}"
            reason = "the action units can't be read, and count as not annotated"
            remarks.append(Remark(name, "noted", reason, detail))
        text = (said.objective_class or "").upper()
        roman = text if text in _ROMAN else dict(zip("1234567", _ROMAN, strict=True)).get(text)
        if text and roman is None:
            reason = "the objective class is none of I to VII, and counts as not given"
            remarks.append(Remark(name, "noted", reason, repr(text)))
        return {"emotion": said.emotion, "aus": aus, "objective_class": roman}


@dataclass
class SheetDatabase(FramedDatabase):
    """A database of frames with an annotation sheet, and perhaps a second one with objective classes.

    Attributes
    ----------
    sheet : SheetForm
        Columns ``subject, clip, onset, apex, offset, aus, emotion`` and perhaps ``objective_class``.
    classes : SheetForm, optional
        Columns ``subject, clip, objective_class``; joined where the file is there.
    """

    sheet: SheetForm
    classes: SheetForm | None = None

    def _annotations(
        self, folder: Path, places: Sequence[Place], disk: Mapping[tuple[str, str], Path], found: Findings
    ) -> list[Annotation]:
        sheet = read_newest(places, self.sheet, found.notes)
        if sheet is None:  # a part of a copy was given: the sheet may lie beside it
            sheet = read_newest([Place.of(folder.absolute().parent)], self.sheet, found.notes)
        if sheet is None:
            raise DataError(
                f"{folder}: no annotation sheet such as {self.sheet.example} was found {_ELSEWHERE}; "
                "give the folder that holds the sheet and the frames"
            )
        found.sheet = f"sheet {sheet.path.name} ({sheet.title})"
        rows = self._identified(sheet, found, "left out")
        classes = self._classes(places, found)
        annotations = [
            Annotation(
                *key,
                where=partial(sheet.where, row),
                **{name: cells[name] for name in ("onset", "apex", "offset", "aus")},
                emotion=cells["emotion"] and cells["emotion"].lower(),
                objective_class=classes.get(key, cells.get("objective_class")),
            )
            for key, (row, cells) in rows.items()
        ]
        found.remarks += _unmatched(self.dataset, rows, disk, folder)
        return annotations

    def _identified(
        self, sheet: Sheet, found: Findings, kind: Literal["left out", "noted"]
    ) -> dict[tuple[str, str], tuple[int, dict[Any, Any]]]:
        """Return (subject, clip) -> row number and cells; a row that names no clip is a remark, one twice an error."""
        rows: dict[tuple[str, str], tuple[int, dict[Any, Any]]] = {}
        for row, cells in zip(sheet.rows.index.tolist(), sheet.rows.to_dict("records"), strict=True):
            written = cells["subject"] or "", cells["clip"] or ""
            try:
                _, subject, clip = normalised(self.dataset, written[0].lower(), self.tree.spelled(written[1]))
            except DataError as error:
                found.remarks.append(Remark(sheet.where(row), kind, "the row names no clip", str(error)))
                continue
            if (subject, clip) in rows:
                raise DataError(
                    f"{sheet.path}, {sheet.title}: rows {rows[subject, clip][0]} and {row} are both "
                    f"{self.dataset}/{subject}/{clip}; remove one of them"
                )
            rows[subject, clip] = row, cells
        return rows

    def _classes(self, places: Sequence[Place], found: Findings) -> dict[tuple[str, str], str | None]:
        """Read the sheet of objective classes, if there is one."""
        sheet = read_newest(places, self.classes, found.notes) if self.classes else None
        if sheet is None:
            return {}
        found.sheet += f" and {sheet.path.name}"
        rows = self._identified(sheet, found, "noted")
        return {key: cells["objective_class"] for key, (_, cells) in rows.items()}


def settled_apex(onset: int, apex: int | None, offset: int) -> tuple[int, str]:
    """Return the apex of a clip and, if it is not the annotated one, why.

    The annotated apex holds if onset <= apex <= offset; otherwise it is the middle, ``(onset + offset) // 2``.

    Examples
    --------
    >>> settled_apex(10, 20, 41)
    (20, '')
    >>> settled_apex(10, 50, 41)
    (25, 'the apex lies outside onset to offset: the middle is taken')
    """
    if apex is not None and onset <= apex <= offset:
        return apex, ""
    why = "the sheet has no apex" if apex is None else "the apex lies outside onset to offset"
    return (onset + offset) // 2, f"{why}: the middle is taken"


def _told(value: object) -> str:
    return "nothing" if value is None else str(value)


def _span(numbers: Mapping[str, int | None], said: Annotation, frames: Collection[int]) -> tuple[int, int]:
    """Return onset and offset; _LeftOutError where they are none, or no frame lies between them."""
    onset, offset = numbers["onset"], numbers["offset"]
    if onset is None or offset is None:
        lacking = [(name, value) for name, value in (("onset", said.onset), ("offset", said.offset))]
        told = [f"{said.where(name)}: {_told(value)}" for name, value in lacking if not isinstance(value, int)]
        raise _LeftOutError("the sheet has no onset or no offset number", "; ".join(told))
    if onset > offset:
        raise _LeftOutError("the onset lies after the offset", f"{said.where(None)}: {onset} to {offset}")
    if not any(onset <= number <= offset for number in frames):
        detail = f"{said.where(None)}: {onset} to {offset}, on disk {min(frames)} to {max(frames)}"
        raise _LeftOutError("no frame on disk lies between onset and offset", detail)
    return onset, offset


def _refuse_stillness(frames: Collection[int], onset: int, apex: int, offset: int) -> None:
    """Leave a clip out in which frames that are missing would make one file stand for onset and apex, or offset."""
    at_onset, at_apex, at_offset = (min(frames, key=lambda n: (abs(n - wanted), n)) for wanted in (onset, apex, offset))
    if (onset < apex and at_onset == at_apex) or (onset < offset and at_onset == at_offset):
        detail = f"{onset}, {apex}, {offset}; on disk {len(frames)} frames, {min(frames)} to {max(frames)}"
        raise _LeftOutError("so many frames are missing that nothing moves", detail)


def _about_frames(frames: Mapping[int, Path], onset: int, apex: int, offset: int) -> Iterator[tuple[str, str]]:
    """Tell which frames of a clip are missing, and whether onset, apex and offset are pictures of one size."""
    count = offset - onset + 1 - sum(onset <= number <= offset for number in frames)
    if count:
        first = islice((number for number in range(onset, offset + 1) if number not in frames), 10)
        told = ", ".join(map(str, first)) + (" ..." if count > 10 else "")
        yield "frames are missing between onset and offset", f"{count} of {offset - onset + 1}: {told}"
    near = [frames[min(frames, key=lambda number: abs(number - wanted))] for wanted in (onset, apex, offset)]
    sizes = {path.name: picture_size(path) for path in near}
    if None in sizes.values():
        yield "a frame is no readable picture", ", ".join(name for name, size in sizes.items() if size is None)
    elif len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size[0]}x{size[1]}" for name, size in sizes.items() if size)
        yield "the pictures differ in size", told


def _unmatched(
    dataset: str, rows: Collection[tuple[str, str]], disk: Mapping[tuple[str, str], Path], folder: Path
) -> Iterator[Remark]:
    """Tell which subjects and clips are only on disk, and which subjects only in the sheet."""
    listed, there = Counter(subject for subject, _ in rows), Counter(subject for subject, _ in disk)
    for subject in sorted(there.keys() - listed.keys()):
        detail = f"clip folders: {there[subject]}"
        yield Remark(f"{dataset}/{subject}", "left out", "a subject on disk is not in the sheet", detail)
    for subject in sorted(listed.keys() - there.keys()):
        detail = f"rows: {listed[subject]}"
        yield Remark(f"{dataset}/{subject}", "noted", "a subject of the sheet has no clip folder on disk", detail)
    for (subject, clip), path in disk.items():
        if subject in listed and (subject, clip) not in rows:
            detail = path.relative_to(folder).as_posix()
            yield Remark(f"{dataset}/{subject}/{clip}", "left out", "a clip on disk has no row in the sheet", detail)


def _commonest(remarks: Sequence[Remark]) -> str:
    """Say why most clips were left out, with one of them."""
    left_out = [remark for remark in remarks if remark.kind == "left out"]
    if not left_out:
        return "there is none"
    (reason, count), *_ = Counter(remark.reason for remark in left_out).most_common(1)
    first = next(remark for remark in left_out if remark.reason == reason)
    return f"{reason} ({count} of {len(left_out)} left out), such as {first.clip} {first.detail}".strip()
