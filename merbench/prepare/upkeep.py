"""Finds arrays of the store that can no longer be used, and removes them."""

from pathlib import Path

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import open_registered, registered
from merbench.prepare.arrays import clip_frames
from merbench.prepare.store import Shelf, clip_key, remove_file, stored_shelves

#: The database of a shelf is registered, for example on a disk that is not mounted.
UNREADABLE = "can't be read now: kept"


def judged_shelves() -> list[tuple[Shelf, str, list[Path]]]:
    """Compare every shelf of the store with the registered databases.

    Returns each with the reason why nothing of it can be used, or `UNREADABLE`, or an empty text; and its arrays that
    can't be used: all, none, or those of clips that were changed or removed.
    """
    keys, unreadable = _registered_keys()
    found = []
    for shelf in stored_shelves():
        reason, usable, arrays = "", set[str](), shelf.arrays()
        if shelf.file is None:
            reason = "its description can't be read"
        elif not shelf.file.is_current:
            reason = "built by another version"
        elif shelf.file.database.startswith(tuple(unreadable)):
            reason, usable = UNREADABLE, set(arrays)
        elif shelf.file.database not in keys:
            reason = "its database is not registered"
        else:
            usable = keys[shelf.file.database]
        found.append((shelf, reason, [path for key, path in arrays.items() if key not in usable]))
    return found


def prune(shelf: Shelf, reason: str, unusable: list[Path]) -> int:
    """Remove the arrays of a judged shelf that can't be used; returns their number."""
    if reason and reason != UNREADABLE:
        shelf.remove()
    else:
        for path in unusable:
            remove_file(path)
    return len(unusable)


def _registered_keys() -> tuple[dict[str, set[str]], list[str]]:
    """Return the keys of the clips of each registered database, and the names of databases that can't be read now."""
    found: dict[str, set[str]] = {}
    unreadable: list[str] = []
    for name in registered():
        try:
            source = open_registered(name)
            if source.database.card.offers is None:
                clips = clip_frames(source, source.clips)
                found[source.name] = {clip_key(clip, timed) for clip in clips for timed in (False, True)}
        except MerbenchError:
            unreadable.append(name)
    return found, unreadable
