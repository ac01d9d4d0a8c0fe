"""Reports as a reader sees them."""

import io
import json
from typing import Any

from rich.console import Console

from merbench.report.table import Report, Table
from merbench.report.write import write
from merbench.report.write.terminal import print_report


def printed(report: Report, width: int | None = None) -> str:
    """Return what a terminal of `width` columns shows, without styles; None is a pipe."""
    out = io.StringIO()
    terminal = Console(
        file=out, highlight=False, width=width, force_terminal=width is not None, color_system=None, _environ={}
    )
    print_report(report, terminal)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def strictly(report: Report) -> Any:
    """Read a report's JSON, which must hold neither NaN nor infinity."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    return json.loads(write(report, "json"), parse_constant=refuse)


def texts(table: Table) -> list[list[str]]:
    """Return the texts of a table's cells, row by row."""
    return [[cell.text for cell in row] for section in table.sections for row in section.rows]


def notes_of(report: Report) -> str:
    """Return all legends and notes of a report, a line each."""
    lines = [line for table in report.tables for line in (*table.legend, *(note.text for note in table.notes))]
    return "\n".join([*lines, *(note.text for note in report.notes)])
