"""Files that are written completely or not at all, and verified by checksum when they are read."""

import io
import json
import os
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError, unwritable
from merbench.contracts.files import read_bounded
from merbench.contracts.methods import Problem
from merbench.records.model import SCHEMA_VERSION
from merbench.records.predictions import check_predictions

Model = TypeVar("Model", bound=BaseModel)
#: A larger JSON file is not one of ours, in MiB.
_LARGEST = 8
#: The same for predictions and arrays, as they are and unpacked.
_LARGEST_ARRAYS, _LARGEST_UNPACKED = 1024, 4096


class FutureSchemaError(RecordError):
    """A file written by a later merbench; a run with such a ``run.json`` is not touched."""


def now() -> str:
    """Return the time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: as a draft in the same folder, which is then renamed.

    A kill cannot leave a partial file. After a power cut a written file may be missing or empty; its checksum then
    differs and the fold is run again, which costs less than flushing the disk for every fold. Raises MerbenchError if
    the disk is full or the folder not writable; the draft is removed and the previous file kept.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> MerbenchError:
    instead = "choose another place; what is recorded so far is kept; run the same command to resume"
    return MerbenchError(unwritable(path, error, instead))


def keep_json(path: Path, content: Any) -> None:
    """Keep what can be computed again, below its checksum; a full disk or a folder that is not writable is ignored."""
    body = json.dumps(content, separators=(",", ":")).encode()
    with suppress(MerbenchError):
        write_whole(path, bytes_digest(body).encode() + b"\n" + body)


def kept_json(path: Path) -> Any:
    """Read what `keep_json` kept; None where there is nothing, or the file is damaged."""
    try:
        checksum, _, body = _bounded(path, _LARGEST_ARRAYS).partition(b"\n")
    except RecordError:
        return None
    return json.loads(body) if checksum.decode("ascii", "replace") == bytes_digest(body) else None


def remove(path: Path) -> None:
    """Remove a file if it exists; MerbenchError if it cannot be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_json(path: Path, model: type[Model]) -> Model:
    """Read one of our JSON files.

    Raises RecordError if it is missing, truncated, or has invalid fields; FutureSchemaError if a later merbench wrote
    it.
    """
    content = _bounded(path, _LARGEST)
    try:
        found, problem = model.model_validate_json(content), None
    except ValidationError as error:
        found, problem = None, error.errors(include_url=False)[0]
    version = getattr(found, "schema_version", None) if found is not None else _schema_version(content)
    if version is None:
        raise RecordError(f"{path} is truncated or not valid JSON")
    if version > SCHEMA_VERSION:
        raise FutureSchemaError(
            f"{path} has schema version {version}, this merbench reads up to {SCHEMA_VERSION}: update merbench"
        )
    if problem is not None:
        where = ".".join(str(part) for part in problem["loc"])
        raise RecordError(f"{path} is not valid: {where}: {problem['msg']}")
    assert found is not None
    return found


def _bounded(path: Path, mebibytes: int) -> bytes:
    return read_bounded(path, mebibytes << 20, "a record", RecordError)


def _schema_version(content: bytes) -> int | None:
    """Return the schema version in a JSON file; None if it is not a JSON object."""
    try:
        return int(json.loads(content)["schema_version"])
    except KeyError:
        return SCHEMA_VERSION
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Write a table as Parquet, in memory."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), buffer)
    return buffer.getvalue()


def npz_bytes(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Write arrays (without objects) as a compressed ``.npz``, in memory."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its other parameters have no slash in their names
    return buffer.getvalue()


def verified_bytes(path: Path, sha256: str) -> bytes:
    """Read a file whose checksum is in a commit mark; RecordError if it is missing or has changed since."""
    content = _bounded(path, _LARGEST_ARRAYS)
    if bytes_digest(content) != sha256:
        raise RecordError(f"{path} has changed since it was recorded: its checksum differs")
    return content


def verified_arrays(path: Path, sha256: str) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an ``.npz`` file whose checksum is in a commit mark; nothing is unpickled.

    Raises RecordError as :func:`verified_bytes`, or if it is not an ``.npz`` file.
    """
    content = verified_bytes(path, sha256)
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_UNPACKED << 20:
                raise ValueError(f"it has more than {_LARGEST_UNPACKED} MiB unpacked")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise RecordError(f"{path} is not a readable file of arrays: {error}") from error


def verified_table(path: Path, sha256: str) -> pa.Table:
    """Read a Parquet file as :func:`verified_bytes`; RecordError also if it is not a Parquet file."""
    content = verified_bytes(path, sha256)
    try:
        return pq.read_table(pa.BufferReader(content), use_threads=False)
    except (pa.ArrowException, ValueError) as error:
        raise RecordError(f"{path} is not a readable Parquet file: {error}") from error


def read_predictions(path: Path, sha256: str, problem: Problem) -> pd.DataFrame:
    """Read predictions as :func:`verified_table`; RecordError also if they are not a table of `problem`."""
    return check_predictions(verified_table(path, sha256).to_pandas(), problem, str(path))
