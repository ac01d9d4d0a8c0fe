"""The table of a database of one's own: one row a clip, in CSV or Excel, checked row by row."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_table
from merbench.contracts.errors import DataError, MerbenchError, listed, suggestion
from merbench.contracts.names import checked_name
from merbench.contracts.notes import Note
from merbench.databases.reading.sheets import Sheet, SheetForm, read_sheet

#: Column -> further names by which it is found, and what it holds, for the template.
COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "subject": (("participant", "sub"), "who is seen: any text, the same in all clips of a person"),
    "clip": (("filename", "clip name"), "name of the clip, unique within the subject"),
    "emotion": (("label", "class", "estimated emotion"), "one word, such as happiness; empty if not known"),
    "onset": (("onset frame",), "number of the first frame of the movement, as in the frames' names"),
    "apex": (("apex frame",), "number of the strongest frame; empty: the midpoint of onset and offset"),
    "offset": (("offset frame",), "number of the last frame; onset and offset may be empty: the whole clip"),
    "dataset": (("database",), "optional: name of the database, where the table has several"),
    "fps": (("frame rate", "frames per second"), "optional: frames a second"),
    "aus": (("au", "action units"), "optional: action units by FACS, such as 4+L10"),
    "path": (("folder", "file", "video"), "optional: folder or video of the clip, below the folder of the frames"),
}
REQUIRED = ("subject", "clip")
_EXAMPLE = {"subject": "P01", "clip": "smile1", "emotion": "happiness", "onset": "12", "apex": "18", "offset": "30"}


#: A row: its number in a spreadsheet, and its values by column.
Row = tuple[int, dict[str, Any]]


def identity(cells: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return dataset, subject and clip of a row."""
    return cells["dataset"], cells["subject"], cells["clip"]


class Problems:
    """The errors of a table, by reason, reported all at once."""

    def __init__(self, path: Path) -> None:
        self.path, self._rows = path, dict[str, list[str]]()

    def add(self, row: int, reason: str, detail: str = "") -> None:
        """Add a row with the reason, the same for all such rows, and the detail of this one."""
        self._rows.setdefault(reason, []).append(f"{row} ({detail})" if detail else f"{row}")

    def table(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return the clip table of the rows without errors; DataError if there are any errors, or no rows."""
        if not self._rows and not rows:
            raise DataError(f"{self.path} has no row with a clip: rows whose subject begins with # are ignored")
        if self._rows:
            said = [f"row{'s' * (len(rows) > 1)} {listed(rows, 20)}: {reason}" for reason, rows in self._rows.items()]
            count = len({row.split(" ")[0] for rows in self._rows.values() for row in rows})
            raise DataError(
                f"{self.path}: {count} row{'s' * (count > 1)} can't be used: {'; '.join(said)}; "
                "a # before the subject leaves a row out"
            )
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        columns["aus"] = pd.Series(columns["aus"], dtype=object)  # so that None stays None
        return clip_table(pd.DataFrame(columns), str(self.path))


def mapped_columns(given: list[str]) -> dict[str, str]:
    """Read ``--column onset="Onset Frame"``; MerbenchError for another form or an unknown column."""
    found = {}
    for text in given:
        ours, sign, theirs = text.partition("=")
        if not sign or not theirs.strip():
            raise MerbenchError(f'--column {text!r}: write NAME="NAME IN YOUR TABLE", such as onset="Onset Frame"')
        if ours.strip() not in COLUMNS:
            raise MerbenchError(f"--column: unknown column {ours.strip()!r}{suggestion(ours.strip(), COLUMNS)}")
        found[ours.strip()] = theirs.strip()
    return found


def read_table(path: Path, columns: Mapping[str, str]) -> Sheet:
    """Read the table; DataError if a required or mapped column is missing, or the file is not readable."""
    if not path.is_file():
        raise DataError(
            f"{path} is not a file: give a .csv or .xlsx, or put it back; merbench data template writes an empty one"
        )
    names = {name: (columns[name],) if name in columns else (name, *others) for name, (others, _) in COLUMNS.items()}
    optional = tuple(name for name in COLUMNS if name not in REQUIRED and name not in columns)
    try:
        form = SheetForm(files=".*", example=path.name, columns=names, optional=optional, once=True)
        return read_sheet(path, form)
    except DataError as error:
        if "lacks the columns" in str(error) or "names the columns" in str(error):
            said = str(error).removesuffix("; is it the annotation sheet?")
            raise DataError(f'{said}; map names with --column subject="NAME IN YOUR TABLE"') from error
        raise


def table_rows(sheet: Sheet, database: str, problems: Problems) -> list[Row]:
    """Return the rows whose own values are valid; others are added to `problems`."""
    rows: list[Row] = []
    seen: dict[tuple[str, str, str], int] = {}
    for number, cells in zip(sheet.rows.index.tolist(), sheet.rows.to_dict("records"), strict=True):
        if _is_ignored(cells):
            continue
        values = {str(name): None if value != value else value for name, value in cells.items()}
        values = {name: str(value) if isinstance(value, int) and name not in _NUMBERS else value
                  for name, value in values.items()}  # fmt: skip
        values["dataset"] = (values["dataset"] or database).lower()
        if values["emotion"]:
            values["emotion"] = values["emotion"].lower()
        wrong = [*_wrong(values)]
        name = identity(values)
        if not wrong and name in seen:
            wrong = [("the clip has another row", f"row {seen[name]}, {'/'.join(name)}")]
        for reason, detail in wrong:
            problems.add(number, reason, detail)
        if not wrong:
            seen[name] = number
            rows.append((number, values))
    return rows


def ignored(sheet: Sheet) -> list[Note]:
    """Return notes on what is not read: rows, but for those of the template, columns and sheets."""
    rows = zip(sheet.rows.index.tolist(), sheet.rows.to_dict("records"), strict=True)
    own = [str(number) for number, cells in rows if _is_ignored(cells) and not _is_template(cells)]
    rows_ignored = [f"rows whose subject begins with # are ignored: {listed(own, 20)}"] if own else []
    return [Note("note", text) for text in (*rows_ignored, *(f"not read, {what}" for what in sheet.unread))]


def _is_ignored(cells: Mapping[Any, Any]) -> bool:
    return str(cells["subject"]).startswith("#")


def _is_template(cells: Mapping[Any, Any]) -> bool:
    """Return whether a row is the template's example, or one of its lines of explanation."""
    subject = str(cells["subject"])
    return (subject, cells["clip"]) == (f"#{_EXAMPLE['subject']}", _EXAMPLE["clip"]) or any(
        subject.startswith(f"# {name}: ") for name in COLUMNS
    )


_NUMBERS = ("onset", "apex", "offset")
_DATE = re.compile(r"\d{4}-\d\d-\d\d 00:00:00|date \d+(\.0)?")  # of an .xlsx and an .xls


def _wrong(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return reason and detail of what is wrong in a row."""
    wrong = [(f"no {name}: of merged cells, only the first has one", "") for name in REQUIRED if not values[name]]
    wrong += [(f"the {name} is a date: format the column as text, and write the name again", repr(values[name]))
              for name in REQUIRED if _DATE.fullmatch(values[name] or "")]  # fmt: skip
    wrong += [(f"the {name} is not a frame number", repr(values[name])) for name in _NUMBERS
              if values[name] is not None and not isinstance(values[name], int)]  # fmt: skip
    try:
        checked_name(values["dataset"], "dataset")
    except ValueError as error:
        wrong.append(("the dataset is not a name", str(error)))
    if values["fps"] is not None and not (re.fullmatch(r"\d+(\.\d+)?", values["fps"]) and float(values["fps"]) > 0):
        wrong.append(("fps is not a number above 0", repr(values["fps"])))
    try:
        read_coding(values["aus"])
    except ValueError as error:
        wrong.append(("the action units are not readable", f"{values['aus']!r}: {error}"))
    onset, apex, offset = (values[name] if isinstance(values[name], int) else None for name in _NUMBERS)
    if (onset is None) != (offset is None) and not wrong:
        wrong.append(("onset and offset must both be given, or neither", f"{values['onset']}, {values['offset']}"))
    if onset is not None and offset is not None and onset > offset:
        wrong.append(("the onset is after the offset", f"{onset}, {offset}"))
    elif onset is not None and offset is not None and apex is not None and not onset <= apex <= offset:
        wrong.append(("the apex is not between onset and offset", f"{apex} in {onset} to {offset}"))
    return wrong


def template() -> str:
    """Return an empty table: a line of explanation a column, the header, and a synthetic clip."""
    lines = [f"# {name}: {about}" for name, (_, about) in COLUMNS.items()]
    return "\n".join([*lines, ",".join(COLUMNS), "#" + ",".join(_EXAMPLE.get(name, "") for name in COLUMNS)]) + "\n"
