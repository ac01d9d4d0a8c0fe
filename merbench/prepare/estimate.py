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


def announce(shelf: Shelf, clips: Sequence[ClipFrames], watcher: PreparationWatcher, workers: int | None) -> None:
    """Estimate, in a note, what the missing ones of many clips will take; a few of them are built, and kept.

    DataError if the disk has too little room.
    """
    assert shelf.file is not None
    missing = [clip for clip, path in zip(clips, shelf.there(clips), strict=True) if path is None]
    if len(missing) < MANY:
        return
    tried = missing[: 2 * (workers or os.cpu_count() or 1)]
    begun = time.monotonic()
    with suppress(DataError):  # clips that fail are named where all are built
        provide(shelf, tried, SILENT, workers)
    share = len(missing) / len(tried)
    seconds, size = (time.monotonic() - begun) * share, _bytes(shelf, tried) * share
    if not size:  # none of them can be built
        return
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
