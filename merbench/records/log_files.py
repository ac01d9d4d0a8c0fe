"""Files of predictions as people have them: any encoding, separator and column names; read as tables of words.

Nothing is interpreted here: :mod:`merbench.records.logs` compares the words with the protocol.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from merbench.contracts.errors import DataError, listed
from merbench.contracts.files import read_bounded
from merbench.contracts.notes import Note
from merbench.contracts.texts import old_encodings
from merbench.records.log_columns import CSV_COLUMNS, KNOWN, check_each_once, named, words_of

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: How files begin that are not text, and what they are.
_NOT_TEXT = {
    b"PK\3\4": "a workbook or an archive; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"\x93NUMPY": "an array of NumPy; write a CSV",
    **{b"\x80%c" % version: "a pickle of Python; write a CSV" for version in range(2, 6)},
}
#: A larger file, or a longer line or cell, is not a log.
_LARGEST, _LONGEST_LINE, _LONGEST = 256 << 20, 10_000, 300
_QUOTED = re.compile("^'(.*)'$|^'(?=[=+@\uff1d\uff0b\uff0d\uff20-])")
_SEPARATORS = (",", ";", "\t", "|", None)
_ENDINGS = (".csv", ".txt", ".tsv", ".log", ".parquet")

Line = tuple[int, str]
#: The words of a file, columns named as in `CSV_COLUMNS`, ``epoch`` and others, with the ``place`` of each row.
Words = tuple[pd.DataFrame, list[Note]]


def read_words(path: Path, one_name: Callable[[str], str]) -> Words:
    """Read a log: a CSV, the challenge's format, our ``predictions.parquet``, or a folder of one file a person.

    ``one_name(word)`` returns the one name of a database, or raises a DataError for a word that is not one: a database
    begins a fold in the challenge's format. Raises DataError for anything that is not such a file; names the line.
    """
    if not path.is_dir():
        return _read_file(path, one_name)
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"{path} has no file that ends in {listed(_ENDINGS)}: give a log, or a folder of logs")
    tables, notes, others = [], [], {}
    for file in files:
        try:
            table, said = _read_file(file, one_name)
            if len(table) and not {"clip", "predicted"} & set(table.columns):
                raise _NotALogError(f"{file} has neither clips nor predictions")
        except _NotALogError as error:
            others[file] = error
            continue
        dataset, subject = _of_name(file, path, one_name)
        table["stem"] = subject
        if "dataset" not in table.columns and dataset:
            table["dataset"] = dataset
        tables.append(table)
        notes += said
    if len(others) >= len(tables):
        raise next(iter(others.values()))
    several = [Note("note", f"read from {len(tables)} files")]
    if others:
        several.append(Note("warning", f"skipped, not a log: {listed(str(file.relative_to(path)) for file in others)}"))
    return pd.concat(tables, ignore_index=True).fillna(""), several + notes


class _NotALogError(DataError):
    """A file whose first line is of no log, such as a summary."""


def _of_name(file: Path, folder: Path, one_name: Callable[[str], str]) -> tuple[str, str]:
    """Return dataset and subject: of ``casme2_sub01.csv``, ``casme2/sub01.csv`` or ``casme2/sub01/log.csv``."""
    inner, outer = [*(each.name for each in file.relative_to(folder).parents), ""][:2]
    if outer and _unknown(inner, one_name) and not _unknown(outer, one_name):
        return outer, inner
    cuts = [cut.start() for cut in re.finditer(r"[_. -]", file.stem)]
    for cut in reversed(cuts):
        if not _unknown(file.stem[:cut], one_name):
            return file.stem[:cut], file.stem[cut + 1 :]
    return file.parent.name if file.parent != folder else "", file.stem


def _read_file(path: Path, one_name: Callable[[str], str]) -> Words:
    content = _content(path)
    if content[:4] == b"PAR1":
        return _from_parquet(content, path), []
    lines, notes = _lines(_text(content, path), path)
    if not lines:
        return pd.DataFrame(columns=[*CSV_COLUMNS, "place"], dtype=str), notes
    found = _header(lines)
    if found is None:
        return _from_challenge(lines, path, one_name), notes
    (number, _), separator, columns = found
    if number != lines[0][0]:
        raise DataError(
            f"{path}, line {lines[0][0]}: {_short(lines[0][1])!r} precedes the column names of line {number}: remove it"
        )
    return _from_csv(lines, separator, columns, path), notes


def _content(path: Path) -> bytes:
    try:
        content = read_bounded(path, _LARGEST, "a log", DataError)
        if content[:2] != b"\x1f\x8b":
            return content
        with gzip.open(io.BytesIO(content)) as packed:
            content = packed.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise DataError(f"{path} has more than {_LARGEST >> 20} MiB unpacked: it is not a log")
        return content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error


def _text(content: bytes, path: Path) -> str:
    """Decode UTF-8 or UTF-16, with or without a mark, GBK or Windows' Latin alphabet."""
    if found := next((what for begin, what in _NOT_TEXT.items() if content.startswith(begin)), ""):
        raise DataError(f"{path} can't be read: it is {found}")
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    zeros = [content[side:4000:2].count(0) for side in (0, 1)]
    half = len(content[:4000]) // 2
    if marked:
        encodings: tuple[str, ...] = (marked,)
    elif max(zeros) > 0.7 * half and min(zeros) < 0.1 * half:
        encodings = ("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le",)
    else:
        encodings = ("utf-8", *old_encodings(content))
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.lstrip()[:1] in ("{", "["):
            raise DataError(f"{path} can't be read: it is JSON or a printed list; write a CSV")
        text = re.sub("[\ufeff\u200b]", "", text)  # marks of files that were joined, and blanks of no width
        if not re.search("[\0\ufffe]", text):
            return text
    raise DataError(f"{path} can't be read: it is not text")


def _lines(text: str, path: Path) -> tuple[list[Line], list[Note]]:
    """Return the lines that are neither blank nor a comment, with their numbers, and a note on the comments."""
    every = list(enumerate(re.split(r"\r\n|\r|\n", text), start=1))
    written = [(number, line) for number, line in every if line.strip() and not _drawn(line)]
    for number, line in written:
        if len(line) > _LONGEST_LINE:
            raise DataError(f"{path}, line {number} has {len(line)} characters: it is not a log")
    comments = [line for line in written if line[1].lstrip()[0] in "#%" and not _columns_of(line[1])]
    written = written[1:] if written and re.fullmatch(r"sep=.", written[0][1].strip()) else written  # of Excel
    if not comments:
        return written, []
    number, line = comments[0]
    more = f", and {len(comments) - 1} more" if len(comments) > 1 else ""
    note = Note("note", f"comments are skipped: {path.name}, line {number}, {_short(line.strip())!r}{more}")
    skipped = {number for number, _ in comments}
    return [line for line in written if line[0] not in skipped], [note]


def _drawn(line: str) -> bool:
    """Say whether a line only divides a table."""
    return not line.strip("|+:=- \t") and ("---" in line or "===" in line)


def _cells(text: str, separator: str | None) -> list[str]:
    if separator is None and '"' not in text:
        return text.split()
    text = " ".join(text.split()) if separator is None else text
    return next(csv.reader([text], delimiter=separator or " ", skipinitialspace=True), [])


def _columns_of(text: str) -> tuple[str | None, list[str]] | None:
    """Return separator and names of the columns, if a line names at least two that are known."""
    best: tuple[int, str | None, list[str]] = (1, None, [])
    for separator in _SEPARATORS:
        try:
            cells = _cells(text.lstrip("#% "), separator)
        except csv.Error:
            continue
        columns = named(cells)
        found = len(set(KNOWN.values()) & set(columns))
        if text.lstrip()[:1] in "#%" and found < max(3, 0.6 * len(columns)):  # words in a comment
            continue
        best = max(best, (found, separator, columns), key=lambda found: found[0])
    return best[1:] if best[2] else None


def _header(lines: Sequence[Line]) -> tuple[Line, str | None, list[str]] | None:
    """Find the line that names the columns, among the first."""
    for line in lines[:20]:
        if found := _columns_of(line[1]):
            return line, *found
    return None


def _from_csv(lines: Sequence[Line], separator: str | None, columns: list[str], path: Path) -> pd.DataFrame:
    check_each_once(columns, f"{path}, line {lines[0][0]}", _cells(lines[0][1].lstrip("#% "), separator))
    written = [(number, cells) for number, cells in _split(lines[1:], separator, path) if any(cells)]
    if written and all(len(cells) == len(columns) + 1 and cells[0].isdecimal() for _, cells in written):
        columns = ["", *columns]  # R and pandas number the rows, and give this column no name
    if "clip" not in columns and columns.count("") == 1:  # the index of a data frame
        index = columns.index("")
        if not all(cells[index : index + 1] and cells[index].isdecimal() for _, cells in written):
            columns = [name or "clip" for name in columns]
    rows = []
    for number, cells in written:
        if named(cells) == columns:  # the header again, of files that were joined
            continue
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            found = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            names = ",".join(columns)
            raise DataError(f"{path}, line {number} has {found}, expected {len(columns)}: {_short(names)}")
        rows.append([*cells[: len(columns)], f"{path}, line {number}"])
    table = pd.DataFrame(rows, columns=[*columns, "place"], dtype=str)
    return _checked(table.loc[:, [bool(column) for column in table.columns]])


def _split(lines: Sequence[Line], separator: str | None, path: Path) -> Iterator[tuple[int, list[str]]]:
    if separator is None:
        yield from ((number, _cells(text, separator)) for number, text in lines)
        return
    reader = csv.reader((text + "\n" for _, text in lines), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            yield lines[reader.line_num - 1][0], [_QUOTED.sub(r"\1", cell.strip()) for cell in cells]
    except csv.Error as error:
        where = lines[min(reader.line_num, len(lines) - 1)][0]
        raise DataError(f"{path}, line {where} can't be read as CSV: {error}") from error


def _from_challenge(lines: Sequence[Line], path: Path, one_name: Callable[[str], str]) -> pd.DataFrame:
    """Read ``<dataset> <subject>``, and below it ``<clip> <truth> <prediction>``, or ``<clip> <prediction>``."""
    split = _challenge_split(lines)
    rows: list[list[str]] = []
    fold: list[str] | None = None
    for number, text in lines:
        cells, where = split(text), f"{path}, line {number}"
        if len(cells) == 3 and not _unknown(" ".join(cells[:2]), one_name):
            cells = [" ".join(cells[:2]), cells[2]]
        unknown = _unknown(cells[0], one_name) if len(cells) == 2 else ""
        if len(cells) == 2 and not (unknown and fold and re.fullmatch(r"-?[0-9]{1,2}(\.0+)?", cells[1])):
            if unknown and fold is None and re.search("[,;\t]", text):
                raise _no_columns(where, text)
            if unknown:
                raise (DataError if rows or fold else _NotALogError)(f"{where}: {unknown}")
            fold = cells
        elif fold is not None and len(cells) in (2, 3):
            rows.append([*fold, cells[0], cells[1] if len(cells) == 3 else "", cells[-1], where])
        elif fold is None and max(len(_cells(text[:_LONGEST], each)) for each in _SEPARATORS[:-1]) > 2:
            raise _no_columns(where, text)
        else:
            one, two = "'<dataset> <subject>'", "'<clip> <truth> <prediction>'"
            expected = one if fold is None else f"{two} or {one}"
            error = _NotALogError if fold is None else DataError
            raise error(f"{where}: expected {expected}, found {_short(text.strip())!r}")
    table = _checked(pd.DataFrame(rows, columns=[*CSV_COLUMNS, "place"], dtype=str))
    return table if table.truth.any() else table.drop(columns="truth")


def _no_columns(where: str, text: str) -> DataError:
    columns = ",".join(CSV_COLUMNS)
    return _NotALogError(f"{where}: expected column names, such as {columns}, found {_short(text.strip())!r}")


def _unknown(word: str, one_name: Callable[[str], str]) -> str:
    """Say why a word does not name a database; empty if it does."""
    try:
        one_name(word)
    except DataError as error:
        return str(error)
    return ""


def _challenge_split(lines: Sequence[Line]) -> Callable[[str], list[str]]:
    """Return what splits a line at the separator that most lines fit: blanks, else a comma, semicolon or tab."""

    def by(separator: str | None) -> Callable[[str], list[str]]:
        return lambda text: [cell.strip() for cell in text.rstrip(separator).split(separator)]

    def fit(split: Callable[[str], list[str]]) -> int:
        found = [split(text[:_LONGEST]) for _, text in lines[:1000]]
        if len(found[0]) != 2:
            return 0
        return sum(len(cells) in (2, 3) and not any(cell[-1:] in ("", ",", ";") for cell in cells) for cells in found)

    return max((by(separator) for separator in (None, "\t", ",", ";")), key=fit)


def _from_parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}") from error
    return words_of(table, str(path))


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    """Refuse a cell that is too long to be a name or a number."""
    for column in table.columns[:-1]:
        long = table[column].str.len() > _LONGEST
        if long.any():
            row = table[long].iloc[0]
            raise DataError(f"{row.place}: {column or 'a cell'} has {len(row[column])} characters: it is not a log")
    return table


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
