"""Clip counts and notes of a database that was read."""

from typing import TYPE_CHECKING

from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.contracts.databases import Source


def counts(source: "Source") -> str:
    """Count clips and subjects."""
    return f"{len(source.clips)} clips, {len(source.clips[['dataset', 'subject']].drop_duplicates())} subjects"


def print_notes(source: "Source", each: bool) -> None:
    """Print notes on the copy, then those on clips by kind and reason; with `each`, every clip."""
    for note in source.reading.notes:
        if not note.about:
            apart = f"; in tables it is {source.name}, and ranked apart" if note.kind == "disclosure" else ""
            say(f"{'warning' if apart else note.kind}: {note}{apart}")
    clips = [note for note in source.reading.notes if note.about]
    for kind, reason in sorted({(note.kind, note.text) for note in clips}):
        same = [note for note in clips if (note.kind, note.text) == (kind, reason)]
        say(f"{kind} ({len(same)}): {reason}")
        for note in same if each else ():
            say(f"  {note.about}{f': {note.detail}' if note.detail else ''}")
    if clips and not each:
        say(f"merbench data verify {source.database.card.name} lists the clips")
