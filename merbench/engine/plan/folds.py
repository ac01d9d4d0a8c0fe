"""The folds of a protocol where nothing is run: of registered data, or of the protocol's official list."""

from collections.abc import Sequence

from merbench.contracts.databases import Source, same_people
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.plan.data import choose_data, registered_data
from merbench.engine.plan.runs import PreparedProtocol
from merbench.prepare.store import PreparationWatcher
from merbench.splits.split import Split, listed_split


def protocol_folds(spec: ProtocolSpec, data: str, watcher: PreparationWatcher) -> tuple[Split, Sequence[Source]]:
    """Split `data`, as for ``--data``, by a protocol; under ``auto`` its official list where no data is registered.

    Returns the split and the copies of databases that hold its clips, none for a list. Raises what
    :func:`merbench.engine.plan.data.choose_data` and :func:`merbench.splits.split.make_split` raise; ``auto`` never
    uses synthetic data.
    """
    if data == "auto" and registered_data(spec) is None and (split := listed_split(spec, same_people(()))):
        watcher.note(f"data: the official list of {spec.name}, without paths: its databases are not registered")
        return split, ()
    chosen = choose_data(data, [spec], watcher, synthetic=False)
    watcher.note(f"data: {chosen.name}, {chosen.why}")
    split = PreparedProtocol.of(spec, chosen, watcher).split
    if split.differences:
        watcher.note(f"note: differs from {spec.name}: {'; '.join(split.differences)}")
    return split, chosen.sources
