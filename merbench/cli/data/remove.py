"""``merbench data remove``: remove the registration of a database."""

from merbench.cli.options import Registered
from merbench.cli.printing import say


def remove(name: Registered) -> None:
    """Remove the registration of a database; its files are kept."""
    from merbench.databases.registrations import unregister

    say(f"{name}: no longer registered; {unregister(name)} is unchanged")
