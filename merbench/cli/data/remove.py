"""``merbench data remove``: forget where a database is."""

import typer

from merbench.cli.options import Registered


def remove(name: Registered) -> None:
    """Forget where a database is; nothing of it is removed from the disk."""
    from merbench.databases.registrations import unregister

    typer.echo(f"{name}: no longer registered; {unregister(name)} is left as it is")
