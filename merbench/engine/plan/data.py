"""The choice of data for a grid of runs, made once for all of it."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import DatabaseCard, Source
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.notes import shortened
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.readers.identity import READERS
from merbench.databases.reading.repeats import refuse_repeats
from merbench.databases.registrations import open_registered, open_source, recognise, registered
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.prepare.store import SILENT, PreparationWatcher
from merbench.synthetic.database import LAYOUTS_DATABASE, SMALL, SYNTHETIC, synthetic_source


@dataclass(frozen=True)
class Data:
    """The sources that serve a grid; its name joins the databases' by ``+``, `why` says which data it is and why."""

    name: str
    why: str
    sources: tuple[Source, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any of it is synthetic."""
        return any(source.database.card.synthetic for source in self.sources)

    @property
    def first_look(self) -> bool:
        """Whether it is the small synthetic database."""
        return any(source.database.card.name == SMALL for source in self.sources)

    @property
    def clips(self) -> pd.DataFrame:
        """The clip tables of all sources, one after the other."""
        return pd.concat([source.clips for source in self.sources], ignore_index=True)

    @property
    def disclosures(self) -> list[str]:
        """What readers of a row on this data need to know, and what lets it rank apart; cut as remarks."""
        every = ((source, note) for source in self.sources for note in source.reading.notes)
        said = [f"{source.name}: {note}" for source, note in every if note.kind == "disclosure"]
        return [shortened(text) for text in said]

    def digest(self, clips: pd.DataFrame) -> str:
        """Digest the annotations of some of its clips, and the version of the program that made them, if any."""
        made = {source.name: source.reading.made_with for source in self.sources if source.reading.made_with}
        return digest([clips_digest(clips), made]) if made else clips_digest(clips)


def choose_data(
    request: str,
    protocols: Sequence[ProtocolSpec],
    watcher: PreparationWatcher | None = None,
    synthetic: bool = True,
) -> Data:
    """Settle ``--data`` for all protocols of a grid; `watcher` receives the progress of generating synthetic data.

    Under ``auto`` synthetic data are used where no database is registered, if `synthetic`.

    `request` is ``auto``, a database's name, several joined by ``+``, or a folder that holds a copy of one. Unknown or
    unregistered data, data that lacks a dataset, a dataset that no known database holds, two crossed datasets with the
    same clips, and, under ``auto``, nothing registered that serves raise a `MerbenchError`.
    """
    needed = sorted({dataset for protocol in protocols for dataset in protocol.datasets})
    known = known_datasets()
    for protocol in protocols:
        if unread := [dataset for dataset in protocol.datasets if dataset not in known]:
            named = {dataset for spec in PROTOCOLS.load_all()[0].values() for dataset in spec.datasets}
            meant = next((suggestion(dataset, known) for dataset in unread if dataset not in named), "")
            raise MerbenchError(
                f"no reader for {listed(unread)} yet{meant}: protocol {protocol.name} can be printed "
                f"(merbench protocols {shlex.quote(protocol.known_as)}), but not run; data of your own is added with "
                "merbench data add NAME --clips TABLE, a package can add a reader (docs/adding-a-method.md)"
            )
    watcher = watcher or SILENT
    if request == "auto":
        found = _automatic(needed, protocols, watcher, synthetic)
    else:
        found = named_data(request, needed, watcher)
        _check_labels([source.database.card for source in found.sources], protocols)
    for datasets in {tuple(protocol.datasets) for protocol in protocols if not set(protocol.datasets) <= set(READERS)}:
        if len(datasets) > 1:
            refuse_repeats(found.sources, datasets)
    return found


def named_data(request: str, needed: Sequence[str] = (), watcher: PreparationWatcher | None = None) -> Data:
    """Open a database, several joined by ``+``, or a folder with a copy of one; with all `needed` datasets.

    Raises what :func:`choose_data` raises.
    """
    watcher = watcher or SILENT
    if request and Path(request).is_dir() and request not in DATABASES.names():
        source = open_named(request, watcher)
        card = source.database.card
        _check_datasets(source.name, [card], needed)
        return Data(source.name, f"the folder {request}, a copy of {card.name}", (source,))
    if not request or (set(request) & {"/", "\\"} and request not in DATABASES.names()):
        raise MerbenchError(f"--data {request!r} is neither a folder nor a database: see merbench data list")
    names = request.split("+")
    _check_datasets(request, [DATABASES.get(name).card for name in names], needed)
    return _data("as asked for", [open_named(name, watcher) for name in names])


def check_data(request: str, protocols: Sequence[ProtocolSpec]) -> None:
    """Refuse the names of databases that `choose_data` would refuse; nothing is generated."""
    names = request.split("+")
    needed = sorted({dataset for protocol in protocols for dataset in protocol.datasets})
    _check_datasets(request, [DATABASES.get(name).card for name in names], needed)
    for name in set(names) - set(SYNTHETIC):
        open_registered(name)


def known_datasets() -> set[str]:
    """Return the datasets that some database known to this installation holds, registered or not."""
    databases, _ = DATABASES.load_all()
    return {dataset for database in databases.values() for dataset in database.card.datasets}


def serves(card: DatabaseCard, protocol: ProtocolSpec) -> bool:
    """Say whether a database holds all datasets of a protocol, with fitting labels."""
    return set(protocol.datasets) <= set(card.datasets) and labels_fit(card, protocol)


def labels_fit(card: DatabaseCard, protocol: ProtocolSpec) -> bool:
    """Say whether a release that knows only classes made them of the emotions that the protocol makes them of."""
    if not card.labels:
        return True
    if protocol.task != "classification" or protocol.labels != "emotion":
        return False
    for dataset in set(protocol.datasets) & set(card.labels):
        asked = {name: set(words) for name, words in protocol.datasets[dataset].classes.items() if words}
        made = {name: set(words) for name, words in card.labels[dataset].items()}
        if asked != made if asked else not set(made) <= set(protocol.classes):
            return False
    return True


def _check_datasets(name: str, cards: Sequence[DatabaseCard], needed: Sequence[str]) -> None:
    """Refuse data that lacks a dataset, or has one twice."""
    held = [dataset for card in cards for dataset in card.datasets]
    lacking = sorted(set(needed) - set(held))
    if lacking:
        held_now = listed(sorted(set(held)))
        line = f"data {name!r} has no clips of {listed(lacking)}; it holds {held_now}"
        raise MerbenchError(f"{line}: name all databases that the protocol needs, as in --data A+B")
    twice = sorted({dataset for dataset in held if held.count(dataset) > 1})
    if twice:
        raise MerbenchError(f"data {name!r} has {listed(twice)} twice: name only one source of each database")


def _check_labels(cards: Iterable[DatabaseCard], protocols: Sequence[ProtocolSpec]) -> None:
    """Refuse a release whose labels are other classes than a protocol makes of the emotions."""
    for card in cards:
        for protocol in protocols:
            if not labels_fit(card, protocol):
                others = f"protocol {protocol.name} makes others ({_mapping_difference(card, protocol)})"
                made = f"data {card.name!r} has only the classes that its owners made of the emotions"
                raise MerbenchError(f"{made}, {others}: use the databases themselves")


def _mapping_difference(card: DatabaseCard, protocol: ProtocolSpec) -> str:
    """Name the first emotion that a release and a protocol map to different classes."""
    if protocol.task != "classification" or protocol.labels != "emotion":
        return "action units" if protocol.task != "classification" else "objective classes"
    for dataset in set(protocol.datasets) & set(card.labels):
        asked = {word: name for name, words in protocol.datasets[dataset].classes.items() for word in words}
        made = {word: name for name, words in card.labels[dataset].items() for word in words}
        for word in sorted({*asked, *made}):
            if asked and asked.get(word) != made.get(word):
                one, two = asked.get(word, "none"), made.get(word, "none")
                return f"{dataset} {word}: {one}, the release has {two}"
    return f"its classes are {listed(protocol.classes)}"


def _releases(cards: Iterable[DatabaseCard], protocols: Sequence[ProtocolSpec]) -> list[DatabaseCard]:
    return [card for card in cards if card.offers is not None and all(serves(card, spec) for spec in protocols)]


def _data(why: str, sources: list[Source]) -> Data:
    return Data("+".join(source.name for source in sources), why, tuple(sources))


def open_named(request: str, watcher: PreparationWatcher) -> Source:
    """Open a database: a registered one by name, a synthetic one, made if it is missing, or the folder of a copy."""
    if request in SYNTHETIC:
        return synthetic_source(request, partial(watcher.preparing, f"making {request}"))
    if request not in DATABASES.names() and Path(request).is_dir():
        return open_source(recognise(Path(request)), Path(request))
    return open_registered(request)


def _automatic(
    needed: list[str], protocols: Sequence[ProtocolSpec], watcher: PreparationWatcher, synthetic: bool
) -> Data:
    """Use the protocol's databases if all are registered, else a release that serves, else synthetic data.

    If some of the databases are registered but not all, the user meant real data: raise an error with the missing ones.
    """
    databases, _ = DATABASES.load_all()
    for name in sorted(set(registered()) - set(databases)):
        watcher.note(f"note: the registered database {name} is not known to this installation")
    frames, found = _registered(needed, protocols)
    if found is not None:
        return found
    there, missing = sorted(set(needed) & set(frames)), [dataset for dataset in needed if dataset not in frames]
    could_be_synthetic = set(needed) <= set(DATABASES.get(SMALL).card.datasets)
    if synthetic and not there and could_be_synthetic:
        why = "synthetic, since no database of the protocol is registered; its scores say nothing about real faces"
        watcher.note(f"data: {SMALL}, {why}")
        return _data(why, [open_named(SMALL, watcher)])
    serving = _releases([database.card for database in databases.values()], protocols)
    partly = f" (registered: {listed(there)})" if there else ""
    hint = f": {serving[0].commands} (a release of all of them)" if serving else ": merbench data add DATABASE PATH"
    made = SMALL if could_be_synthetic else LAYOUTS_DATABASE.card.name
    instead = f", or use synthetic data: --data {made}" if set(needed) <= set(DATABASES.get(made).card.datasets) else ""
    raise MerbenchError(f"no data is registered for {listed(missing)}{partly}{hint}{instead}")


def registered_data(protocol: ProtocolSpec) -> Data | None:
    """Return the registered real data that ``--data auto`` takes for a protocol, if any."""
    found = _registered(sorted(protocol.datasets), [protocol])[1]
    return None if found is None or found.synthetic else found


def _registered(needed: list[str], protocols: Sequence[ProtocolSpec]) -> tuple[dict[str, list[str]], Data | None]:
    """Return which registered databases hold each dataset, and those that serve, if all are there or a release is."""
    databases, _ = DATABASES.load_all()
    cards = {name: databases[name].card for name in registered() if name in databases}
    frames: dict[str, list[str]] = {}
    for name, card in cards.items():
        if card.offers is None and not card.synthetic:
            for dataset in card.datasets:
                frames.setdefault(dataset, []).append(name)
    if all(dataset in frames for dataset in needed):
        several = [f"{dataset} ({' and '.join(frames[dataset])})" for dataset in needed if len(frames[dataset]) > 1]
        if several:
            raise MerbenchError(f"several registered databases hold {listed(several)}: say which with --data NAME+NAME")
        names = sorted({frames[dataset][0] for dataset in needed})
        why = "all the protocol's databases are registered"
        return frames, _data(why, [open_registered(name) for name in names])
    if releases := _releases(cards.values(), protocols):
        card = min(releases, key=lambda card: card.synthetic)  # real clips before made ones
        kind = "registered synthetic release" if card.synthetic else "registered release"
        return frames, _data(f"the {kind} that holds {', '.join(needed)}", [open_registered(card.name)])
    return frames, None
