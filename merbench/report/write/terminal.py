"""Reports on a terminal: whole where they fit, else in panels; in a pipe as wide as needed, or ``COLUMNS``."""

import io
import os
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from merbench.contracts.names import shown, shown_lines
from merbench.contracts.notes import Note
from merbench.report.table import Cell, Report, Table

STYLES = {"warning": "yellow", "problem": "red", "excluded": "yellow", "corrected": "yellow"}
#: A text that may be broken gets at least this much room before a table is split into panels.
_LEAST = 16


class _Terminal(Console):
    """A console that prints control characters of plain text as escapes, whoever gave the text."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(shown_lines(each) if isinstance(each, str) else each for each in objects), **options)


def terminal(**options: Any) -> Console:
    """Return a console without highlighting, on which names from outside have no effect; `options` are of rich."""
    return _Terminal(highlight=False, **options)


def print_report(report: Report, console: Console) -> None:
    """Print tables, each with its legend and notes, then the notes on all of them."""
    for table in report.tables:
        for grid in _grids(table, console):
            _print_grid(grid, console)
        print_notes([*(Note("note", line) for line in table.legend), *table.notes], console)
        if len(report.tables) > 1 and (table.legend or table.notes):
            console.print()
    command = [Note("note", report.command)] if report.command else []
    print_notes([*command, *report.notes], console)


def print_notes(notes: Sequence[Note], console: Console) -> None:
    """Print notes, a line each, in the colour of their kind."""
    for note in notes:
        console.print(Text(shown(note.text), style=STYLES.get(note.kind, "dim")), soft_wrap=not console.is_terminal)


def _limited(console: Console) -> bool:
    """Return whether tables have a width: a terminal's, or that of ``COLUMNS``."""
    return console.is_terminal or os.environ.get("COLUMNS", "").lstrip("0").isdecimal()


def _print_grid(grid: Grid, console: Console) -> None:
    if console.is_terminal:
        console.print(grid)
        return
    width = min(_width(grid, console), console.width if _limited(console) else sys.maxsize)
    page = Console(file=io.StringIO(), width=max(width, 1), highlight=False)
    with page.capture() as captured:
        page.print(grid)
    console.file.writelines(f"{line.rstrip()}\n" for line in captured.get().split("\n")[:-1])


def _width(grid: Grid, console: Console) -> int:
    """Return how wide a grid is where nothing limits it."""
    return Console(file=console.file, width=10_000, highlight=False).measure(grid).maximum


def _grids(table: Table, console: Console) -> list[Grid]:
    """Return a table whole where it fits, its long texts broken if need be; else in panels."""
    every = list(range(len(table.columns)))
    if not _limited(console) or _fits(table, every, _LEAST, console):
        return [_grid(table, every, table.title)]
    names = max(8, console.width // 3)
    titles = [table.title, f"{table.title}, continued" if table.title else ""]
    panels = _panels(table, names, console)
    return [_grid(table, panel, titles[min(at, 1)], names) for at, panel in enumerate(panels)]


def _fits(table: Table, places: Sequence[int], widest: int, console: Console) -> bool:
    return _width(_grid(table, places, "", widest), console) <= console.width


def _panels(table: Table, names: int, console: Console) -> list[list[int]]:
    """Divide the columns: as many as fit, those of a group together if they can be, names of rows in each."""
    keys = [place for place, column in enumerate(table.columns) if column.key]
    panels: list[list[int]] = [[]]
    others = [place for place in range(len(table.columns)) if place not in keys]
    for _, members in groupby(others, key=lambda place: table.columns[place].group):
        places = list(members)
        together = _fits(table, [*keys, *places], names, console)
        for piece in [places] if together else [[place] for place in places]:
            if panels[-1] and not _fits(table, [*keys, *panels[-1], *piece], names, console):
                panels.append([])
            panels[-1] += piece
    return [[*keys, *panel] for panel in panels]


def _grid(table: Table, places: Sequence[int], title: str, widest: int | None = None) -> Grid:
    """Lay some columns out; texts that may be broken are, where they are longer than `widest`."""
    headless = not any(column.title or column.group for column in table.columns)
    grid = Grid(
        title=Text(shown(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1), show_header=not headless,
    )  # fmt: skip
    for column in (table.columns[place] for place in places):
        head = shown_lines(f"{column.group}\n{column.title}" if column.group else column.title)
        limit = widest if column.wraps else None
        grid.add_column(Text(head), justify=column.align, no_wrap=not column.wraps, overflow="fold", max_width=limit)
    titled = table.titled if table.titled in places else places[0]
    for section in table.sections:
        grid.add_section()
        if section.title:
            title_row = {titled: Text(shown(section.title), style="bold")}
            grid.add_row(*(title_row.get(place, "") for place in places))
        for row in section.rows:
            grid.add_row(*(_text(row[place]) for place in places))
    return grid


def _text(cell: Cell) -> Text:
    below = (("\n" + shown_lines(cell.detail), "dim"),) if cell.detail else ()
    style = ("", "bold", "underline")[cell.place]
    return Text.assemble(cell.mark, (shown_lines(cell.text), style), *below)  # the mark moves no decimal point
