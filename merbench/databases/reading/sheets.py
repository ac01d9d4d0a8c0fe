"""Annotation sheets: the rows of the annotation table, anywhere in an Excel file, or in a CSV file.

The header row is found by its column names, so titles above it, and moved or additional columns are allowed. Values
are read as stored: formulas are not computed, and nothing is executed.
"""

import codecs
import csv
import io
import re
import stat
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merbench.contracts.errors import DataError, listed
from merbench.contracts.texts import old_encodings

_HEADER_ROWS = 30  # SAMM's header stands on row 14, below a title and a key
_MOST_ROWS = 20_000  # the largest database has some 7500 clips
_MOST_COLUMNS = 100
_MOST_BYTES = 200 * 2**20  # unpacked

_Row = tuple[int, tuple[Any, ...]]  # as a spreadsheet counts them, from 1; its cells, the first one first


_NUMBERS = ("onset", "apex", "offset", "onset2", "offset2", "onset3", "offset3")  # whole and not negative


@dataclass(frozen=True)
class SheetForm:
    """The name of an annotation sheet, and its columns.

    `columns` are ``subject``, ``clip`` and what else of :class:`~merbench.databases.reading.framed.Annotation` the
    sheet has, each with its possible headers, regardless of case, blanks and punctuation.
    """

    files: str  # expression for the file's name, without extension and regardless of case
    example: str  # such a name, for messages
    columns: dict[str, tuple[str, ...]]
    optional: tuple[str, ...] = ()  # columns that a sheet may lack; a sheet without another one is refused
    once: bool = False  # refuse a sheet with two columns of one name, or two that could be one of `columns`
    headless: str = ""  # expression for the title of a sheet without a header, that has the columns in this order


@dataclass(frozen=True)
class Sheet:
    """The rows of a table: the sheet called `title` of a file.

    `rows` has the columns of the form, indexed by row number as a spreadsheet shows it. Text has no surrounding blanks;
    a missing cell, also ``/``, is None; other text in a column of numbers stays text. `letters` has the letter in the
    spreadsheet of each column that is there; `unread` are headers and other sheets that were not used, in words, where
    the form says `once`.
    """

    path: Path
    title: str
    rows: pd.DataFrame
    letters: dict[str, str]
    unread: tuple[str, ...] = ()

    def where(self, row: int, column: str | None = None) -> str:
        """Name a row, or a cell, as in a spreadsheet program: ``coding.xlsx, Sheet1, cell D5``."""
        place = f"cell {self.letters[column]}{row}" if column in self.letters else f"row {row}"
        return f"{self.path.name}, {self.title}, {place}"


def read_sheet(path: Path, form: SheetForm) -> Sheet:
    """Read the table with the columns of `form` from an Excel file, known by its content, or a ``.csv``, by its name.

    Of several sheets that have all the required columns, the one with most rows is used. Rows without any of the
    columns are ignored. DataError, which names file, sheet, row or cell, if the file is missing, too large, encrypted,
    damaged or not an Excel file, no sheet has the required columns in its first 30 rows, the table is empty, or a cell
    has a formula without a stored value.
    """
    from openpyxl.utils import get_column_letter

    grids = list(_grids(path))
    if form.headless:
        places = {name: place for place, name in enumerate(form.columns)}
        found = [
            (title, rows, (0, places))
            for title, rows in grids
            if re.fullmatch(form.headless, title.strip(), re.IGNORECASE)
        ]
    else:
        found = [(title, rows, header) for title, rows in grids if (header := _header(rows, form))]
    whole = [each for each in found if not _lacking(each[2][1], form)]
    if not whole:
        raise DataError(_no_header(path, grids, found, form))
    title, rows, (header_row, places) = max(whole, key=lambda each: len(each[1]))
    if form.once:
        _refuse_doubles(path, title, dict(rows)[header_row], places, form)
    letters = {name: get_column_letter(place + 1) for name, place in places.items()}
    table = {}
    for number, cells in rows:
        values = {name: _value(cells[place], name in _NUMBERS) for name, place in places.items()}
        if number > header_row and any(value is not None for value in values.values()):
            table[number] = values
    if not table:
        raise DataError(f"{path}, {title}: no rows below the header on row {header_row}; copy the sheet again")
    # Column by column and as objects: pandas would make floats of numbers among which one is missing.
    filled = {name: pd.Series([row.get(name) for row in table.values()], list(table), object) for name in form.columns}
    others = [each for each, *_ in whole if each != title]
    unread = _unread(dict(rows)[header_row], others, form) if form.once else ()
    sheet = Sheet(path, title, pd.DataFrame(filled), letters, tuple(unread))
    _refuse_formulas(sheet, places)
    return sheet


def _grids(path: Path) -> Iterator[tuple[str, list[_Row]]]:
    """Yield the title and the filled rows of every sheet of a file; any problem with the file is one line."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DataError(f"{path} is a pipe or a device, not an annotation sheet: copy the file")
        size, head = facts.st_size, _head(path)
        if head.startswith(b"PK") and size <= _MOST_BYTES:
            with zipfile.ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
        if size > _MOST_BYTES:
            mebibytes = f"({size / 2**20:.0f} MiB)"
            raise DataError(f"{path} is too large for an annotation sheet {mebibytes}: is it the right file?")
        if head.startswith(b"PK"):
            yield from _xlsx(path)
        elif head.startswith(b"\xd0\xcf\x11\xe0"):
            yield from _xls(path)
        elif path.suffix.lower() == ".csv" and size:
            yield from _csv(path)
        else:
            what = "empty" if not size else "not an Excel file"
            raise DataError(f"{path} is {what}: copy the annotation sheet again, or save it as .xlsx")
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    except Exception as error:
        # The two packages raise anything on a damaged file; an .xlsx with a password is a container like an .xls.
        locked = "encrypted" in str(error).lower() or "workbook in OLE2" in str(error)
        why = "it is protected by a password" if locked else f"it is damaged: {error}"
        todo = "open it in a spreadsheet program and save it without one" if locked else "copy it again"
        raise DataError(f"{path} can't be read, {why}; {todo}") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _csv(path: Path) -> Iterator[tuple[str, list[_Row]]]:
    """Yield the one table of a file in UTF-8, marked UTF-16, GBK or Windows' Latin, with commas, semicolons or tabs."""
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Excel's Unicode text
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode(old_encodings(content)[0])  # what it can't decode is reported as damaged
    if "\0" in text:
        raise ValueError("it has zero bytes")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), start=1)
    yield "CSV", _filled(path, "CSV", ((number, cells[:_MOST_COLUMNS]) for number, cells in rows))


def _xlsx(path: Path, stored_values: bool = True) -> Iterator[tuple[str, list[_Row]]]:
    import openpyxl

    with path.open("rb") as file, warnings.catch_warnings(action="ignore"):  # of styles and the like, not relevant here
        book = openpyxl.load_workbook(file, read_only=True, data_only=stored_values)
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                continue
            sheet.reset_dimensions()  # some programs write wrong ones
            rows = sheet.iter_rows(max_col=_MOST_COLUMNS, values_only=True)
            yield sheet.title, _filled(path, sheet.title, enumerate(rows, start=1))


def _xls(path: Path) -> Iterator[tuple[str, list[_Row]]]:
    import xlrd

    with xlrd.open_workbook(str(path), logfile=io.StringIO(), on_demand=True) as book:
        for title in book.sheet_names():
            sheet = book.sheet_by_name(title)
            if sheet.visibility:
                continue
            rows = ((n + 1, [_xls_value(cell) for cell in sheet.row(n)[:_MOST_COLUMNS]]) for n in range(sheet.nrows))
            yield title, _filled(path, title, rows)


def _xls_value(cell: Any) -> object:
    """Return the value of a cell; its type is stored as a number."""
    return {3: f"date {cell.value}", 4: bool(cell.value), 5: "#error"}.get(cell.ctype, cell.value)


def _filled(path: Path, title: str, rows: Any) -> list[_Row]:
    """Return the rows that are not empty, all of one width."""
    kept: list[_Row] = []
    for number, cells in rows:
        if cells.count(None) + cells.count("") == len(cells):  # quick: some files have a million such rows
            if number > _MOST_ROWS + (kept[-1][0] if kept else 0):
                break  # nothing follows such a gap
            continue
        kept.append((number, (*cells, *[None] * (_MOST_COLUMNS - len(cells)))))
        if len(kept) > _MOST_ROWS:
            raise DataError(f"{path}, {title} has more than {_MOST_ROWS} rows: is it the right file?")
    return kept


def _header(rows: Sequence[_Row], form: SheetForm) -> tuple[int, dict[str, int]] | None:
    """Return the number of the row with most of the columns, and column -> position in it."""
    best: tuple[int, dict[str, int]] = 0, {}
    for number, cells in rows:
        if number > _HEADER_ROWS:
            break
        known = {_plain(cell): place for place, cell in reversed(list(enumerate(cells))) if isinstance(cell, str)}
        spelled = {name: [s for s in map(_plain, headers) if s in known] for name, headers in form.columns.items()}
        places = {name: known[spellings[0]] for name, spellings in spelled.items() if spellings}
        if len(places) > len(best[1]):
            best = number, places
    return best if best[1] else None


def _refuse_doubles(path: Path, title: str, header: Sequence[Any], places: Mapping[str, int], form: SheetForm) -> None:
    """Refuse a header in which several cells could be one of the columns; the first spelling of a form is preferred."""
    from openpyxl.utils import get_column_letter

    for name in places:
        first, *others = map(_plain, form.columns[name])
        spelled = [_plain(cell) if isinstance(cell, str) else "" for cell in header]
        found = [place for place, cell in enumerate(spelled) if cell == first]
        found = found or [place for place, cell in enumerate(spelled) if cell in others]
        if len(found) > 1:
            cells = [f"{str(header[place]).strip()} (column {get_column_letter(place + 1)})" for place in found]
            raise DataError(f"{path}, {title}: {listed(cells)} could all be the column {name}: rename all but one")


def _unread(header: Sequence[Any], others: Sequence[str], form: SheetForm) -> Iterator[str]:
    """Name what is not read of a file."""
    known = {_plain(spelled) for headers in form.columns.values() for spelled in headers}
    if headers := [str(cell).strip() for cell in header if str(cell or "").strip() and _plain(cell) not in known]:
        yield f"columns of other names: {listed(headers, 10)}"
    if others:
        yield f"other sheets with these columns: {listed(others, 5)}"


def _lacking(places: Collection[str], form: SheetForm) -> str:
    lacking = [name for name in form.columns if name not in places and name not in form.optional]
    return listed(form.columns[name][0] for name in lacking) if lacking else ""


def _no_header(path: Path, grids: Any, found: Any, form: SheetForm) -> str:
    """Name the columns that the most similar sheet lacks."""
    if form.headless:
        return f"{path} has no sheet {form.headless}, only {listed(title for title, _ in grids)}: is it the right file?"
    if not found:
        return (
            f"{path}: none of the first {_HEADER_ROWS} rows of its sheets ({listed(title for title, _ in grids)}) "
            f"names the columns {_lacking((), form)}; is it the annotation sheet?"
        )
    title, rows, (number, places) = max(found, key=lambda each: len(each[2][1]))
    there = listed([str(cell).strip() for cell in dict(rows)[number] if cell is not None], most=20)
    return f"{path}, {title}: the header on row {number} lacks the columns {_lacking(places, form)}; it has {there}"


def _value(cell: object, is_number: bool) -> str | int | None:
    """Read a cell as text or as a frame number; None for a missing one."""
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else "" if cell is None else str(cell)
    text = " ".join(text.split())
    if text in ("", "/"):
        return None
    if is_number and re.fullmatch(r"[0-9]{1,12}(\.0*)?", text):
        return int(text.partition(".")[0])
    return text


def _plain(name: object) -> str:
    return re.sub(r"[\W_]", "", str(name)).lower()


def _refuse_formulas(sheet: Sheet, places: Mapping[str, int]) -> None:
    """Refuse missing cells that are formulas whose values the writing program did not store."""
    missing = sheet.rows[list(places)].isna()
    if not _head(sheet.path).startswith(b"PK") or not missing.any(axis=None):
        return  # an .xls always stores values
    rows = dict(dict(_xlsx(sheet.path, stored_values=False))[sheet.title])
    for number in missing.index.tolist():
        for name in missing.columns[missing.loc[number]]:
            cell = rows[number][places[name]]
            if cell is not None and str(getattr(cell, "text", cell)).startswith("="):
                raise DataError(
                    f"{sheet.path}, {sheet.title}: cell {sheet.letters[name]}{number} holds a formula without a stored "
                    "value; open the file in a spreadsheet program and save it"
                )
