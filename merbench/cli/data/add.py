"""``merbench data add``: register a copy of a database."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.data.reading import counts, print_notes


def add(
    name: Annotated[str, typer.Argument(help="A database, see merbench data list.", metavar="NAME")],
    path: Annotated[Path, typer.Argument(help="The folder that holds your copy.", metavar="PATH")],
    corrections: Annotated[
        bool, typer.Option("--corrections/--no-corrections", help="Correct known errors of the annotation sheet.")
    ] = True,
) -> None:
    """Register your copy of a database; the layout is found by itself."""
    from merbench.databases.registrations import home, register

    source = register(name, path, corrections)
    typer.echo(f"{name}: {source.reading.layout}, {counts(source)}; registered in {home() / 'databases.json'}")
    if not corrections:
        typer.echo("known errors of the annotation sheet are left as they are (--no-corrections)")
    print_notes(source, each=False)
