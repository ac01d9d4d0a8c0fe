"""Prediction logs: merbench's CSV, and the format of the MEGC challenge; read, scored and written.

The challenge's log has a line per fold, ``<dataset> <subject>``, and below it a line per clip, ``<clip> <truth>
<prediction>``, classes as numbers in the protocol's order. The CSV has the columns ``dataset, subject, clip, truth,
predicted``, classes by name, and may have more.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import DataError, listed
from merbench.contracts.protocols import ProtocolSpec

CSV_COLUMNS = [*IDENTITY, "truth", "predicted"]

Normalise = Callable[[str, str, str], tuple[str, str, str]]

#: Truth and prediction count as swapped if the truth differs from the list for more than this share of clips.
SWAPPED = 0.05

#: Datasets that the challenge spells differently.
_CHALLENGE_NAMES = {"smic-hs": "smic"}


@dataclass(frozen=True)
class Log:
    """A log, compared with the protocol's official list.

    `predictions` are the clips that are scored, ``dataset, subject, clip, truth, predicted``, with the log's own truth,
    and `as_listed` the same with the list's. `missing` are clips of the list without a prediction, `foreign` those not
    in the list, which are not scored, `relabelled` those whose truth differs from the list, with both.
    """

    predictions: pd.DataFrame
    missing: list[str]
    foreign: list[str]
    relabelled: list[str]
    as_listed: pd.DataFrame


def read_log(path: Path, protocol: ProtocolSpec, normalised: Normalise) -> Log:
    """Read a log in either format, and compare it with the protocol's list.

    ``normalised(dataset, subject, clip)`` returns the normalised spelling of a clip, or raises a `DataError`; see
    :func:`merbench.databases.readers.identity.normalised`. Raises DataError for a log that is unreadable or in neither
    format, an unknown class, a clip twice, no clip of the protocol, or truth and prediction swapped; names the line or
    the clips.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise DataError(f"{path} can't be read: {reason}") from error
    first = text.lstrip().split("\n", 1)[0]
    read = _from_csv if "," in first else _from_challenge
    table = read(text, path, protocol, normalised)
    if table.empty:
        raise DataError(f"{path} has no predictions")
    twice = table[IDENTITY].duplicated()
    if twice.any():
        raise DataError(f"{path} has a clip twice: {listed(clip_names(table[twice]))}")
    return _against_list(table, path, protocol)


def _from_csv(text: str, path: Path, protocol: ProtocolSpec, normalised: Normalise) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        (_, first), *lines = [(f"{path}, line {reader.line_num}", cells) for cells in reader if cells not in ([], [""])]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} can't be read as CSV: {error}") from error
    columns = [column.strip().lower() for column in first]
    lacking = [column for column in CSV_COLUMNS if column not in columns]
    if lacking:
        raise DataError(f"{path} lacks the columns {listed(lacking)}: a log needs {','.join(CSV_COLUMNS)}")
    rows = []
    for where, cells in lines:
        if len(cells) != len(columns):
            found = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            raise DataError(f"{where} has {found}, expected {len(columns)}: {','.join(columns)}")
        row = dict(zip(columns, cells, strict=True))
        truth, predicted = (_class(row[name], protocol, where) for name in CSV_COLUMNS[3:])
        rows.append((*_identity(normalised, row["dataset"], row["subject"], row["clip"], where), truth, predicted))
    return pd.DataFrame(rows, columns=CSV_COLUMNS, dtype=str)


def _from_challenge(text: str, path: Path, protocol: ProtocolSpec, normalised: Normalise) -> pd.DataFrame:
    rows, fold = [], None
    for line, content in enumerate(text.splitlines(), start=1):
        words, where = content.split(), f"{path}, line {line}"
        if len(words) == 2:
            fold = (words[0], words[1])
        elif len(words) == 3 and fold is not None:
            truth, predicted = (_class(word, protocol, where) for word in words[1:])
            rows.append((*_identity(normalised, *fold, words[0], where), truth, predicted))
        elif words:
            expected = (
                "'<dataset> <subject>'" if fold is None else "'<clip> <truth> <prediction>' or '<dataset> <subject>'"
            )
            raise DataError(f"{where}: expected {expected}, found {content.strip()!r}")
    return pd.DataFrame(rows, columns=CSV_COLUMNS, dtype=str)


def _identity(normalised: Normalise, dataset: str, subject: str, clip: str, where: str) -> tuple[str, str, str]:
    try:
        return normalised(dataset, subject, clip)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _class(word: str, protocol: ProtocolSpec, where: str) -> str:
    """Read a class by name, or by its number in the protocol's order."""
    names = protocol.classes
    if word.strip().lower() in names:
        return word.strip().lower()
    if word.strip().isdecimal() and int(word) < len(names):
        return names[int(word)]
    numbers = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    raise DataError(f"{where}: unknown class {word!r}, expected one of {numbers}")


def _against_list(table: pd.DataFrame, path: Path, protocol: ProtocolSpec) -> Log:
    official = protocol.official()
    if official is None:
        here = table.dataset.isin(list(protocol.datasets))
        found = table[here].sort_values(IDENTITY, ignore_index=True)
        if found.empty:
            raise DataError(
                f"{path} has no clip of protocol {protocol.name}, which is on {', '.join(protocol.datasets)}"
            )
        return Log(found, [], clip_names(table[~here]), [], found)
    both = official.merge(table, on=IDENTITY, how="outer", indicator=True)
    found = both[both["_merge"] == "both"].reset_index(drop=True)
    foreign, missing = both[both["_merge"] == "right_only"], both[both["_merge"] == "left_only"]
    if found.empty:
        unlisted = listed(clip_names(foreign))
        raise DataError(f"{path} has no clip of protocol {protocol.name}: the official list lacks {unlisted}")
    other = found["class"] != found.truth
    if other.mean() > SWAPPED and (found["class"] != found.predicted).mean() < SWAPPED:
        why = "its predictions are the official list's classes"
        raise DataError(f"{path} has truth and prediction swapped: {why}; swap them back")
    said = zip(clip_names(found[other]), found.truth[other], found["class"][other], strict=True)
    return Log(
        found[CSV_COLUMNS],
        clip_names(missing),
        clip_names(foreign),
        [f"{name} ({truth}, listed {listed_class})" for name, truth, listed_class in said],
        found.assign(truth=found["class"])[CSV_COLUMNS],
    )


def to_csv(predictions: pd.DataFrame) -> str:
    """Write predictions as CSV, scores included."""
    return str(predictions.sort_values(IDENTITY).to_csv(index=False, lineterminator="\n"))


def to_challenge(predictions: pd.DataFrame, classes: list[str]) -> str:
    """Write predictions in the challenge's format, one block per subject.

    Raises DataError if a name contains a space, which this format does not support.
    """
    blank = predictions[IDENTITY].apply(lambda column: column.str.contains(r"\s")).any(axis=1)
    if blank.any():
        names = listed(clip_names(predictions[blank]))
        raise DataError(f"the challenge format does not support names containing spaces ({names}): use --format csv")
    number = {name: index for index, name in enumerate(classes)}
    lines = []
    for (dataset, subject), block in predictions.sort_values(IDENTITY).groupby(["dataset", "subject"], sort=False):
        lines.append(f"{_CHALLENGE_NAMES.get(str(dataset), dataset)} {subject}")
        lines += [
            f"{clip} {number[t]} {number[p]}"
            for clip, t, p in zip(block["clip"], block.truth, block.predicted, strict=True)
        ]
    return "\n".join(lines) + "\n"
