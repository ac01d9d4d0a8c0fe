"""The inputs of a set of clips: asked of each clip's database, put together in the order of the clips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.databases import Release, Source
from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import MerbenchError, blaming, listed
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec


def missing_inputs(sources: Sequence[Source], specs: Mapping[str, InputSpec]) -> list[str]:
    """Say which of the declared inputs the sources can't give; one phrase each."""
    said = []
    for source in sources:
        offers = source.database.card.offers
        for name, spec in specs.items():
            if offers is None or spec not in offers:
                has = "no ready-made arrays" if offers is None else f"only {'; '.join(map(str, offers))}"
                said.append(f"input {name!r}, {spec}: {source.database.card.name} has {has}")
    return said


def prepare_inputs(sources: Sequence[Source], clips: pd.DataFrame, specs: Mapping[str, InputSpec]) -> Inputs:
    """Build the declared inputs of `clips`, in memory.

    Parameters
    ----------
    sources : sequence of Source
        The databases that hold the clips.
    clips : DataFrame
        Rows of their clip tables.
    specs : mapping of str to InputSpec
        By the method's own names.

    Raises
    ------
    MerbenchError
        A source can't give what is declared; says what is missing.
    DataError
        A file is unreadable or not as expected.
    """
    _refuse_missing(sources, specs)
    return Inputs({name: prepare_input(sources, clips, spec) for name, spec in specs.items()}, len(clips))


def _refuse_missing(sources: Sequence[Source], specs: Mapping[str, InputSpec]) -> None:
    lacking = missing_inputs(sources, specs)
    if lacking:
        raise MerbenchError(f"this data can't serve {'; '.join(lacking)}")


def prepare_input(sources: Sequence[Source], clips: pd.DataFrame, spec: InputSpec) -> ArrayInput:
    """Build one input of `clips`; raises what :func:`prepare_inputs` raises."""
    _refuse_missing(sources, {spec.kind: spec})
    held = {dataset for source in sources for dataset in source.database.card.datasets}
    strange = sorted(set(clips.dataset) - held)
    if strange:
        raise MerbenchError(f"no source holds the clips of {listed(strange)}")
    return ArrayInput(spec, _values(sources, clips, spec))


def _values(sources: Sequence[Source], clips: pd.DataFrame, spec: InputSpec) -> npt.NDArray[Any]:
    dataset = clips.dataset.to_numpy()
    parts: dict[str, tuple[npt.NDArray[np.intp], npt.NDArray[Any]]] = {}
    for source in sources:
        name = source.database.card.name
        rows = np.flatnonzero(np.isin(dataset, list(source.database.card.datasets)))
        assert isinstance(source.database, Release)  # missing_inputs has seen to it
        with blaming(f"getting {spec} from {name}"):
            part = np.asarray(source.database.arrays(source.folder, clips.iloc[rows], spec))
        if len(part) != len(rows):
            raise MerbenchError(f"{name} gave {len(part)} arrays of {spec} for {len(rows)} clips")
        parts[name] = (rows, part)
    kinds = {name: f"{part.dtype} {part.shape[1:]}" for name, (_, part) in parts.items()}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} gives {kind}" for name, kind in kinds.items())
        raise MerbenchError(f"the sources don't agree on {spec}: {told}")
    _, first = next(iter(parts.values()))
    values = np.empty((len(clips), *first.shape[1:]), dtype=first.dtype)
    for rows, part in parts.values():
        values[rows] = part
    return values


def input_digests(inputs: Inputs) -> dict[str, str]:
    """Digest each input: its specification and the values, clip by clip, in the order given."""
    found = {}
    for name in sorted(inputs.names()):
        values = np.ascontiguousarray(inputs[name].batch())
        described = [inputs[name].spec.model_dump(mode="json"), str(values.dtype), list(values.shape)]
        found[name] = digest([described, bytes_digest(values.data)])
    return found
