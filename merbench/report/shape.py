"""Tables as a paper wants them: chosen columns and rows, their order, percent, digits, citations."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.report.numbers import interval_text, number
from merbench.report.table import Cell, Column, Report, Section, Table
from merbench.scoring.intervals import Interval

#: A table can be ordered by its columns, and by the names of rows.
BY_NAME = "name"


def shaped(
    report: Report,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    order: str = "",
    percent: bool = False,
    digits: int | None = None,
    resized: bool = False,
) -> Report:
    """Return a report with some columns and rows of its tables, and figures in other digits.

    `columns` are heads (``Full UF1``), titles (``UF1``: those of all parts) or groups (``SMIC``), in the order wanted;
    the names of rows always come first. `rows` are names of rows, or their first words where no row is called so, in
    the order wanted; `order` is a column, highest first, or ``name``. Figures have `digits` decimals and their
    intervals one less: by default 4 and 3, in percent 2 and 1. CSV and JSON then have the columns of the tables. Tables
    that have none of the rows or columns are not shown; MerbenchError where no table has one.
    """
    tables = list(report.tables)
    if columns:
        tables = _matched(tables, columns, "column", _column_names)
        tables = [_with_columns(table, columns) for table in tables]
    if rows:
        tables = _matched(tables, rows, "row", lambda table: {name for name in _names(table) if name})
        tables = [_with_rows(table, rows) for table in tables]
    if order:
        tables = _ordered(tables, order)
    if percent or digits is not None:
        many = (2 if percent else 4) if digits is None else digits
        tables = [_rewritten(table, percent, many) for table in tables]
    if tables == list(report.tables):
        return replace(report, resized=resized)
    return replace(report, tables=tables, records=None, data=None, resized=resized)


def with_citations(report: Report, keys: Mapping[str, str]) -> Report:
    """Return a report whose rows cite the papers of their methods: name of a row -> key."""

    def cited(row: Sequence[Cell]) -> list[Cell]:
        return [replace(cell, cite=keys.get(cell.text, "")) for cell in row]

    tables = [
        replace(table, sections=[replace(each, rows=list(map(cited, each.rows))) for each in table.sections])
        for table in report.tables
    ]
    return replace(report, tables=tables)


def row_names(report: Report) -> list[str]:
    """Return the names of all rows of a report."""
    return [name for table in report.tables for name in _names(table)]


def _column_names(table: Table) -> set[str]:
    return {text for column in table.columns for text in (column.head, column.title, column.group) if text}


def _heads(column: Column) -> set[str]:
    return {text.casefold() for text in (column.head, column.title, column.group) if text}


def _names(table: Table) -> list[str]:
    return [row[table.titled].text for section in table.sections for row in section.rows]


def _fits(name: str, wanted: str) -> bool:
    """Whether a row is called so, or begins with these words."""
    return name.casefold() == wanted.casefold() or name.casefold().startswith(f"{wanted.casefold()} ")


def _matched(
    tables: Sequence[Table], wanted: Sequence[str], kind: str, known: Callable[[Table], set[str]]
) -> list[Table]:
    """Return the tables that have one of the rows or columns; MerbenchError names one that no table has."""
    names = [known(table) for table in tables]
    fits = _fits if kind == "row" else (lambda name, text: name.casefold() == text.casefold())
    for text in wanted:
        if not any(fits(name, text) for each in names for name in each):
            every = {name for each in names for name in each}
            raise MerbenchError(f"--{kind} {text!r}: no table has it{suggestion(text, every)}")
    return [
        table
        for table, each in zip(tables, names, strict=True)
        if any(fits(name, text) for name in each for text in wanted)
    ]


def _with_columns(table: Table, wanted: Sequence[str]) -> Table:
    places = [table.titled]
    for text in wanted:
        places += [i for i, each in enumerate(table.columns) if text.casefold() in _heads(each) and i not in places]
    columns = [replace(table.columns[place], in_papers=True) for place in places]
    sections = [Section([[row[i] for i in places] for row in each.rows], each.title) for each in table.sections]
    return replace(table, columns=columns, sections=sections)


def _with_rows(table: Table, wanted: Sequence[str]) -> Table:
    """Choose rows; notes on the others go with them."""
    names = list(dict.fromkeys(_names(table)))
    chosen: list[str] = []
    for text in wanted:
        same = [name for name in names if name.casefold() == text.casefold()]
        chosen += [name for name in same or names if _fits(name, text) and name not in chosen]
    sections = []
    for section in table.sections:
        rows = [row for name in chosen for row in section.rows if row[table.titled].text == name]
        sections += [replace(section, rows=rows)] * bool(rows)
    others = tuple(f"{name}: " for name in names if name not in chosen)
    notes = [note for note in table.notes if not note.text.startswith(others)]
    return replace(table, sections=sections, notes=notes)


def _ordered(tables: Sequence[Table], order: str) -> list[Table]:
    """Order the rows of each section; a table without the column stays as it is."""
    found = []
    for table in tables:
        places = [place for place, column in enumerate(table.columns) if order.casefold() in _heads(column)]
        by_name = order.casefold() == BY_NAME
        place = table.titled if by_name else next(iter(places), None)
        if place is None:
            found.append((False, table))
            continue
        sections = [replace(each, rows=_in_order(each.rows, place, by_name)) for each in table.sections]
        found.append((True, replace(table, sections=sections)))
    if not any(fits for fits, _ in found):
        known = {column.head for table in tables for column in table.columns} | {BY_NAME}
        raise MerbenchError(f"--order {order!r}: no table has this column{suggestion(order, known)}")
    return [table for _, table in found]


def _in_order(rows: Sequence[Sequence[Cell]], place: int, by_name: bool) -> list[Sequence[Cell]]:
    if by_name:
        return sorted(rows, key=lambda row: row[place].text.casefold())
    return sorted(rows, key=lambda row: _highest_first(row[place]))


def _highest_first(cell: Cell) -> tuple[float, str]:
    return (-cell.figure[0] if cell.figure else math.inf, cell.text)


def _rewritten(table: Table, percent: bool, digits: int) -> Table:
    scale = 100 if percent else 1

    def written(cell: Cell) -> Cell:
        if not cell.figure:
            return cell
        value, *ends = (scale * each for each in cell.figure)
        interval = interval_text(Interval(*ends), max(digits - 1, 0)) if len(ends) == 2 else ""
        return replace(cell, text=number(value, digits), detail=interval)

    sections = [Section([list(map(written, row)) for row in each.rows], each.title) for each in table.sections]
    legend = [*table.legend, *["UF1, UAR and Acc are in percent."] * percent]
    return replace(table, sections=sections, legend=legend)
