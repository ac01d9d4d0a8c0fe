"""Writers: any content stays in its cell, in any format; narrow terminals lose nothing."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from support.cases import each
from support.tables import printed

from merbench.contracts.notes import Note
from merbench.report import numbers
from merbench.report.numbers import interval_text, number, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.write import FORMATS, write
from merbench.report.write.latex import escape
from merbench.scoring.intervals import Interval

WILD = "a_b & 50 % of #1 {x} $y$ ~z ^ \\w <b>'\" | [c]"
NAN = float("nan")


@pytest.fixture
def wild():
    """Return a report of one table whose every text is full of the marks of all formats."""
    columns = [
        Column("#", key=True, in_papers=False),
        name_column(WILD),
        Column(WILD, group=WILD),
        Column("x", group=WILD),
    ]
    rows = [[*text_cells("1", WILD), Cell(WILD, WILD, 1, "†"), Cell("\x1b[31mred\nblue", place=2)]]
    sections = [Section(rows), Section([text_cells("–", "[bold]b", "", "")], WILD)]
    return Report([Table(WILD, columns, sections, ["A legend."], [Note("note", f"one {WILD}")])], command="merbench x")


def test_figures_are_written_as_in_papers():
    values = (0.0, 0.12345, 0.99996, 1.0, NAN, None)
    assert [number(value) for value in values] == [".0000", ".1235", "1.0000", "1.0000", "–", "–"]
    differences = (0.0841, -0.0026, -0.0004, 0.0, 1.0, -1.25, NAN)
    assert [signed(value) for value in differences] == ["+.084", "-.003", ".000", ".000", "+1.000", "-1.250", "–"]
    assert [interval_text(Interval(*ends)) for ends in ((0.1, 1.0), (NAN, NAN))] == [".100–1.000", ""]
    assert [signed_interval(Interval(*ends)) for ends in ((-0.1, 0.2), (NAN, NAN))] == ["-.100, +.200", ""]
    assert [numbers.p_text(value) for value in (0.0009, 0.001, 0.04)] == ["<.001", ".001", ".040"]
    assert [numbers.count_text(value) for value in (2.0, 2.5)] == ["2", "2.5"]
    assert [numbers.signed_count(value) for value in (0.01, 2.0, -0.5)] == ["0", "+2", "-0.5"]
    assert [numbers.range_text(counts) for counts in ([2, 2], [3, 1])] == ["2", "1 to 3"]
    durations = ["89 s", "2 min", "1 h 30 min", "1 h 30 min", "3 h 05 min"]
    assert [numbers.duration(seconds) for seconds in (89, 90, 5399, 5400, 11_100)] == durations


def test_latex_has_equal_cells_per_line_and_balanced_braces(wild):
    text = write(wild, "latex")
    ((preamble, body),) = re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert preamble == "lrr"
    for line in re.findall(r"^.*\\\\$", body, re.MULTILINE):
        spans = map(int, re.findall(r"\\multicolumn\{(\d+)\}", line))
        assert len(re.split(r"(?<!\\)&", line)) + sum(span - 1 for span in spans) == 3
    depths = [0]
    for mark in re.sub(r"\\[{}]", "", text):
        depths.append(depths[-1] + (mark == "{") - (mark == "}"))
    assert (min(depths), depths[-1]) == (0, 0)
    escaped = r"a\_b \& 50 \% of \#1 \{x\} \$y\$ \textasciitilde{}z \textasciicircum{} \textbackslash{}w"
    assert text.count(escaped) == 9
    assert r"\textbf{" + escaped in text
    assert r"\rlap{$^\dagger$}" in text
    assert escape("<>|") == r"\textless{}\textgreater{}\textbar{}"
    assert "hline" not in text


def test_markdown_has_equal_cells_per_line_and_escapes_its_marks(wild):
    lines = [line for line in write(wild, "md").splitlines() if line.startswith("|")]
    assert [len(re.split(r"(?<!\\)\|", line)) for line in lines] == [6] * 5
    escaped = r"a\_b \& 50 % of #1 {x} $y$ \~z ^ \\w \<b\>'" + r"\" \| \[c\]".replace(r"\"", '"')
    assert f"| **{escaped}**† [{escaped}] |" in lines[2]
    assert f"*{escaped}*" in lines[3] + lines[4]


class _Page(HTMLParser):
    """Collects tags and texts of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_html_escapes_everything_and_loads_nothing(wild):
    text = write(wild, "html")
    page = _Page()
    page.feed(text)
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert not any(name in ("src", "href") or name.startswith("on") for name, _ in page.attributes)
    assert page.text.count(WILD) == 10
    assert "<b>'" not in text
    assert "\x1b" not in text
    assert "\\x1b[31mred\nblue" in page.text


def test_data_without_records_are_the_cells(wild):
    (first, _) = json.loads(write(wild, "json"))
    assert first == {"#": "1", WILD: WILD, f"{WILD} {WILD}": WILD, f"{WILD} x": "\x1b[31mred\nblue"}
    with pytest.raises(ValueError, match="JSON"):
        write(Report([], records=[{"value": NAN}]), "json")
    assert write(Report([], records=[{"a": [1, 2], "b": True, "c": None}]), "csv") == "a,b,c\n1 2,true,\n"
    assert write(Report([], data={"folds": [1, 20]}), "json") == '{\n "folds": [1, 20]\n}\n'
    assert set(FORMATS) == {"md", "latex", "html", "csv", "json"}


HEADS = ["Dataset", *(f"figure-{number}" for number in range(1, 16))]
ROWS = [[name, *(f"{name[0]}{number:03d}" for number in range(1, 16))] for name in ("[bold]alpha", "beta")]


def wide(rows=ROWS):
    lines = [text_cells(*row) for row in rows]
    return Report([Table("Title", [name_column(HEADS[0]), *map(Column, HEADS[1:])], [Section(lines)])])


def test_in_a_pipe_a_table_is_as_wide_as_needed(wild):
    lines = [line.split() for line in printed(wide()).splitlines()]
    assert [line for line in lines if "figure-1" in line] == [HEADS]
    assert [line for line in lines if line[1:2] in (["[001"], ["b001"])] == ROWS
    for width in (150, 400, None):  # control characters are shown
        text = printed(wild, width)
        assert "\x1b" not in text
        assert "[bold]b" in text


def test_narrow_terminals_get_panels_that_lose_nothing():
    for width in each((30, 80, 120)):
        lines = printed(wide(), width).splitlines()
        assert max(map(len, lines)) <= width
        words = " ".join(lines).split()
        for column in range(1, 16):
            assert words.count(HEADS[column]) == 1
            for row in ROWS:
                (line,) = (line.split() for line in lines if row[column] in line.split())
                assert width < 80 or line[0] == row[0]
        assert "…" not in "".join(words)
        assert words.count("Title") + words.count("Title,") == words.count("Dataset") > 1
        long = printed(wide([["x" * 100, *ROWS[0][1:]]]), max(width, 80))
        assert max(map(len, long.splitlines())) <= max(width, 80)
        assert set(ROWS[0][1:]) <= set(long.split())


def test_columns_of_a_group_stay_in_one_panel():
    columns = [name_column("Row"), *(Column(name, group=group) for group in "abcd" for name in ("left", "right"))]
    table = Table("", columns, [Section([text_cells("r", *"12345678")])])
    lines = printed(Report([table]), 34).splitlines()
    heads = [line.split() for line in lines if "left" in line]
    assert len(heads) > 1
    assert all(head.count("left") == head.count("right") for head in heads)
    assert [line for one, line in pairwise(lines) if "Row" in one]


def test_latex_compiles(wild, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "page.tex").write_text(
        head + write(wild, "latex").replace("\x1b", "") + "\\end{document}\n", encoding="utf-8"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert made.returncode == 0, made.stdout[-3000:]


def test_no_control_character_or_formula_leaves_in_any_format():
    controls = "\x1b]0;t\x07 \x9b31m \u202e\u2066 \x00\r\u200f \u2028"
    formulas = ("=HYPERLINK(1)", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3+cmd", "\uff1d1")
    texts = (controls, *formulas, "\t=1", "-.016, +.008", "-")
    cells = text_cells(*texts)
    columns = [name_column(f"{text}h") for text in texts]
    table = Table(controls, columns, [Section([cells], controls)], [controls], [Note("note", controls)])
    report = Report([table], [Note("note", controls)], command=controls)
    for name in each(FORMATS):
        assert {char for char in write(report, name) if not char.isprintable()} == {"\n"}
    assert json.loads(write(report, "json"))[0][f"{texts[0]}h"] == texts[0]
    head, row = csv.reader(io.StringIO(write(report, "csv")))
    assert row[-2:] == ["-.016, +.008", "-"]
    assert row[-8:-3] == [f"'{text}" for text in formulas]
    assert all(cell[:1] not in "=+@" for cell in [*head, *row])
