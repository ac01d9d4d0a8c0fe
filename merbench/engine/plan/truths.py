"""What recorded runs must be: the official list of their protocol, or the data of this machine, split by the protocol.

The truth of every split that this machine makes of data is kept in ``MERBENCH_HOME``, by the digests that runs on it
record: results are compared with the data that they were made on, although the data or a protocol's file has changed.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import pandas as pd

from merbench.analysis.held import TruthOf
from merbench.contracts.clips import IDENTITY, clip_table, clips_digest
from merbench.contracts.databases import same_people
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import home, open_registered, registered
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import Data, registered_data, serves
from merbench.engine.plan.runs import PreparedProtocol
from merbench.records.files import keep_json, kept_json
from merbench.records.model import UNKNOWN, RunFile
from merbench.records.truth import Truth
from merbench.splits.split import Split, listed_split, make_split
from merbench.synthetic.database import SYNTHETIC

#: Why nothing is known of a protocol whose file is the user's.
_OWN = "merbench check-protocol FILE --data NAME, with its file and data, makes the list"


def truths() -> TruthOf:
    """Return what finds the truth of a run; each official list and each data set is read once."""
    named, listed_once, split_once = cache(_named), cache(_official), cache(_split_anew)
    registered_once, of_release = cache(_registered), cache(_of_release)

    @cache
    def of(name: str, data: str, synthetic: bool, spec: str, split: str, annotations: str) -> Truth | str:
        found = named(name)
        registered_here = found is not None and found.spec_digest() == spec
        if found is not None and registered_here and found.official_list is not None and not synthetic:
            return listed_once(name, data)
        known = _read(_place(data, synthetic, spec, split, annotations))
        if known is None and registered_here and data == UNKNOWN:
            return registered_once(name)
        if known is None and registered_here and found is not None and not synthetic:
            known = of_release(name, data)
        if known is not None or registered_here:
            return known or split_once(name, data, synthetic)
        return f"no protocol {name} of this meaning (specification {spec[:8]}) is registered: {_OWN}"

    def of_file(file: RunFile) -> Truth | str:
        key = file.key
        return of(file.protocol, file.data, file.synthetic, key.spec_digest, key.split_digest, key.data_digest)

    return of_file


def remember(prepared: PreparedProtocol) -> None:
    """Keep the truth of a split of this machine's data, of real data also for imported logs, which name no data."""
    data = prepared.data
    truth = _truth(f"{data.name} on this machine", prepared.spec, prepared.split)
    keep(truth, data.name, data.synthetic, **prepared.digests)
    if not data.synthetic:
        keep(truth, UNKNOWN, False, **{**prepared.digests, "data_digest": digest(UNKNOWN)})


def keep(truth: Truth, data: str, synthetic: bool, spec_digest: str, split_digest: str, data_digest: str) -> None:
    """Keep the truth of all runs with these data and digests; a home that can't be written is ignored."""
    path = _place(data, synthetic, spec_digest, split_digest, data_digest)
    if not path.exists():
        content = {"origin": truth.origin, "clips": truth.clips.to_numpy().tolist(), "outputs": truth.outputs,
                   "parts": dict(truth.parts), "split_digest": truth.split_digest}  # fmt: skip
        keep_json(path, content)


def _place(data: str, synthetic: bool, spec_digest: str, split_digest: str, data_digest: str) -> Path:
    return home() / "splits" / f"{digest([data, synthetic, spec_digest, split_digest, data_digest])}.json"


def _read(path: Path) -> Truth | None:
    """Read a kept truth; None where there is none, or the file is damaged."""
    found = kept_json(path)
    if found is None:
        return None
    clips = pd.DataFrame(found["clips"], columns=[*IDENTITY, "truth", "fold"], dtype=object)
    parts = found["parts"] if isinstance(found["parts"], dict) else dict.fromkeys(found["parts"], "")  # as once kept
    return Truth(found["origin"], clips, tuple(found["outputs"]), parts, found["split_digest"])


def _truth(origin: str, spec: ProtocolSpec, split: Split, data: Mapping[str, str] | None = None) -> Truth:
    return Truth(origin, split.truth(), spec.outputs, spec.parts, split.digest(), data or {})


def truth_on(data: Data, spec: ProtocolSpec, origin: str) -> Truth:
    """Split data by a protocol; raises what :func:`merbench.splits.split.make_split` raises."""
    split = make_split(spec, data.clips, data.synthetic, same_people(data.sources))
    return _truth(origin, spec, split, {data.name: data.digest(split.clips)})


def own_truth(clips: pd.DataFrame, spec: ProtocolSpec) -> Truth:
    """Split a clip table about which nothing else is known."""
    return _truth("", spec, make_split(spec, clips))


def known_truth(spec: ProtocolSpec) -> tuple[Truth | None, list[Note]]:
    """Return the clips that a protocol tests, by its official list or the registered data; and why these can't be used.

    DataError if the official list does not fit the protocol.
    """
    if (listed_truth := _listed(spec)) is not None:
        return listed_truth, []
    try:
        data = registered_data(spec)
        return (None if data is None else truth_on(data, spec, f"the registered {data.name}")), []
    except MerbenchError as error:
        return None, [Note("warning", f"the registered data can't be used: {error}")]


def _listed(spec: ProtocolSpec, data: str = "") -> Truth | None:
    """Return the truth of an official list, None if there is none; and the annotations of `data`, if it is a release.

    A release of merbench that knows only classes has no other annotations than the list.
    """
    split = listed_split(spec, same_people(()))
    if split is None:
        return None
    known = {}
    if data in DATABASES.names() and DATABASES.entry(data).origin == "merbench":
        card = DATABASES.get(data).card
        known = {data: clips_digest(split.clips)} if card.labels and serves(card, spec) else {}
    return _truth(f"the official list of {spec.name}", spec, split, known)


def _named(name: str) -> ProtocolSpec | None:
    """Return the registered protocol of a name, or the one that a pattern makes; never one of the user's files."""
    with suppress(MerbenchError):
        return None if name.lower().endswith((".yaml", ".yml")) else protocol(name)
    return None


def _official(name: str, data: str) -> Truth | str:
    try:
        found = _listed(protocol(name), data)
        assert found is not None
        return found
    except MerbenchError as error:
        return f"the official list of {name} can't be used: {error}"


def _of_release(name: str, data: str) -> Truth | None:
    """Return the truth of a protocol without an official list on a release, whose clips another protocol lists."""
    if data not in DATABASES.names() or DATABASES.entry(data).origin != "merbench":
        return None
    spec, card = protocol(name), DATABASES.get(data).card
    official = protocol(card.listed_by).official() if card.listed_by and serves(card, spec) else None
    if official is None:
        return None
    own = official[official.dataset.isin(spec.datasets)]
    origin = f"the official list of {card.listed_by}"
    clips = clip_table(own.rename(columns={"class": spec.labels}).reset_index(drop=True), origin)
    split = make_split(spec, clips, same_people=same_people(()))
    return _truth(origin, spec, split, {data: clips_digest(split.clips)})


def _registered(name: str) -> Truth | str:
    """Return the truth of imported logs, by the registered data; or say what is to be registered."""
    truth, notes = known_truth(protocol(name))
    if truth is not None or notes:
        return truth or listed(note.text for note in notes)
    step = "merbench data add DATABASE PATH"
    return f"protocol {name} has no official list, and its databases are not registered on this machine: {step}"


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
