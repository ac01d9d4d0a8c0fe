"""The auxiliary data of a method on a protocol: its clips, labelled as the protocol labels, and prepared."""

from collections.abc import Mapping

from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import Source, persons
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.contracts.methods import AuxiliaryData
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import open_registered
from merbench.engine.plan.data import Data
from merbench.prepare.arrays import input_digests, missing_inputs, prepare_input
from merbench.prepare.store import PreparationWatcher
from merbench.splits.labels import auxiliary_labels


class AuxiliarySources:
    """The databases that methods pretrain on under one protocol; each is read, and each input built, once."""

    def __init__(self, protocol: ProtocolSpec, data: Data, watcher: PreparationWatcher) -> None:
        self._protocol, self._data, self._watcher = protocol, data, watcher
        self._sources: dict[str, Source] = {}
        self._built: dict[tuple[str, InputSpec], ArrayInput] = {}

    def source(self, name: str, method: str) -> Source:
        """Open the copy of a declared database.

        A `MerbenchError` names one that the protocol tests on, or that is not registered.
        """
        if name not in self._sources:
            self._refuse_tested(name, method)
            self._sources[name] = open_registered(name)
        return self._sources[name]

    def _refuse_tested(self, name: str, method: str) -> None:
        held = DATABASES.get(name).card.datasets if name in DATABASES.names() else {}
        both = sorted(set(held) & set(self._protocol.datasets))
        if both:
            raise MerbenchError(
                f"method {method} would pretrain on {name}, whose clips of {listed(both)} protocol "
                f"{self._protocol.name} trains and tests on: choose a configuration without it"
            )

    def data(self, name: str, specs: Mapping[str, InputSpec], method: str) -> AuxiliaryData:
        """Prepare inputs of all clips of a declared database, and map their labels.

        Raises as `source`, and for inputs that the database can't give.
        """
        source = self.source(name, method)
        if lacking := missing_inputs([source], specs):
            raise MerbenchError(f"method {method} can't pretrain on {name}: {'; '.join(lacking)}")
        for spec in specs.values():
            if (source.name, spec) not in self._built:
                self._built[source.name, spec] = prepare_input([source], source.clips, spec, self._watcher)
        clips = source.clips
        return AuxiliaryData(
            Inputs({each: self._built[source.name, spec] for each, spec in specs.items()}, len(clips)),
            auxiliary_labels(self._protocol, clips),
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
