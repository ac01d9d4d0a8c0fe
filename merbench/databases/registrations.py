"""Which databases this machine has, and where: ``databases.json`` in ``MERBENCH_HOME``."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from merbench.contracts.databases import MANIFEST, Source
from merbench.contracts.errors import DataError, MerbenchError, blaming, suggestion
from merbench.databases import DATABASES


class Registration(BaseModel):
    """Where a copy of a database lies, and how it is to be read.

    Attributes
    ----------
    folder : Path
        Absolute.
    corrections : bool
        Whether known errors of its annotation sheet are mended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    corrections: bool = True

    @model_validator(mode="before")
    @classmethod
    def _folder_alone(cls, value: Any) -> Any:
        return {"folder": value} if isinstance(value, str) else value  # all that earlier versions wrote


_FILE = TypeAdapter(dict[str, Registration])


def home() -> Path:
    """Return the folder of registrations, fetched data and the store: ``MERBENCH_HOME``, or the user's data folder."""
    return Path(os.environ.get("MERBENCH_HOME") or user_data_dir("merbench"))


def registered() -> dict[str, Registration]:
    """Return the registration of every registered database, by name.

    Raises
    ------
    MerbenchError
        The file is damaged; says which.
    """
    path = home() / "databases.json"
    if not path.exists():
        return {}
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise MerbenchError(f"{path} is damaged ({what}): delete it and add your databases again") from error


def register(name: str, folder: Path, corrections: bool = True) -> Source:
    """Read the copy of database `name` in `folder` and remember where it is; returns what was read.

    Raises
    ------
    MerbenchError
        Unknown name, no such folder, or not a whole copy: nothing is remembered then.
    """
    source = open_source(name, folder, corrections)
    _change(name, Registration(folder=source.folder, corrections=corrections))
    return source


def _change(name: str, entry: Registration | None) -> dict[str, Registration]:
    """Set or remove an entry, as the only process to do so; returns what was there before."""
    path = home() / "databases.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            before = registered()
            after = {known: other for known, other in before.items() if known != name}
            after |= {name: entry} if entry is not None else {}
            content = {known: other.model_dump(mode="json") for known, other in after.items()}
            draft = path.with_suffix(".tmp")
            draft.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            draft.replace(path)
    except OSError as error:
        raise MerbenchError(
            f"{path} can't be written ({error.strerror or error}): set MERBENCH_HOME to a folder of yours"
        ) from error
    return before


def open_source(name: str, folder: Path, corrections: bool = True) -> Source:
    """Read the copy of database `name` that lies in `folder`, registered or not.

    Raises
    ------
    UnknownNameError
        No database has this name.
    DataError
        The folder is missing, or not a whole copy.
    """
    database = DATABASES.get(name)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder that holds your copy of {name}")
    folder = folder.resolve()  # names of folders mean something, which "." and links would hide
    made = [place for place in (folder, *folder.parents) if (place / MANIFEST).exists()]
    if made and not database.card.synthetic:
        raise DataError(f"{folder} belongs to a synthetic stand-in, not to {name}: use it with --data {made[-1]}")
    with blaming(f"reading {folder} as {name}"):
        reading = database.read(folder, corrections)
    strange = sorted(set(reading.clips.dataset) - set(database.card.datasets))
    if strange:
        raise DataError(f"{folder}: {name} gave clips of {', '.join(strange)}, which are not on its card")
    return Source(database, folder, reading)


def open_registered(name: str) -> Source:
    """Read the registered copy of database `name`.

    Raises
    ------
    MerbenchError
        Unknown, or known but not registered: says how to.
    """
    known = registered()
    card = DATABASES.get(name).card
    if name not in known:
        raise MerbenchError(f"database {name!r} is not registered here: {card.commands}")
    entry = known[name]
    if not entry.folder.is_dir():
        raise DataError(f"{name} is registered in {entry.folder}, which is not there: mount it, or {card.commands}")
    return open_source(name, entry.folder, entry.corrections)


def unregister(name: str) -> Path:
    """Forget where database `name` is; nothing of it is removed from the disk. Returns the folder.

    Raises
    ------
    MerbenchError
        It is not registered.
    """
    if name not in registered():
        raise MerbenchError(f"database {name!r} is not registered here{suggestion(name, registered())}")
    return _change(name, None)[name].folder


def recognise(folder: Path) -> str:
    """Return the name of the database that `folder` is a copy of.

    Raises
    ------
    DataError
        None of the databases, or several, know the folder for theirs.
    """
    databases, _ = DATABASES.load_all()
    found = []
    for name, database in databases.items():
        with blaming(f"asking {name} whether it knows {folder}"):
            found += [name] if database.recognises(folder) else []
    held = {name: set(databases[name].card.datasets) for name in found}
    # The parts of a stand-in look like copies of the databases that it stands in for.
    whole = [name for name in found if all(held[name] >= other for other in held.values())]
    if len(whole) != 1:
        what = f"several databases ({', '.join(found)})" if found else "none of the known databases"
        raise DataError(f"{folder} looks like {what}: use merbench data add NAME PATH{suggestion('', databases)}")
    return whole[0]
