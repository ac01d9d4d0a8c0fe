"""A database of frames with an annotation sheet: rows of the sheet matched with clip folders by identity."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from merbench.contracts.errors import DataError, listed
from merbench.contracts.notes import Note, NoteKind
from merbench.databases.reading.framed import Annotation, FramedDatabase
from merbench.databases.reading.layouts import read_newest
from merbench.databases.reading.sheets import Sheet, SheetForm
from merbench.databases.reading.trees import FolderContent
from merbench.databases.reading.unread import unread


@dataclass
class SheetDatabase(FramedDatabase):
    """A database of frames with an annotation sheet, and optionally a second one with objective classes.

    `sheet` has the columns ``subject, clip, onset, apex, offset, aus, emotion`` and optionally ``objective_class``;
    `classes` has ``subject, clip, objective_class``, and is joined where the file is found. Without a column of apexes
    the midpoint is used. `named` makes subject and clip of a row's cells; `labelled` makes the emotion of the clip's
    name and the cell. `inside` has the clips that some sheets give as a further movement, the second or third one
    (columns ``onset2, offset2`` and so on), of another clip. Where a sheet `repeats` rows, the first one counts;
    elsewhere a clip with two rows is an error.
    """

    _: KW_ONLY
    sheet: SheetForm
    classes: SheetForm | None = None
    repeats: bool = False
    named: Callable[[Mapping[Any, Any]], tuple[str, str]] = lambda cells: (cells["subject"] or "", cells["clip"] or "")
    labelled: Callable[[str, str | None], str | None] = lambda _clip, cell: cell and cell.lower()
    inside: Mapping[tuple[str, str], tuple[tuple[str, str], int]] = field(default_factory=dict)

    def _annotations(
        self, folder: Path, places: Sequence[FolderContent], disk: Mapping[tuple[str, str], Path], notes: list[Note]
    ) -> tuple[list[Annotation], str]:
        sheet, beside = read_newest(places, self.sheet, notes), list[FolderContent]()
        if sheet is None:  # only a part of a copy was given: the sheets may be next to it
            beside = [FolderContent.of(folder.absolute().parent)]
            sheet = read_newest(beside, self.sheet, notes)
        if sheet is None:
            raise DataError(
                f"{folder}: no annotation sheet such as {self.sheet.example} was found there or up to three levels "
                f"below{unread(folder, places, self.sheet.example)}; give the folder with the sheet and the frames"
            )
        rows = self._identified(_filled_down(sheet, notes), notes, "excluded")
        self._add_further(rows)
        source = "annotated"
        if "apex" not in sheet.letters:
            source = "midpoint"
            notes.append(Note("note", "the sheet has no apexes: using the midpoint of onset and offset"))
        second = read_newest([*places, *beside], self.classes, notes) if self.classes else None
        found = self._identified(_filled_down(second, notes), notes, "note") if second else {}
        classes = {key: cells["objective_class"] for key, (_, cells) in found.items()}
        annotations = [
            Annotation(
                *key,
                where=partial(sheet.where, row),
                onset=cells["onset"],
                offset=cells["offset"],
                aus=cells.get("aus"),
                apex=cells["apex"] if source == "annotated" else _midpoint(cells["onset"], cells["offset"]),
                apex_source=source,
                emotion=self.labelled(key[1], cells.get("emotion")),
                fps=int(rate) if (rate := str(cells.get("fps") or "")).isdecimal() else None,
                objective_class=classes.get(key, cells.get("objective_class")),
            )
            for key, (row, cells) in rows.items()
        ]
        notes += self._unmatched(rows, disk, folder)
        said = f"sheet {sheet.path.name} ({sheet.title})"
        return annotations, f"{said} and {second.path.name}" if second else said

    def _identified(
        self, sheet: Sheet, notes: list[Note], kind: NoteKind
    ) -> dict[tuple[str, str], tuple[int, dict[Any, Any]]]:
        """Return (subject, clip) -> row number and cells; DataError for duplicates."""
        rows: dict[tuple[str, str], tuple[int, dict[Any, Any]]] = {}
        for row, cells in zip(sheet.rows.index.tolist(), sheet.rows.to_dict("records"), strict=True):
            written = self.named(cells)
            try:
                key = self.identity(written[0].lower(), self.tree.spelled(written[1]))
            except DataError as error:
                notes.append(Note(kind, "the row does not name a clip", sheet.where(row), str(error)))
                continue
            if key in rows and self.repeats:
                name = "/".join((self.dataset, *key))
                notes.append(Note(kind, "the row repeats another one", sheet.where(row), name))
                continue
            if key in rows:
                both = f"rows {rows[key][0]} and {row} are both {'/'.join((self.dataset, *key))}"
                raise DataError(f"{sheet.path}, {sheet.title}: {both}; remove one of them")
            rows[key] = row, cells
        return rows

    def _unmatched(
        self, rows: Collection[tuple[str, str]], disk: Mapping[tuple[str, str], Path], folder: Path
    ) -> Iterator[Note]:
        """Yield notes on subjects and clips that are only on disk, and on subjects that are only in the sheet."""
        listed, there = Counter(subject for subject, _ in rows), Counter(subject for subject, _ in disk)
        for subject in sorted(there.keys() - listed.keys() - {""}):  # folders of no subject, found by the clip's name
            who, detail = f"{self.dataset}/{subject}", f"clip folders: {there[subject]}"
            yield Note("excluded", "a subject on disk is not in the sheet", who, detail)
        for subject in sorted(listed.keys() - there.keys()) if "" not in there else ():
            who, detail = f"{self.dataset}/{subject}", f"rows: {listed[subject]}"
            yield Note("note", "a subject of the sheet has no clip folder on disk", who, detail)
        held = {*rows, *(self.folder_of(*key) for key in rows)}
        for (subject, clip), path in disk.items():
            if subject in listed and (subject, clip) not in held and self._is_clip(subject, clip):
                detail = path.relative_to(folder).as_posix()
                name = f"{self.dataset}/{subject}/{clip}"
                yield Note("excluded", "a clip on disk has no row in the sheet", name, detail)

    def _is_clip(self, subject: str, folder: str) -> bool:
        """Return whether a folder is called like a clip, not like a long video."""
        try:
            return bool(self.identity(subject, folder))
        except DataError:
            return False

    def _add_further(self, rows: dict[tuple[str, str], tuple[int, dict[Any, Any]]]) -> None:
        """Add clips of `inside` that have no row of their own, with the onset and offset of their host's row."""
        for key, (host, number) in self.inside.items():
            row, cells = rows.get(host, (0, {}))
            onset, offset = cells.get(f"onset{number}"), cells.get(f"offset{number}")
            if key not in rows and onset is not None:
                rows[key] = row, {**cells, "onset": onset, "apex": None, "offset": offset}


def _filled_down(sheet: Sheet, notes: list[Note]) -> Sheet:
    """Give rows with a clip but no subject the subject above them: a spreadsheet's merged cells have one value."""
    merged = sheet.rows.subject.isna() & sheet.rows["clip"].notna()
    filled = sheet.rows.subject.ffill()
    if not (merged & filled.notna()).any():
        return sheet
    rows = listed(merged.index[merged].tolist())
    where = f"{sheet.path.name}, {sheet.title}"
    notes.append(Note("note", f"{where}: no subject in rows {rows}, as in merged cells: using the one above"))
    return replace(sheet, rows=sheet.rows.assign(subject=sheet.rows.subject.where(~merged, filled)))


def _midpoint(onset: object, offset: object) -> int | None:
    return (onset + offset) // 2 if isinstance(onset, int) and isinstance(offset, int) else None
