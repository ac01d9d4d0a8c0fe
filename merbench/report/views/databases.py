"""The databases, and the arrays that are kept of them."""

from collections.abc import Mapping, Sequence

from merbench.contracts.notes import Note
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells


def databases_report(databases: Mapping[str, Sequence[Sequence[str]]], problems: Sequence[str]) -> Report:
    """Build the list of databases.

    Parameters
    ----------
    databases : mapping of str to sequence of sequence of str
        Database -> lines of each column: what it holds, where it is, which protocols it serves, where to get it.
    problems : sequence of str
        Broken databases and protocols.
    """
    columns = [name_column("Database")]
    columns += [Column(title, align="left", wraps=True) for title in ("Here", "Serves", "Source")]
    sections = [
        Section([[Cell("\n".join(lines)) for lines in ([name, *first], *others)]])
        for name, (first, *others) in databases.items()
    ]
    return Report([Table("", columns, sections)], [Note("warning", f"broken: {problem}") for problem in problems])


def store_report(shelves: Sequence[Sequence[object]], notes: Sequence[Note]) -> Report:
    """Build the list of what the store holds: database, input, clips, megabytes, unusable arrays, reason."""
    columns = [name_column("Database"), Column("Input", align="left", wraps=True)]
    columns += [*map(Column, ("Clips", "MB", "Unusable")), Column("", align="left", wraps=True)]
    lines = [text_cells(*shelf) for shelf in shelves]
    return Report([Table("", columns, [Section(lines)], notes=notes)])
