"""One table model: any view builds it, any writer prints it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from merbench.contracts.notes import Note


@dataclass(frozen=True)
class Cell:
    """One cell: `text` is the value as printed, of one or several lines.

    `detail` is the interval of a figure, or an explanation of a name: below the value, or in brackets. `place` is 1 for
    the best of a column (bold; also a difference whose interval excludes 0), 2 for the second best. `mark` is a sign at
    the value, explained in the legend; `raw` the value for machines, where the text is not. `figure` is a score in
    0..1, alone or with the ends of its interval, from which the text can be written anew; `cite` the key of a row's
    paper.
    """

    text: str = ""
    detail: str = ""
    place: Literal[0, 1, 2] = 0
    mark: str = ""
    raw: Any = None
    figure: tuple[float, ...] = ()
    cite: str = ""


@dataclass(frozen=True)
class Column:
    """One column, headed by `title`, and by `group` if it shares that head with its neighbours.

    Long texts of one that `wraps` may be broken to fit a terminal; a `key` names the rows, and is repeated in every
    panel of a table that is too wide for a terminal; one not `in_papers` is not in the LaTeX table.
    """

    title: str
    group: str = ""
    align: Literal["left", "right"] = "right"
    wraps: bool = False
    key: bool = False
    in_papers: bool = True

    @property
    def head(self) -> str:
        """Both heads in one line."""
        return f"{self.group} {self.title}".strip()


@dataclass(frozen=True)
class Section:
    """Rows that belong together, with a title or none."""

    rows: Sequence[Sequence[Cell]]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """One table: sections of rows, a legend that says how to read it, and notes on its rows."""

    title: str
    columns: Sequence[Column]
    sections: Sequence[Section]
    legend: Sequence[str] = ()
    notes: Sequence[Note] = ()

    @property
    def titled(self) -> int:
        """The column that holds the titles of sections: the first of text."""
        return next((i for i, column in enumerate(self.columns) if column.align == "left"), 0)


@dataclass(frozen=True)
class Report:
    """What a command prints.

    `notes` are on all tables, such as runs that do not verify; on standard error where the format is not for people.
    `records` are the rows of CSV, by default those of the tables; `data` is the value of JSON, by default the rows of
    CSV; `command` the command line that gives this report, where it is worth printing. Tables that are `resized` are as
    wide as the page in LaTeX.
    """

    tables: Sequence[Table]
    notes: Sequence[Note] = ()
    records: Sequence[dict[str, Any]] | None = None
    data: Any = None
    command: str = ""
    resized: bool = False


def name_column(title: str, wraps: bool = True) -> Column:
    """Return a column that names the rows."""
    return Column(title, align="left", wraps=wraps, key=True)


def text_cells(*texts: object) -> list[Cell]:
    """Return cells of plain text."""
    return [Cell(str(text)) for text in texts]
