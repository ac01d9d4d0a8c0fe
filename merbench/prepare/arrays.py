"""The inputs of a set of clips, from the database of each clip, in the order of the clips."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import clip_name, clip_names
from merbench.contracts.databases import FrameDatabase, Release, Source
from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import DataError, MerbenchError, blaming, listed
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.prepare.estimate import announce
from merbench.prepare.faces.settle import faces_text, lacking_for, settled
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import code_of, kind_of
from merbench.prepare.provide import provide
from merbench.prepare.store import SILENT, PreparationWatcher, Shelf, ShelfFile, remove_file

Array = npt.NDArray[Any]


def missing_inputs(sources: Sequence[Source], specs: Mapping[str, InputSpec]) -> list[str]:
    """Return the declared inputs that the sources can't give; one phrase each."""
    said = []
    for source in sources:
        offers = source.database.card.offers
        for name, spec in specs.items():
            kind = kind_of(spec)
            if offers is None or kind.from_table:
                asked = settled(spec, source.reading.cropped)
                lacking = kind.lacking(asked, source) or lacking_for(asked) or _lacking_of(asked, source)
            else:
                lacking = None if _offered(source, spec) else f"has only {'; '.join(map(str, offers))}"
                if lacking and _offered(source, _resampled(spec)):
                    lacking += " (other sizes with resample: true)"
            if lacking is not None:
                said.append(f"input {name!r}, {spec}: {source.database.card.name} {lacking}")
    return said


def _resampled(spec: InputSpec) -> InputSpec:
    return spec.model_copy(update={"resample": True}) if "resample" in type(spec).model_fields else spec


def _lacking_of(spec: InputSpec, source: Source) -> str | None:
    """Return what the clips of a database of frames lack: movement, or frame rates."""
    if kind_of(spec).needs_movement(spec) and (source.clips.onset == source.clips.offset).all():
        return "has single pictures, which show no movement"
    unknown = int(source.clips.fps.isna().sum())
    if not unknown or not kind_of(spec).needs_fps(spec):
        return None
    return f"has no fps for {unknown} of {len(source.clips)} clips"


def prepare_inputs(
    sources: Sequence[Source],
    clips: pd.DataFrame,
    specs: Mapping[str, InputSpec],
    watcher: PreparationWatcher | None = None,
) -> Inputs:
    """Build the declared inputs of `clips`, rows of the sources' clip tables, or take them from the store.

    Raises
    ------
    MerbenchError
        A source can't give a declared input; names what is missing.
    DataError
        A file is not readable or not as expected, or some clips show no face; names all such clips.
    """
    _refuse_missing(sources, specs)
    return Inputs({name: prepare_input(sources, clips, spec, watcher) for name, spec in specs.items()}, len(clips))


def _refuse_missing(sources: Sequence[Source], specs: Mapping[str, InputSpec]) -> None:
    if lacking := missing_inputs(sources, specs):
        raise MerbenchError(f"this data can't serve {'; '.join(lacking)}")


def prepare_input(
    sources: Sequence[Source], clips: pd.DataFrame, spec: InputSpec, watcher: PreparationWatcher | None = None
) -> ArrayInput:
    """Build one input of `clips`; raises what :func:`prepare_inputs` raises."""
    _refuse_missing(sources, {spec.kind: spec})
    held = {dataset for source in sources for dataset in source.database.card.datasets}
    strange = sorted(set(clips.dataset) - held)
    if strange:
        raise MerbenchError(f"no source has the clips of {listed(strange)}")
    values = _values(sources, clips, spec, watcher or SILENT)
    prepared = [source for source in sources if source.database.card.offers is None]  # releases are used as they are
    how = {source.name: str(settled(spec, source.reading.cropped)) for source in prepared}
    how |= {name: f"{spec} derived from {offer}" for name, offer in _derived_from(sources, spec).items()}
    return ArrayInput(spec, values, {name: text for name, text in how.items() if text != str(spec)})


def _values(sources: Sequence[Source], clips: pd.DataFrame, spec: InputSpec, watcher: PreparationWatcher) -> Array:
    dataset = clips.dataset.to_numpy()
    parts: dict[str, tuple[npt.NDArray[np.intp], Array]] = {}
    for source in sources:
        name = source.database.card.name
        rows = np.flatnonzero(np.isin(dataset, list(source.database.card.datasets)))
        if not len(rows):
            continue
        with blaming(f"getting {spec} from {name}"):
            part = np.asarray(_of_source(source, clips.iloc[rows], spec, watcher))
        if len(part) != len(rows):
            raise MerbenchError(f"{name} gave {len(part)} arrays of {spec} for {len(rows)} clips")
        parts[name] = (rows, part)
    kinds = {name: f"{part.dtype} {part.shape[1:]}" for name, (_, part) in parts.items()}
    if len(set(kinds.values())) > 1:
        shown = ", ".join(f"{name} gives {kind}" for name, kind in kinds.items())
        raise MerbenchError(f"the sources differ in {spec}: {shown}")
    _, first = next(iter(parts.values()))
    values = np.empty((len(clips), *first.shape[1:]), dtype=first.dtype)
    for rows, part in parts.values():
        values[rows] = part
    return values


def _of_source(source: Source, clips: pd.DataFrame, spec: InputSpec, watcher: PreparationWatcher) -> Array:
    kind = kind_of(spec)
    if kind.from_table:
        taken = zip(kind.take(spec, clips), clip_names(clips), strict=True)
        return np.stack([kind.checked(spec, values, clip) for values, clip in taken])
    if isinstance(source.database, Release):
        offer = _offered(source, spec)
        assert offer is not None  # refused before
        return offer[1](source.database.arrays(source.folder, clips, offer[0]))
    spec = settled(spec, source.reading.cropped)
    faces = faces_text(spec)
    watcher.note(f"{source.name}: {spec}{faces and f', faces {faces}'}")
    shelf = Shelf(ShelfFile.of(source.name, spec))
    wanted = clip_frames(source, clips)
    announce(shelf, wanted, watcher)
    arrays = []
    for clip, path in zip(wanted, provide(shelf, wanted, watcher), strict=True):
        try:
            arrays.append(shelf.read(path))
        except DataError as error:
            watcher.note(f"{error}: {clip.name} is built again")
            remove_file(path)
            arrays.append(shelf.read(provide(shelf, [clip], SILENT)[0]))
    if not (kind.is_ragged(spec) or kind.has_varying_versions(spec)):
        return np.stack(arrays)
    values = np.empty(len(arrays), dtype=object)
    for index, array in enumerate(arrays):  # assigned together, arrays of one shape would become rows
        values[index] = array
    return values


def check_release(source: Source) -> None:
    """Compare every array that a release offers with the form of its specification; MerbenchError names a clip."""
    assert isinstance(source.database, Release)
    for spec in source.database.card.offers or ():
        values = source.database.arrays(source.folder, source.clips, spec)
        for array, clip in zip(values, clip_names(source.clips), strict=True):
            kind_of(spec).checked(spec, array, clip, "found")


def _offered(source: Source, spec: InputSpec) -> tuple[InputSpec, Callable[[Array], Array]] | None:
    """Return the offer of a release from which `spec` can be served, and how it is derived; None without one."""
    offers = source.database.card.offers or ()
    if spec in offers:
        return spec, lambda values: values
    same = [each for each in offers if type(each) is type(spec)]
    found = ((each, kind_of(spec).derive(spec, each)) for each in same)
    return next(((each, derive) for each, derive in found if derive is not None), None)


def _derived_from(sources: Sequence[Source], spec: InputSpec) -> dict[str, InputSpec]:
    """Return the name of each release from whose arrays of another specification `spec` is derived, and this one."""
    offers = {source.name: _offered(source, spec) for source in sources if not kind_of(spec).from_table}
    return {name: offer[0] for name, offer in offers.items() if offer is not None and offer[0] != spec}


def fill_store(source: Source, spec: InputSpec, watcher: PreparationWatcher, workers: int | None = None) -> int:
    """Build `spec` for all clips of a database of frames into the store; returns the number of clips.

    Raises DataError if some clips can't be built; names each, and keeps the others.
    """
    clips = clip_frames(source, source.clips)
    spec = settled(spec, source.reading.cropped)
    if not kind_of(spec).from_table:
        shelf = Shelf(ShelfFile.of(source.name, spec))
        announce(shelf, clips, watcher, workers)
        provide(shelf, clips, watcher, workers)
    return len(clips)


def clip_frames(source: Source, clips: pd.DataFrame) -> list[ClipFrames]:
    """Return the frames of some clips of a database of frames; DataError names a clip whose folder has none."""
    assert isinstance(source.database, FrameDatabase)
    found = []
    marks = clips[["onset", "apex", "offset"]].astype(int).to_numpy().tolist()  # floats where other clips have none
    rates = [None if np.isnan(fps) else fps for fps in clips["fps"].astype(float)]
    for row, fps, (onset, apex, offset) in zip(clips.itertuples(), rates, marks, strict=True):
        files = source.database.frames(source.folder, str(row.path))
        if not files:
            raise DataError(f"{source.folder / str(row.path)} has no frame of {clip_name(row)}; copy it again")
        found.append(ClipFrames(clip_name(row), onset, apex, offset, files, source.reading.cropped, fps))
    return found


def unreadable_frames(source: Source, watcher: PreparationWatcher, every: bool = False) -> list[str]:
    """Decode the onset, apex and offset frame of each clip, or every frame; returns the problems, one a video."""
    clips, said, broken = clip_frames(source, source.clips), list[str](), set[Path]()
    what = f"{source.name}: decoding {'every frame' if every else 'onset, apex and offset'}"
    for done, clip in enumerate(clips):
        watcher.preparing(what, done, len(clips))
        numbers = clip.files if every else dict.fromkeys(map(clip.nearest, (clip.onset, clip.apex, clip.offset)))
        sizes = set()
        for number in numbers:
            if clip.files[number] in broken:
                continue
            try:
                sizes.add(clip.image(number).shape)
            except DataError as error:
                said.append(str(error))
                broken.add(clip.files[number])
        if len(sizes) > 1:
            said.append(f"{clip.name}: its frames have {len(sizes)} different sizes")
    watcher.preparing(what, len(clips), len(clips))
    return said


def input_digests(inputs: Inputs) -> dict[str, str]:
    """Digest each input: its specification and the values, clip by clip, in the order given."""
    found = {}
    for name in sorted(inputs.names()):
        values = inputs[name].stored()
        spec = inputs[name].spec
        # Without defaults, so that a setting of a later version does not change the digests of all inputs.
        settings = {"kind": spec.kind} | spec.model_dump(mode="json", exclude_defaults=True)
        version = kind_of(spec).version
        settings |= {"kind_version": version} if version > 1 else {}
        settings |= {"kind_code": code} if (code := code_of(spec)) else {}
        described = [settings, str(values.dtype), list(values.shape)]
        if values.dtype == object:
            content = digest([[str(v.dtype), list(v.shape), _digest(v)] for v in values])
        else:
            content = _digest(values)
        found[name] = digest([described, content])
    return found


def _digest(values: Array) -> str:
    return bytes_digest(np.ascontiguousarray(values).data)
