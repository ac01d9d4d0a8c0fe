"""The databases on this machine and their folders: ``databases.json`` in ``MERBENCH_HOME``."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_data_dir
from pydantic import BaseModel, TypeAdapter, ValidationError, model_validator

from merbench.contracts.databases import MANIFEST, Database, Source
from merbench.contracts.errors import DataError, MerbenchError, blaming, listed, suggestion
from merbench.databases import DATABASES


class _Registration(BaseModel, extra="forbid", frozen=True):
    """The absolute folder of a copy of a database, and whether known errors of its annotation sheet are corrected."""

    folder: Path
    corrections: bool = True

    @model_validator(mode="before")
    @classmethod
    def _folder_alone(cls, value: Any) -> Any:
        return {"folder": value} if isinstance(value, str) else value  # the format of earlier versions


_FILE = TypeAdapter(dict[str, _Registration])


def home() -> Path:
    """Return the folder of registrations, fetched data and the store: ``MERBENCH_HOME``, or the user's data folder."""
    return Path(os.environ.get("MERBENCH_HOME") or user_data_dir("merbench")).expanduser()


def registered() -> dict[str, _Registration]:
    """Return the registration of every registered database, by name; MerbenchError if the file is damaged."""
    path = home() / "databases.json"
    if not path.exists():
        return {}
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise MerbenchError(f"{path} is damaged ({what}): delete it and add your databases again") from error


def register(name: str, folder: Path, corrections: bool = True) -> Source:
    """Read the copy of database `name` in `folder` as :func:`open_source` does, and register it if that succeeds."""
    source = open_source(name, folder, corrections)
    try:
        str(source.folder).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{str(source.folder)!a} is not a path in UTF-8: rename the folder") from error
    _change(name, _Registration(folder=source.folder, corrections=corrections))
    return source


def _change(name: str, entry: _Registration | None) -> dict[str, _Registration]:
    """Set or remove an entry under a lock; returns the entries before."""
    path = home() / "databases.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            before = registered()
            content = {known: other.model_dump(mode="json") for known, other in before.items() if known != name}
            if entry is not None:
                content[name] = entry.model_dump(mode="json")
            draft = path.with_suffix(".tmp")
            draft.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            draft.replace(path)
    except OSError as error:
        step = "set MERBENCH_HOME to a folder with write permission"
        raise MerbenchError(f"{path} can't be written ({error.strerror or error}): {step}") from error
    return before


def open_source(name: str, folder: Path, corrections: bool = True) -> Source:
    """Read the copy of database `name` in `folder`, registered or not.

    MerbenchError if no database has this name, DataError if the folder is missing or an incomplete copy.
    """
    database = DATABASES.get(name)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder that holds your copy of {name}")
    folder = folder.resolve()  # layouts are recognised by folder names, which "." and links would hide
    made = [place for place in (folder, *folder.parents) if (place / MANIFEST).exists()]
    if made and not database.card.synthetic:
        raise DataError(f"{folder} is part of a synthetic database, not of {name}: use it with --data {made[-1]}")
    with blaming(f"reading {folder} as {name}"):
        try:
            reading = database.read(folder, corrections)
        except DataError as error:
            if others := _others(database, folder):
                hint = f"it looks like a copy of {listed(others)}: merbench data add {others[0]} {folder}"
                raise DataError(f"{error}; {hint}") from error
            raise
    strange = sorted(set(reading.clips.dataset) - set(database.card.datasets))
    if strange:
        raise DataError(f"{folder}: {name} gave clips of {', '.join(strange)}, which its card does not list")
    return Source(database, folder, reading)


def _others(database: Database, folder: Path) -> list[str]:
    """Name the other databases whose copy a folder looks like, if it does not look like one of `database`."""
    with suppress(Exception):
        if not database.recognises(folder):
            return [name for name, other in DATABASES.load_all()[0].items() if other.recognises(folder)]
    return []


def open_registered(name: str) -> Source:
    """Read the registered copy of database `name`; MerbenchError if unknown, or not registered: names the command."""
    known = registered()
    card = DATABASES.get(name).card
    if name not in known:
        raise MerbenchError(f"database {name!r} is not registered here: {card.commands}")
    entry = known[name]
    if not entry.folder.is_dir():
        raise DataError(f"{name} is registered in {entry.folder}, which does not exist: mount it, or {card.commands}")
    return open_source(name, entry.folder, entry.corrections)


def unregister(name: str) -> Path:
    """Remove the registration of database `name`, not its files; returns the folder."""
    if name not in registered():
        raise MerbenchError(f"database {name!r} is not registered here{suggestion(name, registered())}")
    folder = _change(name, None)[name].folder
    (home() / "own" / f"{name}.json").unlink(missing_ok=True)  # of a database of one's own
    DATABASES.forget()
    return folder


def recognise(folder: Path) -> str:
    """Return the name of the database whose copy `folder` is; DataError if none, or several, recognise it."""
    databases, _ = DATABASES.load_all()
    found = []
    for name, database in databases.items():
        with blaming(f"recognising {folder} as {name}"):
            found += [name] if database.recognises(folder) else []
    held = {name: set(databases[name].card.datasets) for name in found}
    # The parts of a synthetic database look like copies of the real ones.
    whole = [name for name in found if all(held[name] >= other for other in held.values())]
    if len(whole) != 1:
        what = f"several databases ({', '.join(found)})" if found else "none of the known databases"
        raise DataError(f"{folder} looks like {what}: use merbench data add DATABASE PATH{suggestion('', databases)}")
    return whole[0]
