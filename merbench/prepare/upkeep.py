"""Which of the store's arrays can still be used, and taking the others away."""

from dataclasses import dataclass
from pathlib import Path

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import open_registered, registered
from merbench.prepare.arrays import clip_frames
from merbench.prepare.store import Kept, clip_key, kept_shelves, remove_file


@dataclass(frozen=True)
class Use:
    """A shelf of the store and what of it registered copies can use.

    Attributes
    ----------
    useless : str
        Why none of it can be used; empty if some can.
    unjudged : bool
        Its database is registered but can't be read now, on a disk that is not mounted perhaps: all of it is kept.
    stale : tuple of Path
        Arrays of clips that have changed or are gone.
    """

    kept: Kept
    useless: str = ""
    unjudged: bool = False
    stale: tuple[Path, ...] = ()

    def prune(self) -> int:
        """Remove what can't be used; returns how many arrays."""
        if self.useless:
            self.kept.remove()
            return self.kept.arrays
        for path in self.stale:
            remove_file(path)
        return len(self.stale)


def uses() -> list[Use]:
    """Judge every shelf of the store against what is registered now."""
    keys, unreadable = _registered_keys()
    found = []
    for kept in kept_shelves():
        if kept.file is None:
            found.append(Use(kept, "what it is can't be read"))
        elif not kept.file.is_current:
            found.append(Use(kept, "built by another version"))
        elif kept.file.database.startswith(tuple(unreadable)):
            found.append(Use(kept, unjudged=True))
        elif kept.file.database not in keys:
            found.append(Use(kept, "its database is not registered"))
        else:
            name = kept.file.database
            arrays = [path for path in kept.files() if path.name.partition("-")[0] not in keys[name]]
            found.append(Use(kept, stale=tuple(arrays)))
    return found


def _registered_keys() -> tuple[dict[str, set[str]], list[str]]:
    """Read what is registered; returns the keys of each one's clips, and the names of those that can't be read now."""
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
