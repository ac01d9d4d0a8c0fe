"""Committed runs made again: what that costs, and how they agree."""

from collections.abc import Sequence
from typing import Any

from merbench.contracts.notes import Note
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells


def costs(rows: Sequence[tuple[str, str, int, int, float, float]]) -> Report:
    """Build the table of what runs would cost: run, configuration, folds, of all, seconds of these and of all folds."""
    lines = [
        text_cells(run, config, f"{folds}/{of}", f"{seconds:.1f}", f"{whole:.0f}")
        for run, config, folds, of, seconds, whole in rows
    ]
    columns = [name_column("Run"), Column("Configuration", align="left")]
    columns += [Column("Folds"), Column("Seconds"), Column("All folds")]
    total = sum(row[4] for row in rows)
    note = Note("note", f"{len(rows)} runs, {total:.0f} s as recorded on one core; nothing was run")
    return Report([Table("", columns, [Section(lines)], notes=[note])])


def outcomes(lines: Sequence[dict[str, Any]], notes: Sequence[Note] = ()) -> Report:
    """Build the table of what came of it, from lines as in ``results/reproduced.csv``, with notes beneath."""
    cells = [
        text_cells(
            line["run_id"], f"{line['folds']}/{line['of']}", line["outcome"], line["clips"], line["differ"],
            line["largest"], line["seconds"],
        )
        for line in lines
    ]  # fmt: skip
    columns = [name_column("Run"), Column("Folds"), Column("Outcome", align="left")]
    columns += [Column("Clips"), Column("Other labels"), Column("Largest difference"), Column("Seconds")]
    return Report([Table("", columns, [Section(cells)])], list(notes), list(lines))
