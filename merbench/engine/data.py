"""Which data a grid of runs uses, settled once for all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merbench.contracts.databases import Source
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered, open_source, recognise, registered


@dataclass(frozen=True)
class Data:
    """The sources that serve a grid.

    Attributes
    ----------
    name : str
        A release's name, or the databases' names joined by ``+``.
    why : str
        Which data this is and why, in a sentence.
    """

    name: str
    why: str
    sources: tuple[Source, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any of it was made by a program."""
        return any(source.database.card.synthetic for source in self.sources)

    @property
    def clips(self) -> pd.DataFrame:
        """The clip tables of all sources, one after the other."""
        return pd.concat([source.clips for source in self.sources], ignore_index=True)


def choose_data(request: str, protocols: Sequence[ProtocolSpec]) -> Data:
    """Settle ``--data``.

    Parameters
    ----------
    request : str
        ``auto``, a database's name, several joined by ``+``, or a folder that holds a copy of one.
    protocols : sequence of ProtocolSpec
        All the grid's protocols; the data must serve every one.

    Raises
    ------
    MerbenchError
        Unknown or unregistered data, data that lacks a dataset, or, under ``auto``, nothing registered that serves.
    """
    needed = sorted({dataset for protocol in protocols for dataset in protocol.datasets})
    if request == "auto":
        return _automatic(needed)
    if request and Path(request).is_dir() and request not in DATABASES.names():
        name = recognise(Path(request))
        data = Data(name, f"the folder {request}, a copy of {name}", (open_source(name, Path(request)),))
    else:
        if not request or (set(request) & {"/", "\\"} and request not in DATABASES.names()):
            raise MerbenchError(f"--data {request!r} is neither a folder nor a database: see merbench data list")
        data = Data(request, "as asked for", tuple(open_registered(name) for name in request.split("+")))
    held = [dataset for source in data.sources for dataset in source.database.card.datasets]
    lacking = sorted(set(needed) - set(held))
    if lacking:
        raise MerbenchError(
            f"data {data.name!r} has no clips of {listed(lacking)}; it holds {listed(sorted(set(held)))}"
        )
    twice = sorted({dataset for dataset in held if held.count(dataset) > 1})
    if twice:
        raise MerbenchError(f"data {data.name!r} has {listed(twice)} twice; name each dataset's source once")
    return data


def _automatic(needed: list[str]) -> Data:
    """Take the protocol's databases if all are registered, else a release that serves, else say what is missing."""
    known = registered()
    databases, _ = DATABASES.load_all()
    cards = {name: databases[name].card for name in known if name in databases}
    frames = {
        d: name for name, card in cards.items() if card.offers is None for d in card.datasets if not card.synthetic
    }
    if all(dataset in frames for dataset in needed):
        names = sorted({frames[dataset] for dataset in needed})
        return Data("+".join(names), "all the protocol's databases are registered", tuple(map(open_registered, names)))
    releases = [name for name, card in cards.items() if card.offers is not None and set(needed) <= set(card.datasets)]
    if releases:
        name = min(releases, key=lambda name: cards[name].synthetic)  # real clips before made ones
        kind = "registered synthetic release" if cards[name].synthetic else "registered release"
        return Data(name, f"the {kind} that holds {', '.join(needed)}", (open_registered(name),))
    missing = [dataset for dataset in needed if dataset not in frames]
    serving = [n for n, d in databases.items() if d.card.offers is not None and set(needed) <= set(d.card.datasets)]
    partly = f" (registered: {listed(sorted(set(needed) & set(frames)))})" if len(missing) < len(needed) else ""
    hint = f": merbench data add {serving[0]} PATH serves all of them" if serving else ": merbench data add NAME PATH"
    raise MerbenchError(f"no data is registered for {listed(missing)}{partly}{hint}")
