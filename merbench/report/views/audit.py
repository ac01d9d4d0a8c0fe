"""An audit: the figures under each selection rule, and their lift over the last epoch."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from merbench.analysis.audit import Audit, records
from merbench.report.numbers import NONE, excludes_zero, interval_text, number, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.views.rows import as_notes, named, title_of
from merbench.scoring.intervals import Interval

FIGURES = {"uf1": "UF1", "uar": "UAR", "acc": "Acc"}
LEGEND = (
    "Lift: difference from the last epoch of the same seeds, bold where its interval excludes 0. 95 % intervals: "
    "subject-level bootstrap, conditional on the trained models and the selected epochs; paired for lifts.",
    "UF1, UAR and Acc are pooled over folds, except for the means over folds, which are not comparable with pooled "
    "figures. The F1 of a fold is the mean over the classes among its labels or predictions.",
    "Rows that look at test labels are never a result and never ranked.",
)


def audit_report(audit: Audit) -> Report:
    """Build the table of all clips and that of UF1 by database; JSON also has the selected epochs of every fold."""
    rows = records(audit)
    parts = [part for part in audit.file.parts if part != "full"]
    tables = [_table(audit, [row for row in rows if row["part"] == "full"])]
    tables += [_parts(audit, rows, parts)] * (len(parts) > 1)
    warnings = {"warnings": audit.file.warnings} if audit.file.warnings else {}
    of_all = {"synthetic": audit.file.synthetic, **warnings}
    return Report(tables, as_notes(audit.notes), [row | of_all for row in rows], _data(audit, rows, warnings))


def title(audit: Audit) -> str:
    """Name the audited rows: method, protocol, data, clips, folds, epochs, seeds."""
    seeds, several = ", ".join(str(seed.seed) for seed in audit.kept.seeds), len(audit.kept.seeds) > 1
    counted = f"{len(audit.kept.clips)} clips, {len(audit.kept.folds)} folds, {audit.epochs} epochs"
    shipped = " [leaderboard]" if audit.row.runs[0].origin == "leaderboard" else ""
    return f"Audit of {audit.row.label}{shipped}: {title_of([audit.row])}: {counted}, seed{'s' * several} {seeds}"


def _table(audit: Audit, rows: Sequence[dict[str, Any]]) -> Table:
    columns = [name_column("Selection"), Column("Looks at test labels", align="left", wraps=True)]
    for name in FIGURES.values():
        columns += [Column("", group=name), Column("Lift", group=name)]
    sections = [
        Section([[*_named(row), *_figures(row, FIGURES), *text_cells(_epochs(row), row["seeds"])] for row in group])
        for _, group in groupby(rows, key=lambda row: (row["oracle"] and row["pooled"], row["pooled"]))
    ]
    notes = named(audit.row.label, audit.row.remarks)
    return Table(title(audit), [*columns, Column("Epochs"), Column("Seeds")], sections, LEGEND, notes)


def _named(row: Mapping[str, Any]) -> list[Cell]:
    return text_cells(row["title"], "yes" if row["oracle"] else "no")


def _parts(audit: Audit, rows: Sequence[dict[str, Any]], parts: Sequence[str]) -> Table:
    columns = [name_column("Selection")]
    for part in parts:
        columns += [Column(name, group=audit.file.parts[part]) for name in ("", "Lift")]
    found = {(row["part"], row["selection"]): row for row in rows}
    titles = {row["selection"]: row["title"] for row in rows if row["part"] != "full"}
    lines = []
    for selection, name in titles.items():
        of_parts = [found.get((part, selection)) for part in parts]
        cells = [cell for row in of_parts for cell in (_figures(row, ["uf1"]) if row else [Cell(), Cell()])]
        lines.append([Cell(name), *cells])
    return Table("UF1 by database", columns, [Section(lines)])


def _figures(row: Mapping[str, Any], names: Sequence[str] | Mapping[str, str]) -> list[Cell]:
    """Return each figure and its lift."""
    cells: list[Cell] = []
    for name in names:
        lift, ends = row[f"{name}_lift"], _ends(row, f"{name}_lift")
        cells += [Cell(number(row[name]), interval_text(_ends(row, name))), Cell(NONE)]
        if lift is not None and row["selection"] != "last":
            cells[-1] = Cell(signed(lift), signed_interval(ends), 1 if excludes_zero(ends) else 0)
    return cells


def _ends(row: Mapping[str, Any], name: str) -> Interval:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return Interval(math.nan if low is None else low, math.nan if high is None else high)


def _epochs(row: Mapping[str, Any]) -> str:
    if row["epoch_median"] is None:
        return NONE
    middle, first, last = (f"{row[f'epoch_{name}']:g}" for name in ("median", "first", "last"))
    return middle if first == last else f"{middle} ({first}–{last})"


def _data(audit: Audit, rows: Sequence[dict[str, Any]], warnings: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the audited runs, a row a part and selection, and the epochs selected in every fold (folds in order)."""
    file = audit.file
    picked = [
        {"selection": name, "seed": seed.seed, "epochs": group.epoch.tolist()}
        for seed in audit.kept.seeds
        for name, group in audit.picked[audit.picked.seed == seed.seed].groupby("selection", sort=False)
    ]
    return {
        "method": file.method, "config": file.config_name, "variant": file.variant, "protocol": file.protocol,
        "data": file.data, "synthetic": file.synthetic, **warnings, "origin": audit.row.runs[0].origin,
        "spec_digest": file.key.spec_digest, "split_digest": file.key.split_digest,
        "clips": len(audit.kept.clips), "epochs": audit.epochs,
        "run_ids": [run.file.run_id for run in audit.row.runs], "inner_run_ids": list(audit.inner_runs),
        "notes": list(map(str, audit.notes)), "rows": list(rows), "folds": list(audit.kept.folds),
        "picked": picked,
    }  # fmt: skip
