"""A pass of the mirror, and what came of it."""

from types import SimpleNamespace

from merbench.tracking.sync import sync


def synced(server, *folders):
    done, notes = sync(server, folders)
    lines = {kind: [note.text for note in notes if note.kind == kind] for kind in ("problem", "warning")}
    found = {kind: done[kind] for kind in ("added", "updated", "kept")}
    return SimpleNamespace(**found, problems=lines["problem"], refused=lines["warning"])
