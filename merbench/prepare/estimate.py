"""How long the preparation of many clips will take, and how much disk: measured on the first of them."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import Specification
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import kind_of
from merbench.prepare.provide import provide
from merbench.prepare.store import SILENT, PreparationWatcher, Shelf, ShelfFile

#: From so many missing clips on an estimate is made.
MANY = 200
_SECONDS, _SHARE = 10, 0.1  # how long clips are tried, and how many of them at most


def announce(
    shelf: Shelf, clips: Sequence[ClipFrames], watcher: PreparationWatcher, workers: int | None = None
) -> None:
    """Estimate, in a note, what the missing ones of many clips will take; a few of them are built, and kept.

    More and more are built at a time, for ten seconds or up to a share of all, and the last ones count: the first ones
    also load models and start processes. DataError if the disk has too little room.
    """
    assert shelf.file is not None
    if len(clips) - len(shelf.arrays()) < MANY:  # most runs: no file of the clips is looked at
        return
    missing = [clip for clip, path in zip(clips, shelf.there(clips), strict=True) if path is None]
    if len(missing) < MANY:
        return
    begun, at, count, pace = time.monotonic(), 0, 2 * (workers or os.cpu_count() or 1), 0.0
    while at == 0 or (time.monotonic() - begun < _SECONDS and at + count <= _SHARE * len(missing)):
        some, start = missing[at : at + count], time.monotonic()
        with suppress(DataError):  # clips that fail are named where all are built
            provide(shelf, some, SILENT, workers)
        pace = (time.monotonic() - start) / len(some)
        at, count = at + len(some), 2 * count
    size = _bytes(shelf, missing[:at]) * len(missing) / at
    if not size:  # none of them can be built
        return
    seconds = pace * (len(missing) - at)
    free = shutil.disk_usage(shelf.folder).free
    what = f"{shelf.file.database}: {shelf.file.spec}: {len(missing)} clips will take about"
    watcher.note(f"{what} {_duration(seconds)} and {size / 1e9:.2g} GB on disk ({free / 1e9:.3g} GB free)")
    if size > free:
        raise DataError(f"{what} {size / 1e9:.2g} GB in {shelf.folder}, {free / 1e9:.2g} GB are free: make room there")


def _bytes(shelf: Shelf, clips: Sequence[ClipFrames]) -> int:
    """Return the bytes of clips on a shelf, and of what inputs share."""
    assert shelf.file is not None
    parts: Sequence[Specification] = kind_of(shelf.file.spec).parts(shelf.file.spec)
    shelves = [shelf, *(Shelf(ShelfFile.of(shelf.file.database, part)) for part in parts)]
    return sum(path.stat().st_size for each in shelves for path in each.there(clips) if path is not None)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
