"""Clips of different people that have the same pictures, or the same array: a copy under another name."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from merbench.contracts.clips import clip_names
from merbench.contracts.databases import FrameDatabase, Release, Source, persons, same_people
from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.notes import Note

_PIECE = 2**14  # bytes of a file at its beginning, middle and end: enough to tell pictures and videos apart


class Look(NamedTuple):
    """What a clip shows: its name, the person, and what is equal if a copy of it is seen under another name."""

    clip: str
    person: str
    size: object  # equal for copies, and found without reading a file
    files: tuple[Path, ...] = ()  # compared where sizes are equal


def pictures_look(clip: str, person: str, frames: Mapping[int, Path], onset: int, apex: int) -> Look | None:
    """Return the look of a clip by the files of its onset and apex picture; None if they can't be read."""
    numbers = [min(frames, key=lambda known: (abs(known - number), known)) for number in (onset, apex)]
    files = tuple(dict.fromkeys(frames[number] for number in numbers))
    position = numbers if len(files) == 1 else None  # of two pictures in a video
    with suppress(OSError):
        return Look(clip, person, (str(position), *(path.stat().st_size for path in files)), files)
    return None


def array_look(clip: str, person: str, values: npt.NDArray[Any]) -> Look | None:
    """Return the look of a clip by its array; None for a constant one, which clips without movement may share."""
    if values.size < 2 or (values == values.flat[0]).all():
        return None
    return Look(clip, person, (values.shape, bytes_digest(np.ascontiguousarray(values).tobytes())))


def repeats(looks: Iterable[Look | None]) -> Iterator[tuple[str, str]]:
    """Yield the names of two clips of different people with the same look; every clip once, with the first such one."""
    same_size: dict[object, list[Look]] = defaultdict(list)
    for look in looks:
        if look is not None:
            same_size[look.size].append(look)
    for group in same_size.values():
        first: dict[str, Look] = {}
        for look in group if len({look.person for look in group}) > 1 else ():
            with suppress(OSError):
                other = first.setdefault("".join(map(_pieces, look.files)), look)
                if other.person != look.person:
                    yield other.clip, look.clip


def repeat_notes(looks: Iterable[Look | None]) -> list[Note]:
    """Return a note on clips of one database that have the same look as one of another subject."""
    pairs = [f"{one} and {other}" for one, other in repeats(looks)]
    said = f"clips of different subjects have the same pictures or array: {listed(pairs, 3)}"
    return [Note("note", f"{said}; if these are copies, people are both trained on and tested")] if pairs else []


def _pieces(path: Path) -> str:
    """Digest pieces of a file, the whole of a small one."""
    size, read = path.stat().st_size, b""
    with path.open("rb") as file:
        for begin in (0, (size - _PIECE) // 2, size - _PIECE):
            file.seek(max(begin, file.tell()))
            read += file.read(_PIECE)
    return bytes_digest(read)


def refuse_repeats(sources: Sequence[Source], datasets: Collection[str]) -> None:
    """Refuse to cross `datasets` where two have the same clips, by different people as far as merbench knows."""
    looks = [look for source in sources for look in _looks(source, datasets, same_people(sources))]
    across = [pair for pair in repeats(looks) if len({name.partition("/")[0] for name in pair}) > 1]
    if across:
        (one, other), more = across[0], f" ({len(across)} such clips)" * (len(across) > 1)
        raise MerbenchError(
            f"{one} and {other} have the same pictures or array{more}: one would be trained on and the other tested; "
            "remove these clips from one of the tables, or do not cross these databases"
        )


def _looks(source: Source, datasets: Collection[str], aliases: Mapping[str, str]) -> Iterator[Look | None]:
    """Yield the looks of the clips of some datasets."""
    clips = source.clips[source.clips.dataset.isin(list(datasets))]
    named = zip(clip_names(clips), persons(clips, aliases), strict=True)
    if isinstance(source.database, Release):
        spec = (source.database.card.offers or ())[0]
        arrays = source.database.arrays(source.folder, clips, spec) if len(clips) else ()
        yield from (array_look(*names, values) for names, values in zip(named, arrays, strict=True))
    elif isinstance(source.database, FrameDatabase):
        for names, row in zip(named, clips.itertuples(), strict=True):
            frames = source.database.frames(source.folder, str(row.path))
            yield pictures_look(*names, frames, int(row.onset), int(row.apex)) if frames else None  # type: ignore[arg-type]
