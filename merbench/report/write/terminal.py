"""Tables on a terminal, or in plain text where there is none; that of a comparison first of all."""

from collections.abc import Sequence
from typing import Literal

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from merbench.analysis.rows import Row
from merbench.contracts.errors import listed
from merbench.contracts.names import shown
from merbench.report.views.compare import (
    FIGURES,
    LAST,
    PUBLISHED_TITLE,
    Cell,
    Comparison,
    Line,
    figures_of,
    legend,
    published_table,
    table_lines,
    title_of,
)


def print_table(comparison: Comparison, console: Console) -> None:
    """Print for people: one wide table a group, or a narrow one a part where the terminal is narrow."""
    for rows in comparison.groups():
        _print_fitting(console, _wide(rows), _narrow(rows))
        for line in legend(rows):
            _print_note(console, line)
        runs = [run.file.run_id for row in rows for run in row.runs if run.origin == "measured"]
        if runs:
            _print_note(console, f"merbench show RUN tells more of {listed(runs, most=6)}")
        for row in rows:
            for remark in row.remarks:
                _print_note(console, f"{row.label}: {remark}")
        console.print()
    if comparison.published:
        _print_published(comparison, console)
    for note in comparison.notes:
        _print_note(console, note, "yellow")


def _print_fitting(console: Console, wide: Table, narrow: Sequence[Table]) -> None:
    """Print a wide table where it fits, or where there is no terminal to fit; else narrow ones, one below the other."""
    page = Console(file=console.file, width=1000, highlight=False)
    needed = page.measure(wide).maximum
    if console.is_terminal and needed > console.width:
        for table in narrow:
            console.print(table)
    elif console.is_terminal:
        console.print(wide)
    else:
        Console(file=console.file, width=needed, highlight=False).print(wide)


def print_columns(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str | Text]], left: bool = True
) -> None:
    """Print a table of figures: on a terminal too narrow for it, its columns in tables one below the other.

    Parameters
    ----------
    console : Console
        Where to; where it is no terminal, the table is as wide as it needs to be.
    title : str
        What stands above the table; nothing if empty.
    heads : sequence of str
        Of the columns; the first names the rows, and stands in every table.
    rows : sequence of sequence of str or Text
        Their cells; what is no Text is taken as it is, without markup.
    left : bool
        Whether names of rows begin below one another; they end so otherwise.
    """

    def table(columns: Sequence[int], widest: int | None = None) -> Table:
        made = _base_table(title if columns[0] == 1 else f"{title}, continued" if title else "")
        first: Literal["left", "right"] = "left" if left else "right"
        made.add_column(Text(shown(heads[0])), justify=first, no_wrap=not widest, overflow="fold", max_width=widest)
        for column in columns:
            made.add_column(Text(shown(heads[column])), justify="right", no_wrap=True)
        for row in rows:
            made.add_row(*(_as_text(row[column]) for column in (0, *columns)))
        return made

    page = Console(file=console.file, width=1000, highlight=False)
    names = max(8, console.width // 3)
    groups: list[list[int]] = [[]]
    for column in range(1, len(heads)):
        if groups[-1] and page.measure(table([*groups[-1], column], names)).maximum > console.width:
            groups.append([])
        groups[-1].append(column)
    _print_fitting(console, table(range(1, len(heads))), [table(group, names) for group in groups])


def _as_text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(shown(cell))


def _print_note(console: Console, text: str, style: str = "dim") -> None:
    console.print(Text(shown(text), style=style), soft_wrap=not console.is_terminal)


def _cell(cell: Cell) -> RenderableType:
    value = (cell.value, ("", "bold", "underline")[cell.place])
    below = ("\n", (cell.interval, "dim")) if cell.interval else ()
    return Text.assemble(cell.mark, value, *below)  # before the figure, where it moves no decimal point


def _base_table(title: str) -> Table:
    return Table(title=Text(shown(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _wide(rows: Sequence[Row]) -> Table:
    table = _base_table(title_of(rows))
    table.add_column("#", justify="right")
    table.add_column("Method", no_wrap=True)
    for title in rows[0].parts.values():
        for figure in figures_of(rows).values():
            table.add_column(Text(f"{shown(title)}\n{figure}"), justify="right", no_wrap=True)
    for name in LAST:
        table.add_column(name, justify="right", no_wrap=True)
    for line in table_lines(rows):
        _add_heading(table, line)
        table.add_row(line.rank, Text(shown(line.label)), *map(_cell, line.cells.values()), *line.last)
    return table


def _add_heading(table: Table, line: Line) -> None:
    if line.heads:
        table.add_section()
        table.add_row("", Text(line.heads, style="bold"))


def _narrow(rows: Sequence[Row]) -> list[Table]:
    """Make a table a part, and one of the counts."""
    lines = table_lines(rows)
    tables = []
    for part, title in rows[0].parts.items():
        table = _narrow_table(
            f"{title}: {title_of(rows)}" if part == "full" else title, list(figures_of(rows).values())
        )
        for line in lines:
            _add_heading(table, line)
            cells = [_cell(line.cells[part, figure]) for figure in FIGURES]
            table.add_row(line.rank, Text(shown(line.label)), *cells)
        tables.append(table)
    counted = _narrow_table("Full: accuracy and what was counted", LAST)
    for line in lines:
        _add_heading(counted, line)
        counted.add_row(line.rank, Text(shown(line.label)), *line.last)
    return [*tables, counted]


def _narrow_table(title: str, columns: list[str]) -> Table:
    table = _base_table(title)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("Method", min_width=10, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _print_published(comparison: Comparison, console: Console) -> None:
    laid = published_table(comparison)

    def table(title: str, first: int, last: int) -> Table:
        """Make a table of the parts from `first` up to `last`."""
        made = _base_table(title)
        made.add_column("Method", no_wrap=first == 0 and last > 1)
        made.add_column("Year")
        for part in laid.titles[first:last]:
            for figure in FIGURES.values():
                made.add_column(Text(f"{shown(part)}\n{figure}"), justify="right", no_wrap=True)
        made.add_column("Notes", no_wrap=True)
        for method, year, cells, notes in laid.lines:
            figures = cells[first * len(FIGURES) : last * len(FIGURES)]
            made.add_row(*map(Text, (shown(method), year, *figures, notes)))
        return made

    count = len(laid.titles)
    _print_fitting(console, table(PUBLISHED_TITLE, 0, count), [table(PUBLISHED_TITLE, i, i + 1) for i in range(count)])
    for note in laid.notes:
        _print_note(console, note)
