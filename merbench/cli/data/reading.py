"""What reading a database gave, in lines."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from merbench.contracts.databases import Source


def counts(source: "Source") -> str:
    """Count clips and subjects."""
    return f"{len(source.clips)} clips, {len(source.clips[['dataset', 'subject']].drop_duplicates())} subjects"


def tell_remarks(source: "Source", each: bool) -> None:
    """Print notes, and remarks by kind and reason; with `each`, every clip of them."""
    reading = source.reading
    for note in reading.notes:
        typer.echo(f"note: {note}")
    told = [(remark.kind, remark.reason) for remark in reading.remarks]
    for kind, reason in dict.fromkeys(sorted(told)):
        of_it = [remark for remark in reading.remarks if (remark.kind, remark.reason) == (kind, reason)]
        typer.echo(f"{kind} ({len(of_it)}): {reason}")
        for remark in of_it if each else ():
            typer.echo(f"  {remark.clip}{f': {remark.detail}' if remark.detail else ''}")
    if reading.remarks and not each:
        typer.echo(f"merbench data verify {source.database.card.name} names the clips")
