"""``merbench data``: fetch databases, say where they are, look at them, prepare them, make synthetic ones."""

from merbench.cli.data.commands import data

__all__ = ["data"]
