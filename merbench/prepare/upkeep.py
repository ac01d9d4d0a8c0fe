"""Finds arrays of the store that can no longer be used, and removes them."""

from dataclasses import dataclass
from pathlib import Path

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import open_registered, registered
from merbench.prepare.arrays import clip_frames
from merbench.prepare.store import StoredShelf, clip_key, remove_file, stored_shelves


@dataclass(frozen=True)
class ShelfUse:
    """A shelf of the store, and how much of it registered copies can use.

    Attributes
    ----------
    useless : str
        Why nothing can be used; empty if some can.
    unjudged : bool
        Its database is registered but can't be read now, for example on a disk that is not mounted: all is kept.
    stale : tuple of Path
        Arrays of clips that were changed or removed.
    """

    kept: StoredShelf
    useless: str = ""
    unjudged: bool = False
    stale: tuple[Path, ...] = ()

    def prune(self) -> int:
        """Remove arrays that can't be used; returns their number."""
        if self.useless:
            self.kept.remove()
            return self.kept.arrays
        for path in self.stale:
            remove_file(path)
        return len(self.stale)


def shelf_uses() -> list[ShelfUse]:
    """Compare every shelf of the store with the registered databases."""
    keys, unreadable = _registered_keys()
    found = []
    for kept in stored_shelves():
        if kept.file is None:
            found.append(ShelfUse(kept, "its description can't be read"))
        elif not kept.file.is_current:
            found.append(ShelfUse(kept, "built by another version"))
        elif kept.file.database.startswith(tuple(unreadable)):
            found.append(ShelfUse(kept, unjudged=True))
        elif kept.file.database not in keys:
            found.append(ShelfUse(kept, "its database is not registered"))
        else:
            name = kept.file.database
            arrays = [path for path in kept.files() if path.name.partition("-")[0] not in keys[name]]
            found.append(ShelfUse(kept, stale=tuple(arrays)))
    return found


def _registered_keys() -> tuple[dict[str, set[str]], list[str]]:
    """Return the keys of the clips of each registered database, and the names of databases that can't be read now."""
    found: dict[str, set[str]] = {}
    unreadable: list[str] = []
    for name in registered():
        try:
            source = open_registered(name)
            if source.database.card.offers is None:
                found[source.name] = {clip_key(clip) for clip in clip_frames(source, source.clips)}
        except MerbenchError:
            unreadable.append(name)
    return found, unreadable
