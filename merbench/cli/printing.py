"""Reports as the user asked for them: on the terminal, or as text in a format for papers, pages and machines."""

from typing import TYPE_CHECKING

import typer

from merbench.contracts.names import shown_lines
from merbench.report.write import FORMATS as WRITTEN
from merbench.report.write import write

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.report.table import Report

FORMATS = ("table", *WRITTEN)


def print_as(report: "Report", format: str, console: "Console | None" = None) -> None:
    """Print a report; outside of tables, its notes go to standard error."""
    if format == "table":
        from merbench.report.write.terminal import print_report, terminal

        print_report(report, console or terminal())
        return
    typer.echo(write(report, format), nl=False)
    for note in report.notes:
        say(note.text, err=True)


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines of text on standard output or error, their control characters as escapes."""
    typer.echo(shown_lines(text), err=err, nl=nl)
