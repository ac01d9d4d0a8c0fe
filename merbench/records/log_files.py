"""Files of predictions as people have them: any encoding, separator and column names; read as tables of words.

Nothing is interpreted here: :mod:`merbench.records.logs` compares the words with the protocol.
"""

import codecs
import csv
import io
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import DataError, listed
from merbench.contracts.notes import Note

CSV_COLUMNS = [*IDENTITY, "truth", "predicted"]

#: Column -> other names that scripts give it, without blanks and signs.
_OTHERS = {
    "dataset": ("database", "db"),
    "subject": ("sub", "subj", "subjectid", "participant", "person"),
    "clip": ("clipid", "clipname", "file", "filename", "video", "videoid", "videoname", "sample"),
    "truth": (
        "label", "labels", "class", "true", "truelabel", "trueclass", "ytrue", "gt", "gtlabel", "groundtruth", "target",
        "actual",
    ),
    "predicted": (
        "prediction", "predictions", "pred", "preds", "predict", "ypred", "predlabel", "predictedlabel",
        "predictedclass",
    ),
    "epoch": ("epochs",),
}  # fmt: skip
_KNOWN = {other: name for name, others in _OTHERS.items() for other in (name, *others)}

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
#: A larger file, or a longer line or cell, is not a log.
_LARGEST, _LONGEST_LINE, _LONGEST = 256 << 20, 10_000, 300
_SEPARATORS = (",", ";", "\t", "|", None)
_ENDINGS = (".csv", ".txt", ".tsv", ".log", ".parquet")

Line = tuple[int, str]
#: The words of a file, columns named as in `CSV_COLUMNS`, ``epoch`` and others, with the ``place`` of each row.
Words = tuple[pd.DataFrame, list[Note]]


def read_words(path: Path, named: Callable[[str], str]) -> Words:
    """Read a log: a CSV, the challenge's format, our ``predictions.parquet``, or a folder of one file a person.

    ``named(word)`` returns the one name of a database, or raises a DataError for a word that is not one: a database
    begins a fold in the challenge's format. Raises DataError for anything that is not such a file; names the line.
    """
    if not path.is_dir():
        return _read_file(path, named)
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and not file.name.startswith(".")
    )
    if not files:
        raise DataError(f"{path} has no file that ends in {listed(_ENDINGS)}: give a log, or a folder of logs")
    tables, notes = [], []
    for file in files:
        table, said = _read_file(file, named)
        if "subject" not in table.columns:
            table["subject"] = file.stem
        if "dataset" not in table.columns and file.parent != path:
            table["dataset"] = file.parent.name
        tables.append(table)
        notes += said
    several = [Note("note", f"read from {len(files)} files")]
    return pd.concat(tables, ignore_index=True).fillna(""), several + notes


def _read_file(path: Path, named: Callable[[str], str]) -> Words:
    content = _content(path)
    if content[:4] == b"PAR1":
        return _from_parquet(content, path), []
    lines, notes = _lines(_text(content, path), path)
    if not lines:
        return pd.DataFrame(columns=[*CSV_COLUMNS, "place"], dtype=str), notes
    found = _header(lines)
    if found is None:
        return _from_challenge(lines, path, named), notes
    (number, _), separator, columns = found
    if number != lines[0][0]:
        raise DataError(
            f"{path}, line {lines[0][0]}: {_short(lines[0][1])!r} precedes the column names of line {number}: remove it"
        )
    return _from_csv(lines, separator, columns, path), notes


def _content(path: Path) -> bytes:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DataError(f"{path} can't be read: it is a pipe or a device; save the log as a file")
        if facts.st_size > _LARGEST:
            raise DataError(f"{path} has {facts.st_size >> 20} MiB, a log has at most {_LARGEST >> 20}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def _text(content: bytes, path: Path) -> str:
    """Decode UTF-8 or UTF-16, with or without a mark, GBK or Windows' Latin alphabet."""
    if content[:4] == b"PK\3\4":
        raise DataError(f"{path} can't be read: it is a workbook or an archive; save the sheet as CSV")
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    zeros = [content[side:4000:2].count(0) for side in (0, 1)]
    half = len(content[:4000]) // 2
    if marked:
        encodings: tuple[str, ...] = (marked,)
    elif max(zeros) > 0.7 * half and min(zeros) < 0.1 * half:
        encodings = ("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le",)
    else:
        encodings = ("utf-8", "gb18030", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.lstrip()[:1] in ("{", "["):
            raise DataError(f"{path} can't be read: it is JSON or a printed list; write a CSV")
        text = re.sub(r"^\ufeff", "", text, flags=re.MULTILINE)  # of files that were joined
        if not re.search("[\0\ufffe\ufeff]", text):
            return text
    raise DataError(f"{path} can't be read: it is not text")


def _lines(text: str, path: Path) -> tuple[list[Line], list[Note]]:
    """Return the lines that are neither blank nor a comment, with their numbers, and a note on the comments."""
    every = list(enumerate(re.split(r"\r\n|\r|\n", text), start=1))
    written = [(number, line) for number, line in every if line.strip()]
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


def _cells(text: str, separator: str | None) -> list[str]:
    if separator is None:
        return text.split()
    return next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])


def _columns_of(text: str) -> tuple[str | None, list[str]] | None:
    """Return separator and names of the columns, if a line names at least two that are known."""
    best: tuple[int, str | None, list[str]] = (1, None, [])
    for separator in _SEPARATORS:
        try:
            cells = _cells(text.lstrip("#% "), separator)
        except csv.Error:
            continue
        columns = _named(cells)
        found = len(set(_OTHERS) & set(columns))
        if text.lstrip()[:1] in "#%" and found < max(3, 0.6 * len(columns)):  # words in a comment
            continue
        best = max(best, (found, separator, columns), key=lambda found: found[0])
    return best[1:] if best[2] else None


def _named(cells: Sequence[str]) -> list[str]:
    """Return columns by their one name, in lower case; another name counts where the one is not there."""
    lower = [cell.strip().lower() for cell in cells]
    known = [_KNOWN.get(re.sub(r"[\s_-]", "", cell), cell) for cell in lower]
    columns = [cell if name in lower else name for cell, name in zip(lower, known, strict=True)]
    return ["" if column == "place" else column for column in columns]


def _header(lines: Sequence[Line]) -> tuple[Line, str | None, list[str]] | None:
    """Find the line that names the columns, among the first."""
    for line in lines[:20]:
        if found := _columns_of(line[1]):
            return line, *found
    return None


def _from_csv(lines: Sequence[Line], separator: str | None, columns: list[str], path: Path) -> pd.DataFrame:
    twice = [name for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}, line {lines[0][0]} names the column {listed(twice)} twice")
    rows = []
    for number, cells in _split(lines[1:], separator, path):
        if not any(cells) or _named(cells) == columns:  # the header again, of files that were joined
            continue
        if len(cells) != len(columns):
            found = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            names = ",".join(columns)
            raise DataError(f"{path}, line {number} has {found}, expected {len(columns)}: {_short(names)}")
        rows.append([*cells, f"{path}, line {number}"])
    return _checked(pd.DataFrame(rows, columns=[*columns, "place"], dtype=str))


def _split(lines: Sequence[Line], separator: str | None, path: Path) -> Iterator[tuple[int, list[str]]]:
    if separator is None:
        yield from ((number, text.split()) for number, text in lines)
        return
    reader = csv.reader((text + "\n" for _, text in lines), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            yield lines[reader.line_num - 1][0], [cell.strip() for cell in cells]
    except csv.Error as error:
        where = lines[min(reader.line_num, len(lines) - 1)][0]
        raise DataError(f"{path}, line {where} can't be read as CSV: {error}") from error


def _from_challenge(lines: Sequence[Line], path: Path, named: Callable[[str], str]) -> pd.DataFrame:
    """Read ``<dataset> <subject>``, and below it ``<clip> <truth> <prediction>``, or ``<clip> <prediction>``."""
    split = _challenge_split(lines)
    rows: list[list[str]] = []
    fold: list[str] | None = None
    for number, text in lines:
        cells, where = split(text), f"{path}, line {number}"
        if len(cells) == 3 and not _unknown(" ".join(cells[:2]), named):
            cells = [" ".join(cells[:2]), cells[2]]
        unknown = _unknown(cells[0], named) if len(cells) == 2 else ""
        if len(cells) == 2 and not (unknown and fold and re.fullmatch(r"-?[0-9]{1,2}(\.0+)?", cells[1])):
            if unknown:
                raise DataError(f"{where}: {unknown}")
            fold = cells
        elif fold is not None and len(cells) in (2, 3):
            rows.append([*fold, cells[0], cells[1] if len(cells) == 3 else "", cells[-1], where])
        elif fold is None and max(len(_cells(text[:_LONGEST], each)) for each in _SEPARATORS[:-1]) > 2:
            columns = ",".join(CSV_COLUMNS)
            raise DataError(f"{where}: expected column names, such as {columns}, found {_short(text.strip())!r}")
        else:
            one, two = "'<dataset> <subject>'", "'<clip> <truth> <prediction>'"
            expected = one if fold is None else f"{two} or {one}"
            raise DataError(f"{where}: expected {expected}, found {_short(text.strip())!r}")
    table = _checked(pd.DataFrame(rows, columns=[*CSV_COLUMNS, "place"], dtype=str))
    return table if table.truth.any() else table.drop(columns="truth")


def _unknown(word: str, named: Callable[[str], str]) -> str:
    """Say why a word does not name a database; empty if it does."""
    try:
        named(word)
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


def words_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a data frame of predictions as words, as :func:`read_words` does."""
    if set(_named([str(level) for level in table.index.names])) & set(CSV_COLUMNS):
        table = table.reset_index()
    found = table.set_axis(_named([str(column) for column in table.columns]), axis=1)
    twice = [column for column in CSV_COLUMNS if list(found.columns).count(column) > 1]
    if twice:
        raise DataError(f"{name} names the column {listed(twice)} twice")
    found = found.map(lambda value: "" if pd.isna(value) else str(value).strip())
    return found.assign(place=[f"{name}, row {number}" for number in range(1, len(found) + 1)])


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
