"""A table of many columns: whole where there is no terminal, in parts where the terminal is narrow, never cut."""

import io

import pytest
from rich.console import Console

from merbench.report.write.terminal import print_columns

HEADS = ["Dataset", *(f"figure-{number}" for number in range(1, 16))]
ROWS = [[name, *(f"{name[0]}{number:03d}" for number in range(1, 16))] for name in ("[bold]alpha", "beta")]


def printed(width, heads=HEADS, rows=ROWS, terminal=True):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, _environ={})
    print_columns(console, "Title", heads, rows)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def words(lines):
    return " ".join(lines).split()


def test_without_a_terminal_a_table_is_as_wide_as_it_needs_to_be():
    lines = printed(80, terminal=False)
    assert [line.split() for line in lines if "figure-" in line] == [HEADS]
    assert [line.split() for line in lines if "001" in line] == ROWS


@pytest.mark.parametrize("width", [30, 80, 120])
def test_on_a_narrow_terminal_every_head_and_figure_is_there_once_beside_its_row(width):
    lines = printed(width)
    assert max(map(len, lines)) <= width
    said = words(lines)
    for column in range(1, 16):
        assert said.count(HEADS[column]) == 1
        for row in ROWS:
            (line,) = (line.split() for line in lines if row[column] in line.split())
            if width >= 80:
                assert line[0] == row[0]
    assert "…" not in "".join(said)
    assert sum(word.startswith("Title") for word in said) == sum(word == "Dataset" for word in said) > 1


def test_on_a_wide_terminal_it_is_one_table():
    assert words(printed(250)).count("Dataset") == 1


def test_a_long_name_of_a_row_is_folded_and_takes_no_figure_its_place():
    rows = [["x" * 100, *ROWS[0][1:]]]
    lines = printed(80, rows=rows)
    assert max(map(len, lines)) <= 80
    assert set(ROWS[0][1:]) <= set(words(lines))
    assert sum("Dataset" in line for line in lines) <= 4
