"""Databases on disk: readers from folders and annotation sheets to clip tables, releases, registrations."""

from merbench.contracts.databases import Database, DatabaseCard, FrameDatabase, Release
from merbench.contracts.errors import MerbenchError
from merbench.contracts.registry import Entry, Registry

_BUILTIN = {
    "4dme": "merbench.databases.readers.fourdme:DATABASE",
    "cas-me-2": "merbench.databases.readers.cas_me_2:DATABASE",
    "casme": "merbench.databases.readers.casme:DATABASE",
    "casme2": "merbench.databases.readers.casme2:DATABASE",
    "casme3": "merbench.databases.readers.casme3:DATABASE",
    "casme3-c": "merbench.databases.readers.casme3_c:DATABASE",
    "casme3-macro": "merbench.databases.readers.casme3_macro:DATABASE",
    "dfme": "merbench.databases.readers.dfme:DATABASE",
    "megc2019-flow28": "merbench.databases.releases.megc2019_flow28:DATABASE",
    "megc2019-flow4x28": "merbench.databases.releases.megc2019_flow4x28:DATABASE",
    "mmew": "merbench.databases.readers.mmew:DATABASE",
    "mmew-macro": "merbench.databases.readers.mmew_macro:DATABASE",
    "samm": "merbench.databases.readers.samm:DATABASE",
    "samm-lv": "merbench.databases.readers.samm_lv:DATABASE",
    "smic-e-hs": "merbench.databases.readers.smic_e_hs:DATABASE",
    "smic-hs": "merbench.databases.readers.smic_hs:DATABASE",
    "smic-nir": "merbench.databases.readers.smic_nir:DATABASE",
    "smic-vis": "merbench.databases.readers.smic_vis:DATABASE",
    "synthetic-full": "merbench.synthetic.database:FULL_DATABASE",
    "synthetic-layouts": "merbench.synthetic.database:LAYOUTS_DATABASE",
    "synthetic-macro": "merbench.synthetic.macro:DATABASE",
    "synthetic-small": "merbench.synthetic.database:SMALL_DATABASE",
}


def _database(entry: Entry, found: object) -> Database:
    if not isinstance(found, Database) or not isinstance(found.card, DatabaseCard):
        raise MerbenchError(f"database {entry.name!r} of {entry.origin}: {entry.target} needs card, recognises, read")
    if found.card.name != entry.name:
        raise MerbenchError(f"database {entry.name!r} of {entry.origin} calls itself {found.card.name!r}")
    kind, what = (FrameDatabase, "frames") if found.card.offers is None else (Release, "arrays")
    if not isinstance(found, kind):
        ready = "offers no ready-made inputs" if kind is FrameDatabase else "offers ready-made inputs"
        raise MerbenchError(f"database {entry.name!r} of {entry.origin}: its card {ready}, but it has no {what}")
    return found


def _known() -> dict[str, str]:
    from merbench.databases.own.definitions import own_names, target

    return _BUILTIN | {name: target(name) for name in own_names()}


DATABASES: Registry[Database] = Registry("database", "merbench.databases", _known, _database)
