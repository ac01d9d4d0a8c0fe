"""Runs held against their protocol's clips and labels, for the commands that score them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merbench.records.select import Runs


def held(runs: "Runs") -> "Runs":
    """Hold runs against official lists and the data of this machine; those that differ are named in `problems`."""
    from merbench.analysis.held import hold_all
    from merbench.databases.registrations import home
    from merbench.engine.plan.truths import truths

    return hold_all(runs, truths(), home() / "held")
