"""Committed rows, their differences, and tables of them, for the pages that are written from them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from merbench.analysis.curves import known_from_test_clips
from merbench.analysis.held import hold_all
from merbench.analysis.rows import Row, measured_rows
from merbench.engine.plan.declared import declared
from merbench.engine.plan.truths import truths
from merbench.records.declared import name_of
from merbench.records.select import read_leaderboard
from merbench.report.numbers import excludes_zero, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column
from merbench.report.write import write
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.paired import Difference, paired_difference
from merbench.scoring.permutation import permutation_tests

PROTOCOL, FIRST, SECOND = "megc2019", "megc2019-flow28", "megc2019-flow4x28"
FLOOR = "majority"


@cache
def rows(data: str = FIRST, protocol: str = PROTOCOL) -> list[Row]:
    """Return the committed rows, best first, those without rank and sanity rows last."""
    runs = hold_all(read_leaderboard().where(protocol=protocol, data=data), truths())
    assert not runs.problems, runs.problems
    return measured_rows(runs, declared=declared())[0]


@cache
def named(data: str = FIRST, protocol: str = PROTOCOL) -> Mapping[str, Row]:
    """Return plain rows, by the last epoch and without other settings, by the name under which one is declared."""
    files = [(row.runs[0].file, row) for row in rows(data, protocol)]
    return {name_of(file): row for file, row in files if not file.variant and file.key.selection == "last"}


def competes(row: Row) -> bool:
    """Return whether a row is ranked and is not the floor."""
    return row.ranked and row.runs[0].file.method != FLOOR


def tables_of(row: Row) -> list[pd.DataFrame]:
    """Return the predictions of a row's seeds."""
    return [run.predictions for run in row.runs]


def minus(row: Row, other: Row) -> Difference:
    """Return the paired difference of two rows."""
    return paired_difference(tables_of(row), tables_of(other), row.runs[0].file.outputs)


def label(row: Row) -> str:
    """Return a row's label, with a mark if its settings are known from test clips."""
    return row.label + (" *" if known_from_test_clips(row) else "")


def p_of(row: Row, other: Row) -> float:
    """Return the p-value of the difference, not adjusted."""
    return float(permutation_tests(np.stack([row.by_subject, other.by_subject]), unweighted_f1)[0, 1])  # type: ignore[list-item]


def uf1(row: Row) -> float:
    """Return UF1 of all clips."""
    return row.scores["full"].uf1


WAITING = "the rows for it wait in [results](../results/README.md)."
#: Columns of words, not of figures.
_WORDS = {
    *("Net", "Not", "Row", "Data", "Selection", "Remarks", "What differs", "Best member"),
    "Strength (alpha, or C): UF1",
}


def written(columns: Sequence[str], lines: Iterable[Sequence[Cell]], legend: Sequence[str] = ()) -> str:
    """Write a table, with its names on the left."""
    lines = list(lines)
    if not lines:
        return f"Not known yet: {WAITING}"
    first, *others = columns
    heads = [name_column(first), *(Column(each, align="left" if each in _WORDS else "right") for each in others)]
    return write(Report([Table("", heads, [Section(lines)], legend)]), "md").strip()


def difference_cells(found: Difference, figure: str = "uf1") -> list[Cell]:
    """Return a difference with its interval, bold if that excludes 0."""
    interval = getattr(found, f"{figure}_interval")
    return [Cell(signed(getattr(found, figure)), signed_interval(interval), 1 if excludes_zero(interval) else 0)]
