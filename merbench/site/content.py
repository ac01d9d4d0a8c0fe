"""What the pages are built from; the command line gathers it, since nothing here knows the engine."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merbench.analysis.audit import Audit
from merbench.analysis.rows import Row
from merbench.contracts.cards import Card
from merbench.contracts.digests import digest
from merbench.contracts.protocols import ProtocolSpec
from merbench.report.numbers import NONE


@dataclass(frozen=True)
class SiteContent:
    """What the pages are built from.

    `rows` are measured, those that rank together next to each other, best first; `published` are figures by protocol,
    as :func:`merbench.analysis.claims.published.published_rows` gives them; `costs` are those of a method's
    configurations, `power` those of a protocol, see `results/`; `command` writes the command that records a row again;
    `own` says that the rows are one's own and no leaderboard.
    """

    rows: Sequence[Row]
    protocols: Mapping[str, ProtocolSpec]
    methods: Mapping[str, Card]
    command: Callable[[Row], str]
    notes: Sequence[str] = ()
    published: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    costs: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    power: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    audits: Sequence[Audit] = ()
    own: bool = False

    def boards(self) -> list[str]:
        """Return the names of the protocols that have measured rows or published figures, most rows first."""
        measured = [row.runs[0].file.protocol for row in self.rows]
        names = dict.fromkeys([*measured, *(name for name, figures in self.published.items() if figures)])
        return sorted(names, key=lambda name: (-measured.count(name), name))

    def rows_of(self, protocol: str) -> list[Row]:
        """Return the rows of a protocol, in order."""
        return [row for row in self.rows if row.runs[0].file.protocol == protocol]

    def family(self, row: Row) -> str:
        """Return the family of a row's method; ``imported`` or ``unknown`` for a method without a card."""
        if row.runs[0].file.imported:
            return "imported"
        known = self.methods.get(row.runs[0].file.method)
        return "sanity" if row.sanity else known.kind if known else "unknown"

    def year(self, row: Row) -> str:
        """Return the year of the paper of a row's method; empty where there is none."""
        known = self.methods.get(row.runs[0].file.method)
        return str(known.paper.year) if known and known.paper else ""

    def inputs(self, row: Row) -> str:
        """Return the kinds of inputs of a row."""
        file = row.runs[0].file
        known = self.methods.get(file.method)
        declared = known.inputs if known else {}
        names = [name.partition(":")[2] or name for name in file.key.input_digests]
        kinds = [declared[name].kind if name in declared else name for name in names]
        return ", ".join(sorted(dict.fromkeys(kind.replace("-", " ") for kind in kinds))) or "none"

    def cost(self, row: Row) -> Mapping[str, Any]:
        """Return what is known of the cost of a row's configuration; nothing if its settings were changed."""
        file = row.runs[0].file
        return {} if file.variant else self.costs.get(file.method, {}).get(file.config_name, {})

    def minutes(self, row: Row) -> float | None:
        """Return the recorded minutes a seed, over all folds; None where a seed is not whole, or imported."""
        marks = [run.mark for run in row.runs]
        seconds = [mark.seconds for mark in marks if mark is not None]
        known = len(seconds) == len(marks) and not row.runs[0].file.imported
        return sum(seconds) / len(seconds) / 60 if known else None


def slug(row: Row) -> str:
    """Name the page of a row: safe in any path, and different for different rows."""
    return safe(row.runs[0].file.run_id)


def safe(name: str) -> str:
    """Return a name itself where it is safe in any path, else one that is, with a digest."""
    if re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,90}[a-z0-9])?", name):
        return name
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:60]}-{digest(name)[:10]}"


def grouped(number: float | None) -> str:
    """Write a large whole number with commas between its thousands."""
    return NONE if number is None else f"{number:,.0f}"
