"""An audit on a terminal, or in plain text where there is none; and as Markdown to paste."""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from merbench.analysis.audit import Audit, records
from merbench.analysis.selection_rules import RULES
from merbench.contracts.names import shown
from merbench.records.model import RunFile
from merbench.report.views.compare import Cell, _csv_cell, _interval, number, signed, title_of
from merbench.report.write.paper import _markdown_cell, _markdown_escape
from merbench.report.write.terminal import _base_table, _cell, _print_fitting, _print_note
from merbench.scoring.intervals import Interval

FIGURES = {"uf1": "UF1", "uar": "UAR", "acc": "Acc"}
#: Whether a row picks by test labels, and pools -> what is said above such rows.
SECTIONS = {
    (True, True): "epochs picked by test labels: never a result, never ranked",
    (
        False,
        False,
    ): "means over folds, which no table should set beside pooled figures; the second picks by test labels, too",
}


def print_audit(audit: Audit, console: Console) -> None:
    """Print all clips with their lifts, then UF1 of each database."""
    rows = records(audit)
    full = [row for row in rows if row["part"] == "full"]
    _print_fitting(console, _table(audit, full, list(FIGURES)), [_table(audit, full, [name]) for name in FIGURES])
    parts = [part for part in audit.file.parts if part != "full"]
    if len(parts) > 1:
        _print_fitting(console, _parts(audit, rows, parts), [_parts(audit, rows, [part]) for part in parts])
    for note in LEGEND:
        _print_note(console, note)
    for remark in audit.row.remarks:
        _print_note(console, f"{audit.row.label}: {remark}")
    for warning in audit.notes:
        _print_note(console, warning.text, "yellow")


def title(audit: Audit) -> str:
    """Name what was audited: method, protocol, data, clips, folds, epochs, seeds."""
    seeds, several = ", ".join(str(seed.seed) for seed in audit.kept.seeds), len(audit.kept.seeds) > 1
    counted = f"{len(audit.kept.clips)} clips, {len(audit.kept.folds)} folds, {audit.epochs} epochs"
    shipped = " [leaderboard]" if audit.row.runs[0].origin == "leaderboard" else ""
    return f"Audit of {audit.row.label}{shipped}: {title_of([audit.row])}: {counted}, seed{'s' * several} {seeds}"


LEGEND = (
    "Lift: over the last epoch of the same seeds, bold where its interval leaves 0 out. Intervals are 95 % by "
    "bootstrap over subjects, given the trained folds and the epochs picked; those of lifts are paired.",
    "UF1, UAR and Acc are pooled over folds, but for the means over folds. A fold's own F1 is the mean over the "
    "classes that occur in it, among labels or predictions.",
)


def as_markdown(audit: Audit) -> str:
    """Write the rows of all clips as a GitHub Markdown table to paste, with the legend; intervals in brackets."""
    rows = [row for row in records(audit) if row["part"] == "full"]
    table = [["Selection", "Looks at test labels", *(f"{name} | Lift" for name in FIGURES.values()), "Epochs", "Seeds"]]
    table.append(["---", "---", *["--: | --:"] * len(FIGURES), "--:", "--:"])
    for row in rows:
        figures = [f"{_markdown_cell(_figure(row, name))} | {_markdown_cell(_lift(row, name))}" for name in FIGURES]
        table.append([row["title"], "yes" if row["oracle"] else "no", *figures, _epochs(row), str(row["seeds"])])
    lines = [f"**{_markdown_escape(title(audit))}**", "", *(f"| {' | '.join(line)} |" for line in table), "", *LEGEND]
    return "\n".join(lines) + "\n"


def _table(audit: Audit, rows: list[dict[str, Any]], figures: list[str]) -> Table:
    table = _base_table(title(audit))
    table.add_column("Selection", min_width=22, max_width=48)
    for name in figures:
        table.add_column(FIGURES[name], justify="right", no_wrap=True)
        table.add_column("Lift", justify="right", no_wrap=True)
    table.add_column("Epochs\npicked", justify="right", no_wrap=True)
    table.add_column("Seeds", justify="right")
    for section, group in groupby(rows, key=_section):
        table.add_section()
        if section:
            table.add_row(Text(section, style="italic"))
        for row in group:
            cells = [cell for name in figures for cell in (_figure(row, name), _lift(row, name))]
            table.add_row(Text(shown(row["title"])), *map(_cell, cells), _epochs(row), str(row["seeds"]))
    return table


def _section(row: Mapping[str, Any]) -> str:
    return SECTIONS.get((row["oracle"] and row["pooled"], row["pooled"]), "")


def _parts(audit: Audit, rows: list[dict[str, Any]], parts: list[str]) -> Table:
    table = _base_table("UF1 by database")
    table.add_column("Selection", min_width=22, max_width=48)
    for part in parts:
        table.add_column(Text(shown(audit.file.parts[part])), justify="right", no_wrap=True)
        table.add_column("Lift", justify="right", no_wrap=True)
    there = {(row["part"], row["selection"]): row for row in rows}
    for selection in RULES:
        found = [there.get((part, selection.name)) for part in parts]
        if any(found):
            cells = [cell for row in found for cell in ((_figure(row, "uf1"), _lift(row, "uf1")) if row else ("", ""))]
            table.add_row(selection.title, *(cell if isinstance(cell, str) else _cell(cell) for cell in cells))
    return table


def _ends(row: Mapping[str, Any], name: str) -> Interval:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return Interval(math.nan if low is None else low, math.nan if high is None else high)


def _figure(row: Mapping[str, Any], name: str) -> Cell:
    return Cell(number(row[name]), _interval(_ends(row, name)), 0)


def _lift(row: Mapping[str, Any], name: str) -> Cell:
    """Write a lift; bold where its interval leaves 0 out."""
    value, ends = row[f"{name}_lift"], _ends(row, f"{name}_lift")
    if value is None or row["selection"] == "last":
        return Cell("–", "", 0)
    said = "" if math.isnan(ends.low) else f"{signed(ends.low)}, {signed(ends.high)}"
    return Cell(signed(value), said, int(ends.low > 0 or ends.high < 0))


def _epochs(row: Mapping[str, Any]) -> str:
    if row["epoch_median"] is None:
        return "–"
    middle, first, last = (f"{row[f'epoch_{name}']:g}" for name in ("median", "first", "last"))
    return middle if first == last else f"{middle} ({first}–{last})"


def as_json(audit: Audit) -> str:
    """Write what was audited, a row a part and selection, and the epochs picked in every fold (folds in order)."""
    file = audit.file
    picked = [
        {"selection": name, "seed": seed.seed, "epochs": group.epoch.tolist()}
        for seed in audit.kept.seeds
        for name, group in audit.picked[audit.picked.seed == seed.seed].groupby("selection", sort=False)
    ]
    told = {
        "method": file.method, "config": file.config_name, "variant": file.variant, "protocol": file.protocol,
        "data": file.data, "synthetic": file.synthetic, **_warnings(file), "origin": audit.row.runs[0].origin,
        "spec_digest": file.key.spec_digest, "split_digest": file.key.split_digest,
        "clips": len(audit.kept.clips), "epochs": audit.epochs,
        "run_ids": [run.file.run_id for run in audit.row.runs], "inner_run_ids": list(audit.inner_runs),
        "notes": [str(note) for note in audit.notes], "rows": records(audit), "folds": list(audit.kept.folds),
        "picked": picked,
    }  # fmt: skip
    lines = json.dumps(told, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+(\d[\d,\s]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", lines) + "\n"


def _warnings(file: RunFile) -> dict[str, list[str]]:
    return {"warnings": file.warnings} if file.warnings else {}


def as_csv(audit: Audit) -> str:
    """Write the rows as CSV: the fields of the JSON objects, whether data are made, and warnings if there are any."""
    of_all, out = {"synthetic": audit.file.synthetic, **_warnings(audit.file)}, io.StringIO()
    found = [row | of_all for row in records(audit)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(found[0])
    writer.writerows([_csv_cell(value) for value in row.values()] for row in found)
    return out.getvalue()
