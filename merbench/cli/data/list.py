"""``merbench data list``: the databases, or the store."""

from typing import Annotated

import typer

from merbench.cli.printing import print_as


def list_(
    store: Annotated[bool, typer.Option("--store", help="List the prepared inputs.", metavar="")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --store: remove arrays that no registered copy can use.", metavar="")
    ] = False,
) -> None:
    """List the databases: contents, folder, protocols, prepared inputs, source."""
    from merbench.cli.data.listing import list_databases, list_store
    from merbench.contracts.errors import MerbenchError

    if prune and not store:
        raise MerbenchError("--prune needs --store: merbench data list --store --prune")
    print_as(list_store(prune) if store else list_databases(), "table")
