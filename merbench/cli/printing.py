"""Reports as the user asked for them: on the terminal, or as text in a format for papers, pages and machines."""

from typing import TYPE_CHECKING

import typer

from merbench.report.write import FORMATS as WRITTEN
from merbench.report.write import write

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.report.table import Report

FORMATS = ("table", *WRITTEN)


def print_as(report: "Report", format: str, console: "Console | None" = None) -> None:
    """Print a report; outside of tables, its notes go to standard error."""
    if format == "table":
        from rich.console import Console

        from merbench.report.write.terminal import print_report

        print_report(report, console or Console(highlight=False))
        return
    typer.echo(write(report, format), nl=False)
    for note in report.notes:
        typer.echo(note.text, err=True)
