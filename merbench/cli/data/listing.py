"""``merbench data list``: the databases, and what is kept of them in the store."""

from collections import Counter

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered, registered
from merbench.databases.releases.fetching import repair_hint
from merbench.engine.plan.catalogue import PROTOCOLS, family_of
from merbench.engine.plan.data import labels_fit, serves
from merbench.prepare.store import Kept, kept_shelves, store_folder
from merbench.prepare.upkeep import uses
from merbench.synthetic.database import STAND_INS


def list_databases(console: Console) -> None:
    """Print a row a database: what it is, where it is here, which protocols it serves, where to get it."""
    found, problems = DATABASES.load_all()
    specs, more = PROTOCOLS.load_all()
    shelves = kept_shelves()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for column in ("Database", "Here", "Serves", "Get it"):
        table.add_column(column, overflow="fold")
    for name, database in found.items():
        card = database.card
        kind = f"ready-made: {'; '.join(map(str, card.offers))}" if card.offers is not None else "frames"
        table.add_row(
            Text("\n".join(filter(None, [name, card.title, card.holds, kind]))),
            Text(_here(card, shelves)),
            Text(_serves(card, list(specs.values()))),
            Text(f"{card.source}\n{card.licence}"),
        )
    console.print(table)
    for problem in problems + more:
        console.print(f"broken: {problem}", style="yellow", markup=False, soft_wrap=True)


def _here(card: DatabaseCard, shelves: list[Kept]) -> str:
    folders = registered()
    if card.name not in folders:
        made = f"made when asked for:\nmerbench data synthesize {card.name.partition('-')[2]}"
        return made if card.name in STAND_INS else f"not registered:\n{card.commands}"
    try:
        source = open_registered(card.name)
    except MerbenchError as error:
        return f"broken: {error}{repair_hint(card.name, folders[card.name].folder)}"
    clips = source.clips
    subjects = len(clips[["dataset", "subject"]].drop_duplicates())
    lines = [str(folders[card.name].folder), f"{len(clips)} clips, {subjects} subjects"]
    if card.offers is None:
        prepared = [
            f"{kept.file.spec}: {kept.arrays}"
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
    told = []
    for name in protocols:
        family = family_of(name)
        some = "" if here[family] == whole[family] else f" ({here[family]} of {whole[family]})"
        told.append(f"{family}-*{some}" if family else name)
    return ", ".join(dict.fromkeys(told))


def list_store(console: Console, prune: bool) -> None:
    """Print a row a shelf of the store; with `prune`, remove what no registered copy can use."""
    judged = uses()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Database", "Input"):
        table.add_column(column, overflow="fold")
    for column in ("Clips", "MB", "Unusable"):
        table.add_column(column, justify="right")
    table.add_column("", overflow="fold")
    for use in judged:
        kept = use.kept
        unusable = kept.arrays if use.useless else len(use.stale)
        name, spec = (kept.file.database, str(kept.file.spec)) if kept.file else (kept.folder.name, "unknown")
        table.add_row(
            Text(name),
            Text(spec),
            str(kept.arrays),
            f"{kept.size / 1e6:.1f}",
            str(unusable),
            Text("can't be read now: kept" if use.unjudged else use.useless),
        )
    if judged:
        console.print(table)
    total = sum(use.kept.size for use in judged)
    console.print(f"{store_folder()}: {len(judged)} inputs, {total / 1e6:.1f} MB", markup=False, soft_wrap=True)
    unusable = sum(use.kept.arrays if use.useless else len(use.stale) for use in judged)
    if prune:
        removed = sum(use.prune() for use in judged)
        console.print(f"removed {removed} arrays that no registered copy can use")
    elif unusable:
        console.print(f"{unusable} arrays can't be used by what is registered: --prune removes them")
