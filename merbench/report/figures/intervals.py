"""The figure of a table: UF1 of every row with its interval, a panel a part."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.contracts.errors import MerbenchError
from merbench.records.files import write_whole
from merbench.report.figures.style import PAGE, SERIES_COLOURS, label, new_figure, style, title
from merbench.report.table import Report, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Forms that a figure is written in, by the ending of its file.
FORMS = ("pdf", "png", "svg")
_UNDATED: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}


def write_intervals(report: Report, path: Path, figure: str = "UF1") -> None:
    """Draw the first table that has intervals of a figure, and write it; the same file for the same table.

    Raises MerbenchError for an ending that is not of `FORMS`, and where no table has intervals.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise MerbenchError(f"--figure {path}: expected a file that ends in {', '.join('.' + each for each in FORMS)}")
    fit = [table for table in report.tables if _panels(table, figure)]
    if not fit:
        raise MerbenchError(f"--figure {path}: no row of the table has an interval of {figure}")
    buffer = io.BytesIO()
    with style():
        intervals_figure(fit[0], figure).savefig(buffer, format=form, metadata=_UNDATED[form])
    write_whole(path, buffer.getvalue())


def intervals_figure(table: Table, figure: str = "UF1") -> "Figure":
    """Draw a figure of each row with its interval, the first row of the table on top; sanity rows are grey."""
    panels = _panels(table, figure)
    lines = [(row, bool(section.title)) for section in table.sections for row in section.rows]
    lines = [(row, grey) for row, grey in lines if any(len(row[place].figure) == 3 for place in panels.values())]
    drawn = new_figure(PAGE, 0.8 + 0.17 * len(lines))
    every = drawn.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (group, place) in zip(every, panels.items(), strict=True):
        for height, (row, grey) in enumerate(lines):
            if len(row[place].figure) == 3:
                value, low, high = row[place].figure
                colour = SERIES_COLOURS[-1] if grey else SERIES_COLOURS[1]
                axes.plot([low, high], [height, height], color=colour, linewidth=1.1, solid_capstyle="butt")
                axes.plot([value], [height], "o", color=colour, markersize=3)
        axes.set_title(f"{group} {figure}".strip())
        axes.grid(axis="x", linewidth=0.3)
        axes.tick_params(axis="y", length=0)
    every[0].set_yticks(range(len(lines)), [label(row[table.titled].text, 40) for row, _ in lines])
    every[0].set_ylim(len(lines) - 0.4, -0.6)
    title(drawn, f"{table.title}: {figure} with 95 % intervals over subjects")
    return drawn


def _panels(table: Table, figure: str) -> dict[str, int]:
    """Return the columns of a figure that have an interval in some row, by the part."""
    rows = [row for section in table.sections for row in section.rows]
    return {
        column.group: place
        for place, column in enumerate(table.columns)
        if column.title == figure and any(len(row[place].figure) == 3 for row in rows)
    }
