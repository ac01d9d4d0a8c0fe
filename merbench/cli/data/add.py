"""``merbench data add``: register a copy of a database."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.data.reading import counts, print_notes
from merbench.cli.declare import argument, flag


def add(
    name: Annotated[str, argument("A database; merbench data list names them.", "DATABASE")],
    path: Annotated[Path, argument("The folder of your copy.", "PATH")],
    corrections: Annotated[
        bool, flag("--corrections/--no-corrections", "Correct known errors of the annotation sheet.")
    ] = True,
) -> None:
    """Register your copy of a database; its layout is detected."""
    from merbench.databases.registrations import home, register, registered

    before = registered().get(name)
    source = register(name, path, corrections)
    typer.echo(f"{name}: {source.reading.layout}, {counts(source)}; registered in {home() / 'databases.json'}")
    if before is not None and before.folder != source.folder:
        typer.echo(f"note: this replaces {before.folder}; merbench data add {name} PATH restores that copy")
    if not corrections:
        typer.echo("known errors of the annotation sheet are not corrected (--no-corrections)")
    print_notes(source, each=False)
