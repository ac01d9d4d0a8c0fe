"""The auxiliary data of a method on a protocol: its clips, labelled as the protocol labels, and prepared."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import Source, persons
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import AuxiliaryData
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered
from merbench.prepare.arrays import input_digests, missing_inputs, prepare_input
from merbench.prepare.store import PreparationWatcher
from merbench.splits.labels import auxiliary_labels
from merbench.synthetic.macro import macro_source


def auxiliary_source(name: str, protocol: ProtocolSpec, synthetic: bool, watcher: PreparationWatcher) -> Source:
    """Open the copy of a declared database; where the run's data is `synthetic`, synthetic macro-expressions instead.

    A `MerbenchError` names one that the protocol trains and tests on, or that is not registered.
    """
    held = DATABASES.get(name).card.datasets if name in DATABASES.names() else {}
    both = sorted(set(held) & set(protocol.datasets))
    if both:
        raise MerbenchError(
            f"{name} can't be auxiliary data, since protocol {protocol.name} tests on its clips of {listed(both)}: "
            "choose a configuration that does not pretrain on it"
        )
    if synthetic:
        known = DATABASES.names()
        unknown = "" if name in known else f"; no installed package knows {name!r}{suggestion(name, known)}"
        watcher.note(f"note: synthetic-macro is used for pretraining instead of {name}{unknown}")
        return macro_source(partial(watcher.preparing, "making synthetic-macro"))
    return open_registered(name)


def auxiliary_data(
    source: Source,
    protocol: ProtocolSpec,
    specs: Mapping[str, InputSpec],
    built: dict[Any, Any],
    watcher: PreparationWatcher,
) -> AuxiliaryData:
    """Prepare inputs of all clips of a database, and map their labels; `built` has those of earlier calls.

    A `MerbenchError` names inputs that the database can't give.
    """
    if lacking := missing_inputs([source], specs):
        raise MerbenchError(f"no auxiliary data from {source.name}: {'; '.join(lacking)}")
    for spec in specs.values():
        if (source.name, spec) not in built:
            built[source.name, spec] = prepare_input([source], source.clips, spec, watcher)
    clips = source.clips
    return AuxiliaryData(
        Inputs({each: built[source.name, spec] for each, spec in specs.items()}, len(clips)),
        auxiliary_labels(protocol, clips),
        clips.emotion.to_numpy(dtype=object),
        (clips.dataset + "/" + clips.subject).to_numpy(dtype=object),
        clips.dataset.to_numpy(dtype=object),
    )


def auxiliary_digests(name: str, source: Source, inputs: Inputs, aliases: Mapping[str, str]) -> dict[str, str]:
    """Digest what a declared database gives: inputs, clips, and who they show under `aliases` of datasets."""
    found = {f"{name}:{key}": value for key, value in input_digests(inputs).items()}
    found[f"{name}:clips"] = clips_digest(source.clips)
    found[f"{name}:people"] = digest(persons(source.clips, aliases).tolist())
    if source.reading.made_with:
        found[f"{name}:made"] = source.reading.made_with
    return found
