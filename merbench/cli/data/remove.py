"""``merbench data remove``: remove the registration of a database."""

import typer

from merbench.cli.options import Registered


def remove(name: Registered) -> None:
    """Remove the registration of a database; its files are kept."""
    from merbench.databases.registrations import unregister

    typer.echo(f"{name}: no longer registered; {unregister(name)} is unchanged")
