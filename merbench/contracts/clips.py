"""The clip table: one row a clip, whatever database it comes from.

A clip is identified by ``(dataset, subject, clip)``, all text, normalised once by the database's reader: ``06``,
``006`` and ``s06`` of three databases are three subjects. Tables are joined by identity, never by position.
"""

from collections.abc import Iterator

import pandas as pd

from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, listed

IDENTITY = ["dataset", "subject", "clip"]

#: Column -> what it holds. Frame numbers are the database's own counters; a missing value is ``None`` or NaN.
CLIP_COLUMNS = {
    "dataset": "database, normalised: casme2, samm, smic-hs",
    "subject": "subject within the database, normalised: sub01, 006, s03",
    "clip": "clip within the subject: EP02_01f, 006_1_2, s03_ne_01",
    "emotion": "the database's own emotion word, lower case; a release may know only a protocol's class",
    "onset": "first frame of the movement",
    "apex": "frame of the strongest movement",
    "offset": "last frame of the movement",
    "fps": "frames a second",
    "aus": "action units: number, side, intensity and alternatives, or None if not annotated",
    "objective_class": "objective class I to VII of Davison et al. 2018, from the sheet",
    "path": "folder of the clip's frames, or its image, relative to the database's folder",
    "apex_source": "annotated | midpoint | corrected | estimated",
}
_APEX_SOURCES = ("annotated", "midpoint", "corrected", "estimated")


def clip_name(row: object) -> str:
    """Name a clip in messages: ``casme2/sub01/EP02_01f``; `row` has the identity columns as attributes."""
    return "/".join(str(getattr(row, column)) for column in IDENTITY)


def clip_names(table: pd.DataFrame) -> list[str]:
    """Name every clip of a table that has the identity columns, in the table's order."""
    return ["/".join(map(str, names)) for names in zip(*(table[column] for column in IDENTITY), strict=True)]


def clip_table(rows: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Validate rows as a clip table: the columns of `CLIP_COLUMNS` in that order, sorted by identity, index fresh.

    Columns other than those of the identity may be absent: they are filled with missing values. `origin` names the
    source in error lines: a file, a database. DataError names the rows for unknown columns, identities that are empty
    or not text, duplicates, frame numbers that are invalid or not in order, a frame rate that is not above 0, an
    emotion that is not text, an unknown apex source.
    """
    unknown = sorted(set(rows.columns) - set(CLIP_COLUMNS))
    if unknown:
        raise DataError(f"{origin}: the clip table has unknown columns {listed(unknown)}")
    missing = [column for column in IDENTITY if column not in rows.columns]
    if missing:
        raise DataError(f"{origin}: the clip table lacks the columns {listed(missing)}")
    if rows.empty:
        raise DataError(f"{origin}: no clips were found")
    identity = rows[IDENTITY]
    bad = ~identity.map(lambda value: _is_text(value) and value.isprintable()).all(axis=1)
    if bad.any():
        places = listed(rows.index[bad].tolist())
        raise DataError(f"{origin}: dataset, subject and clip must be printable text in row {places}")
    twice = identity.duplicated(keep="first")
    if twice.any():
        raise DataError(f"{origin}: duplicate clips {listed(clip_names(rows[twice]))}")
    table = rows.reindex(columns=list(CLIP_COLUMNS)).sort_values(IDENTITY, ignore_index=True)
    for wrong, what in _wrong_values(table):
        if wrong.any():
            raise DataError(f"{origin}: {what} in {listed(clip_names(table[wrong]))}")
    return table


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _wrong_values(table: pd.DataFrame) -> Iterator[tuple["pd.Series[bool]", str]]:
    """Yield the rows that break each rule, and the rule; missing values break none."""
    for column in ("emotion", "apex_source", "objective_class", "path"):
        yield table[column].notna() & ~table[column].map(_is_text), f"{column} must be text"
    known = table.apex_source.isin(_APEX_SOURCES)
    yield table.apex_source.notna() & ~known, f"apex_source must be one of {', '.join(_APEX_SOURCES)}"
    numbers = table[["onset", "apex", "offset", "fps"]].apply(pd.to_numeric, errors="coerce")
    for column in ("onset", "apex", "offset"):
        whole = (numbers[column] >= 0) & (numbers[column] % 1 == 0)
        yield table[column].notna() & ~whole, f"{column} must be a whole frame number, not below 0,"
    yield table.fps.notna() & ~((numbers.fps > 0) & (numbers.fps < float("inf"))), "fps must be a number above 0"
    for first, second in (("onset", "apex"), ("apex", "offset"), ("onset", "offset")):
        yield numbers[first] > numbers[second], f"{first} must not be after {second}"


def clips_digest(clips: pd.DataFrame) -> str:
    """Digest the annotation of clips, all columns but the path, in identity order."""
    rows = clips.sort_values(IDENTITY)[[column for column in CLIP_COLUMNS if column != "path"]]
    return digest([[_plain(value) for value in row] for row in rows.itertuples(index=False, name=None)])


def _plain(value: object) -> str | None:
    """Write a cell as text, the same for whole numbers and for floats in a column with missing cells."""
    if value is None or value is pd.NA or value != value:  # NaN differs from itself
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
