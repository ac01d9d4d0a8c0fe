"""Lists of a published database's files: path within a copy, bytes, SHA-256, a row each, in CSV.

A list is made from a verified copy::

    python -m merbench.databases.releases.checksums FOLDER NAME… > LIST.csv

where each NAME is a file of FOLDER, or a folder with its files, without hidden ones.
"""

import csv
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from io import StringIO
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError, field_validator

from merbench.contracts.errors import DataError


class PublishedFile(BaseModel, extra="forbid", frozen=True):
    """One file of a published database; `path`, with ``/`` between folders, is never outside a copy."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _within(cls, value: str) -> str:
        parts = value.split("/")
        if not value.isprintable() or set(value) & {"\\", ":"} or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"{value!r} is not a path within a copy")
        return value

    def is_in(self, folder: Path) -> bool:
        """Return whether the copy in `folder` has this file, byte for byte."""
        path = folder / self.path
        try:
            return path.stat().st_size == self.bytes and _sha256(path) == self.sha256
        except OSError:
            return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(path: Path) -> list[PublishedFile]:
    """Read a list; DataError if it can't be read, a row is not a file of a copy, or two rows have the same path."""
    files: dict[str, PublishedFile] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for line, row in enumerate(csv.DictReader(lines), start=2):
                file = PublishedFile.model_validate(row)
                if file.path.casefold() in files:
                    raise DataError(f"{path}, line {line}: duplicate path {file.path}")
                files[file.path.casefold()] = file  # on file systems that ignore case, two names would be one file
    except ValidationError as error:
        problem = error.errors()[0]
        what = ".".join(map(str, problem["loc"]))
        raise DataError(f"{path}, line {line}: {what}: {problem['msg']}; install merbench again") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} can't be read: {error}; install merbench again") from error
    if not files:
        raise DataError(f"{path} lists no file; install merbench again")
    return list(files.values())


@cache
def published(path: Path) -> dict[str, str]:
    """Return the files of a list: path within a copy -> SHA-256; the list is read once a process."""
    return {file.path: file.sha256 for file in read_checksums(path)}


def published_count(folder: Path, places: Mapping[str, str], path: Path) -> int:
    """Count the files of a copy that are the published ones.

    `places` are paths in `folder` -> the published path of the same file; `path` is the list. DataError if a file can't
    be read.
    """
    known = published(path)
    try:
        return sum(_sha256(folder / place) == known.get(name) for place, name in places.items())
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror or error}") from error


def checksums(folder: Path, names: Iterable[str]) -> str:
    """List the files of a copy: those named, and those in the folders named; DataError if a name is not found."""
    found = []
    for name in names:
        place = folder / name
        inside = sorted(path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
        if not inside and not place.is_file():
            raise DataError(f"{place} is neither a file nor a folder with files")
        found += inside or [place]
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(PublishedFile.model_fields)
    for path in found:
        rows.writerow([path.relative_to(folder).as_posix(), path.stat().st_size, _sha256(path)])
    return text.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Print the list of ``FOLDER NAME…``; returns the exit code."""
    try:
        if len(arguments) < 2:
            raise DataError("give FOLDER NAME…, see the docstring of merbench.databases.releases.checksums")
        sys.stdout.write(checksums(Path(arguments[0]), arguments[1:]))
    except DataError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
