"""``merbench data list``: the databases, or the store."""

from typing import Annotated

import typer

from merbench.cli.printing import print_as


def list_(
    store: Annotated[bool, typer.Option("--store", help="List what is prepared and kept.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --store: remove what no registered copy can use any more.")
    ] = False,
) -> None:
    """List the databases: registered or not, what they hold and serve, what is prepared, where to get them."""
    from merbench.cli.data.listing import list_databases, list_store
    from merbench.contracts.errors import MerbenchError

    if prune and not store:
        raise MerbenchError("--prune removes from the store: write merbench data list --store --prune")
    print_as(list_store(prune) if store else list_databases(), "table")
