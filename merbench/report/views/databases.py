"""The databases, and the arrays that are kept of them."""

from collections.abc import Mapping, Sequence

from merbench.contracts.notes import Note
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells


def databases_report(databases: Mapping[str, Sequence[str]], problems: Sequence[Note]) -> Report:
    """Build the list of databases: contents, place, protocols, source; `problems` are broken entries of either."""
    columns = [name_column("Database")]
    columns += [Column(title, align="left", wraps=True) for title in ("Here", "Serves", "Source")]
    sections = [Section([text_cells(*texts)]) for texts in databases.values()]
    return Report([Table("", columns, sections)], list(problems))


def store_report(shelves: Sequence[Sequence[object]], notes: Sequence[str]) -> Report:
    """Build the list of the store: database, input, clips, megabytes, unusable arrays, reason."""
    columns = [name_column("Database"), Column("Input", align="left", wraps=True)]
    columns += [*map(Column, ("Clips", "MB", "Unusable")), Column("", align="left", wraps=True)]
    tables = [Table("", columns, [Section([text_cells(*shelf) for shelf in shelves])])] if shelves else []
    return Report(tables, [Note("note", note) for note in notes])
