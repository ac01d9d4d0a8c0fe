"""Reports as GitHub Markdown: best in bold, second best in italics, intervals in brackets."""

from collections.abc import Iterable, Iterator

from merbench.contracts.names import shown_lines
from merbench.report.table import Cell, Report, Table


def as_md(report: Report) -> str:
    """Write the tables of a report, each with its legend and notes below it."""
    lines = [line for table in report.tables for line in _table(table)]
    if report.command:
        lines += ["```sh", shown_lines(report.command), "```"]
    return "\n".join(lines)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield from (f"**{escape(table.title)}**", "")
    yield _line(escape(column.head) for column in table.columns)
    yield _line("---" if column.align == "left" else "--:" for column in table.columns)
    for section in table.sections:
        if section.title:
            title = f"*{escape(section.title)}*"
            yield _line(title if place == table.titled else "" for place in range(len(table.columns)))
        yield from (_line(map(_cell, row)) for row in section.rows)
    yield ""
    if table.legend:
        yield from (*map(shown_lines, table.legend), "")
    if table.notes:
        yield from (*(f"- {escape(note.text)}" for note in table.notes), "")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    mark = ("", "**", "*")[cell.place]
    return f"{mark}{escape(cell.text)}{mark}{cell.mark}" + (f" [{escape(cell.detail)}]" if cell.detail else "")


def escape(text: str) -> str:
    """Write text so that Markdown prints it as it is."""
    text = shown_lines(text)
    for mark in "\\|*_`<>[]~&":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")
