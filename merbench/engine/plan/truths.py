"""What recorded runs must be: the official list of their protocol, or the data of this machine, split by the protocol.

The truth of every split that this machine makes of data is kept in ``MERBENCH_HOME``, by the digests that runs on it
record: results are compared with the data that they were made on, although the data or a protocol's file has changed.
"""

from contextlib import suppress
from functools import cache
from pathlib import Path

import pandas as pd

from merbench.analysis.held import Truth, TruthOf
from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import same_people
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.registrations import home, open_registered, registered
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol
from merbench.records.files import keep_json, kept_json
from merbench.records.model import RunFile
from merbench.splits.split import Split, listed_split
from merbench.synthetic.database import SYNTHETIC

#: Why nothing is known of a protocol whose file is the user's.
_OWN = "merbench check-protocol FILE --data NAME, with its file and data, makes the list"


def truths() -> TruthOf:
    """Return what finds the truth of a run; each official list and each data set is read once."""
    named, listed_once, split_once = cache(_named), cache(_official), cache(_split_anew)

    @cache
    def of(name: str, data: str, synthetic: bool, spec: str, split: str, annotations: str) -> Truth | str:
        found = named(name)
        registered_here = found is not None and found.spec_digest() == spec
        if found is not None and registered_here and found.official_list is not None and not synthetic:
            return listed_once(name)
        known = _read(_place(data, synthetic, spec, split, annotations))
        if known is not None or registered_here:
            return known or split_once(name, data, synthetic)
        return f"no protocol {name} of this meaning (specification {spec[:8]}) is registered: {_OWN}"

    def of_file(file: RunFile) -> Truth | str:
        key = file.key
        return of(file.protocol, file.data, file.synthetic, key.spec_digest, key.split_digest, key.data_digest)

    return of_file


def remember(prepared: PreparedProtocol) -> None:
    """Keep the truth of a split of this machine's data."""
    data = prepared.data
    truth = _truth(f"{data.name} on this machine", prepared.spec, prepared.split)
    keep(truth, data.name, data.synthetic, **prepared.digests)


def keep(truth: Truth, data: str, synthetic: bool, spec_digest: str, split_digest: str, data_digest: str) -> None:
    """Keep the truth of all runs with these data and digests; a home that can't be written is ignored."""
    path = _place(data, synthetic, spec_digest, split_digest, data_digest)
    if not path.exists():
        content = {"origin": truth.origin, "clips": truth.clips.to_numpy().tolist(), "outputs": truth.outputs,
                   "parts": truth.parts, "split_digest": truth.split_digest}  # fmt: skip
        keep_json(path, content)


def _place(data: str, synthetic: bool, spec_digest: str, split_digest: str, data_digest: str) -> Path:
    return home() / "splits" / f"{digest([data, synthetic, spec_digest, split_digest, data_digest])}.json"


def _read(path: Path) -> Truth | None:
    """Read a kept truth; None where there is none, or the file is damaged."""
    found = kept_json(path)
    if found is None:
        return None
    clips = pd.DataFrame(found["clips"], columns=[*IDENTITY, "truth", "fold"], dtype=object)
    return Truth(found["origin"], clips, tuple(found["outputs"]), tuple(found["parts"]), found["split_digest"])


def _truth(origin: str, spec: ProtocolSpec, split: Split) -> Truth:
    return Truth(origin, split.truth(), spec.outputs, tuple(spec.parts), split.digest())


def _named(name: str) -> ProtocolSpec | None:
    """Return the registered protocol of a name, or the one that a pattern makes; never one of the user's files."""
    with suppress(MerbenchError):
        return None if name.lower().endswith((".yaml", ".yml")) else protocol(name)
    return None


def _official(name: str) -> Truth | str:
    spec, origin = protocol(name), f"the official list of {name}"
    try:
        split = listed_split(spec, same_people(()))
        assert split is not None
        return _truth(origin, spec, split)
    except MerbenchError as error:
        return f"{origin} can't be used: {error}"


def _split_anew(name: str, data: str, synthetic: bool) -> Truth | str:
    """Split the registered data of a name; or say what is to be registered."""
    spec, names = protocol(name), data.split("+")
    lacking = [name for name in names if name not in registered()]
    if lacking:
        step = "merbench data add DATABASE PATH"
        if set(lacking) <= set(SYNTHETIC):
            step = f"merbench check-protocol {name} --data {data}"
        known = "" if spec.official_list is not None else f"protocol {name} has no official list, and "
        return f"{known}{listed(lacking)} is not registered on this machine: {step}"
    try:
        sources = [open_registered(name) for name in names]
        found = Data(data, "as recorded", tuple(sources))
        if found.synthetic != synthetic or [source.name for source in sources] != names:
            return f"the run's data is not what is registered as {data} on this machine"
        return _remembered(spec, found)
    except MerbenchError as error:
        return f"{data} as registered on this machine can't be used: {error}"


def _remembered(spec: ProtocolSpec, data: Data) -> Truth:
    prepared = PreparedProtocol.of(spec, data)
    remember(prepared)
    return _truth(f"{data.name} as registered on this machine", spec, prepared.split)
