"""Databases on disk: one file each, from folders and annotation sheet to the clip table."""

from merbench.contracts.databases import Database, DatabaseCard
from merbench.contracts.errors import MerbenchError
from merbench.contracts.registry import Entry, Registry

_BUILTIN = {
    "megc2019-flow28": "merbench.databases.megc2019_flow28:DATABASE",
}


def _database(entry: Entry, found: object) -> Database:
    if not isinstance(found, Database) or not isinstance(found.card, DatabaseCard):
        raise MerbenchError(f"database {entry.name!r} of {entry.origin}: {entry.target} lacks card, recognises or read")
    if found.card.name != entry.name:
        raise MerbenchError(f"database {entry.name!r} of {entry.origin} calls itself {found.card.name!r}")
    return found


DATABASES: Registry[Database] = Registry("database", "merbench.databases", _BUILTIN.copy, _database)
