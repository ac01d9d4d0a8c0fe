"""``merbench data list``: the databases, or the store."""

from typing import Annotated

from merbench.cli.declare import flag
from merbench.cli.printing import print_as


def list_(
    store: Annotated[bool, flag("--store", "List the prepared inputs.")] = False,
    prune: Annotated[bool, flag("--prune", "With --store: remove arrays that no registered copy can use.")] = False,
) -> None:
    """List the databases: contents, folder, protocols, prepared inputs, source."""
    from merbench.cli.data.listing import list_databases, list_store
    from merbench.contracts.errors import MerbenchError

    if prune and not store:
        raise MerbenchError("--prune needs --store: merbench data list --store --prune")
    print_as(list_store(prune) if store else list_databases(), "table")
