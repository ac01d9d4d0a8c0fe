"""Gathering what the pages are built from: rows, published figures, audits, and the figures that merbench ships."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from merbench.analysis.audit import Audit
from merbench.analysis.audit_runs import read_audit
from merbench.analysis.claims.published import published_rows
from merbench.analysis.rows import Row, measured_rows
from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.declared import Declared
from merbench.records.select import Runs
from merbench.site.content import SiteContent


def gathered(
    runs: Runs,
    cards: Mapping[str, Card],
    protocols: Mapping[str, ProtocolSpec],
    find_protocol: Callable[[str], ProtocolSpec],
    command: Callable[[Row], str],
    cache: Path,
    declared: Declared | None,
) -> SiteContent:
    """Gather the content of a site from runs that were held against their protocols.

    `cards` and `protocols` are all that are registered; `find_protocol` makes one of a name that a pattern allows.
    `command` and `cache` are as for :class:`SiteContent` and :func:`merbench.analysis.rows.measured_rows`. Without
    `declared` rows the runs are one's own: only their protocols have published figures.
    """
    rows, notes = measured_rows(runs, cache=cache, declared=declared)
    own = declared is None
    known = dict(sorted((dict(protocols) | _recorded(rows, find_protocol)).items()))
    named = {row.runs[0].file.protocol for row in rows} if own else set(known)
    published = {
        name: found for name in sorted(named & set(known)) if (found := published_rows(name, known[name].task))
    }
    costs, power = map(_shipped, ("costs.json", "power.json"))
    said = [*runs.problems, *notes]
    return SiteContent(rows, known, cards, command, said, published, costs, power, _audits(runs, rows), own)


def _shipped(name: str) -> dict[str, Any]:
    """Read a file of figures that merbench ships in ``results/``."""
    found: dict[str, Any] = json.loads((files("merbench.results") / name).read_text(encoding="utf-8"))
    return found


def _recorded(rows: Sequence[Row], find_protocol: Callable[[str], ProtocolSpec]) -> dict[str, ProtocolSpec]:
    """Return the protocols of rows that a pattern makes, such as crossed databases, if they mean the same."""
    found = {}
    for file in {row.runs[0].file.protocol: row.runs[0].file for row in rows}.values():
        try:
            spec = find_protocol(file.protocol)
        except MerbenchError:  # its pattern names data that is not here; the row has no page of its protocol
            continue
        if spec.spec_digest() == file.key.spec_digest:
            found[file.protocol] = spec
    return found


def _audits(runs: Runs, rows: Sequence[Row]) -> list[Audit]:
    """Read the audits of the rows whose runs kept their epochs."""
    found: dict[tuple[str, ...], Audit] = {}
    for row in rows:
        file = row.runs[0].file
        if file.task != "classification" or row.sanity or file.key.selection != "last":
            continue
        try:
            audit = read_audit(runs, file.method, file.protocol, lambda *_: "", file.data, dict(file.key.config))
        except MerbenchError:  # its epochs were not kept
            continue
        found.setdefault(tuple(run.file.run_id for run in audit.row.runs), audit)
    return list(found.values())
