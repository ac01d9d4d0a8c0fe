"""``merbench data list``: the databases, and their prepared inputs in the store."""

from collections import Counter

from merbench.cli.data.reading import counts
from merbench.contracts.databases import DatabaseCard
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered, registered
from merbench.databases.releases.fetching import repair_hint
from merbench.engine.plan.catalogue import PROTOCOLS, family_of
from merbench.engine.plan.data import labels_fit, serves
from merbench.prepare.store import Shelf, store_folder, stored_shelves
from merbench.prepare.upkeep import judged_shelves, prune
from merbench.report.table import Report
from merbench.report.views.databases import databases_report, store_report
from merbench.synthetic.database import LAYOUTS_DATABASE, SYNTHETIC


def list_databases() -> Report:
    """List the databases: contents, place, protocols that each serves, source."""
    found, problems = DATABASES.load_all()
    specs, more = PROTOCOLS.load_all()
    shelves = stored_shelves()
    columns = {}
    for name, database in found.items():
        card = database.card
        kind = f"ready-made: {'; '.join(map(str, card.offers))}" if card.offers is not None else "frames"
        served = _serves(card, list(specs.values()))
        untried = "reader never tried on a real copy: tell us if yours is read right" if card.untried else ""
        about = [line for line in (name, card.title, card.holds, kind, untried) if line]
        columns[name] = ("\n".join(about), _here(card, shelves), served, f"{card.source}\n{card.licence}")
    return databases_report(columns, problems + more)


def _here(card: DatabaseCard, shelves: list[Shelf]) -> str:
    folders = registered()
    if card.name not in folders:
        if card.name in SYNTHETIC:
            words = "--layout all" if card.name == LAYOUTS_DATABASE.card.name else card.name.partition("-")[2]
            return f"made on demand:\nmerbench data synthesize {words}"
        return "made on demand" if card.synthetic else f"not registered:\n{card.commands}"
    try:
        source = open_registered(card.name)
    except MerbenchError as error:
        return f"broken: {error}{repair_hint(card.name, folders[card.name].folder)}"
    lines = [str(folders[card.name].folder), counts(source)]
    if card.offers is None:
        prepared = [
            f"{kept.file.spec}: {len(kept.arrays())}"
            for kept in shelves
            if kept.file is not None and kept.file.database == source.name and kept.file.is_current
        ]
        lines += [f"prepared {line}" for line in prepared] or ["nothing prepared yet"]
    return "\n".join(lines)


def _serves(card: DatabaseCard, specs: list[ProtocolSpec]) -> str:
    whole = [spec.name for spec in specs if serves(card, spec)]
    known = [spec for spec in specs if labels_fit(card, spec)]
    part = [spec.name for spec in known if set(spec.datasets) & set(card.datasets) and spec.name not in whole]
    shown = [_names(whole), f"part of {_names(part)}" if part else ""]
    return "\n".join(filter(None, shown)) or "no protocol"


def _names(protocols: list[str]) -> str:
    """Name protocols, those of a family once, with how many of it they are."""
    here, whole = Counter(map(family_of, protocols)), Counter(map(family_of, PROTOCOLS.names()))
    names = []
    for name in protocols:
        family = family_of(name)
        some = "" if here[family] == whole[family] else f" ({here[family]} of {whole[family]})"
        names.append(f"{family}-*{some}" if family else name)
    return ", ".join(dict.fromkeys(names))


def list_store(pruning: bool) -> Report:
    """List the shelves of the store; if `pruning`, remove the arrays that no registered copy can use."""
    judged = judged_shelves()
    lines, total, unusable = [], 0, sum(len(arrays) for *_, arrays in judged)
    for shelf, reason, arrays in judged:
        name, spec = (shelf.file.database, str(shelf.file.spec)) if shelf.file else (shelf.folder.name, "unknown")
        size = shelf.size()
        lines.append((name, spec, len(shelf.arrays()), f"{size / 1e6:.1f}", len(arrays), reason))
        total += size
    notes = [f"{store_folder()}: {len(judged)} inputs, {total / 1e6:.1f} MB"]
    if pruning:
        notes.append(f"removed {sum(prune(*each) for each in judged)} arrays that no registered copy can use")
    elif unusable:
        notes.append(f"{unusable} arrays are unusable for the registered copies: --prune removes them")
    return store_report(lines, notes)
