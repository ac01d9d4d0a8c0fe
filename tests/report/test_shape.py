"""Tables as a paper wants them: columns, rows, order, digits; citations; the figure of intervals."""

import csv
import io
import shutil
import subprocess

import pytest
from support.cases import each
from support.refusals import refusal
from support.tables import texts

from merbench.contracts.notes import Note
from merbench.report.figures.intervals import intervals_figure, write_intervals
from merbench.report.figures.style import style
from merbench.report.shape import shaped, with_citations
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.write import write


def figure(value, *ends, **more):
    return Cell(f"{value:.4f}"[1:], "–".join(f"{end:.3f}"[1:] for end in ends), figure=(value, *ends), **more)


@pytest.fixture
def report():
    columns = [
        Column("#", key=True, in_papers=False),
        name_column("Method"),
        Column("UF1", "Full"),
        Column("UAR", "Full"),
    ]
    columns += [Column("UF1", "SMIC"), Column("Seeds")]
    rows = [
        [*text_cells("1", "net (wide)"), figure(0.7182, 0.651, 0.784, place=1), figure(0.7, 0.6, 0.8), figure(0.6),
         Cell("3")],
        [*text_cells("2", "net"), figure(0.7, 0.6, 0.75), figure(0.72, 0.6, 0.8), figure(0.65, 0.5, 0.7), Cell("1")],
    ]  # fmt: skip
    floor = [*text_cells("–", "floor"), figure(0.2407, 0.2, 0.3), figure(0.3333), Cell("–"), Cell("1")]
    notes = [Note("note", "net: one"), Note("note", "floor: two"), Note("note", "all: three")]
    table = Table("t", columns, [Section(rows), Section([floor], "Sanity")], ["A legend."], notes)
    other = Table("other", [name_column("Method"), Column("Acc")], [Section([text_cells("x", "1")])])
    return Report([table, other], records=[{"a": 1}], data=[1])


def test_columns_rows_and_order_are_chosen(report):
    cases = (
        ({"columns": ["full uar", "Seeds"]}, ["Method", "Full UAR", "Seeds"], ["net (wide)", "net", "floor"]),
        ({"columns": ["UF1"]}, ["Method", "Full UF1", "SMIC UF1"], ["net (wide)", "net", "floor"]),
        ({"columns": ["SMIC", "Full"], "rows": ["floor", "net"]}, ["Method", "SMIC UF1", "Full UF1", "Full UAR"],
         ["net", "floor"]),
        ({"columns": ["Seeds"], "order": "name"}, ["Method", "Seeds"], ["net", "net (wide)", "floor"]),
        ({"columns": ["SMIC", "Full"], "order": "SMIC"}, None, ["net", "net (wide)", "floor"]),
        ({"columns": ["Full"], "order": "full uar"}, None, ["net", "net (wide)", "floor"]),
    )  # fmt: skip
    for options, heads, names in each(cases):
        found = shaped(report, **options)
        (table,) = found.tables
        assert heads in (None, [column.head for column in table.columns])
        assert [row[0] for row in texts(table)] == names
        assert (found.records, found.data) == (None, None)
    kept = shaped(report, rows=["floor"])
    assert [note.text for note in kept.tables[0].notes] == ["floor: two", "all: three"]
    assert shaped(report) == report
    wrong = ({"columns": ["UF2"]}, {"rows": ["nett"]}, {"order": "Fill UAR"})
    assert [refusal(lambda more=more: shaped(report, **more)).partition(":")[0] for more in wrong] == [
        "--column 'UF2'", "--row 'nett'", "--order 'Fill UAR'",
    ]  # fmt: skip


def test_figures_are_rewritten_from_their_values(report):
    cases = ((True, None, "71.82", "65.1–78.4"), (True, 1, "71.8", "65–78"),
             (False, 2, ".72", ".7–.8"))  # fmt: skip
    for percent, digits, text, detail in each(cases):
        found = shaped(report, columns=["Full UF1"], percent=percent, digits=digits)
        cell = found.tables[0].sections[0].rows[0][1]
        assert (cell.text, cell.detail, cell.place) == (text, detail, 1)
        assert any("percent" in line for line in found.tables[0].legend) is percent
    rows = list(csv.DictReader(io.StringIO(write(shaped(report, columns=["UF1"], percent=True), "csv"))))
    assert rows[1] == {"section": "", "Method": "net", "Full UF1": "70.00", "SMIC UF1": "65.00"}
    assert "| net | 70.00 [60.0–75.0] |" in write(shaped(report, columns=["Full UF1"], percent=True), "md")


def test_shaped_tables_compile(report, tmp_path):
    made = with_citations(shaped(report, columns=["Full"], percent=True, resized=True), {"net": "liong2019shallow"})
    text = write(made, "latex")
    assert (text.count(r"\resizebox{\textwidth}"), text.count(r"net~\cite{liong2019shallow}")) == (1, 1)
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    packages = r"\usepackage[T1]{fontenc}\usepackage{textcomp,booktabs,graphicx}"
    page = rf"\documentclass[twocolumn]{{article}}{packages}\begin{{document}}" + text
    (tmp_path / "page.tex").write_text(page + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_intervals_are_drawn_where_the_table_has_them(report, tmp_path):
    with style():
        drawn = intervals_figure(report.tables[0])
    panels = {axes.get_title(): axes for axes in drawn.axes}
    assert list(panels) == ["Full UF1", "SMIC UF1"]
    lines = [line.get_xdata() for line in panels["Full UF1"].lines if len(line.get_xdata()) == 2]
    assert [list(line) for line in lines] == [[0.651, 0.784], [0.6, 0.75], [0.2, 0.3]]
    assert [tick.get_text() for tick in panels["Full UF1"].get_yticklabels()] == ["net (wide)", "net", "floor"]
    for form in each(("pdf", "svg", "png")):
        write_intervals(report, tmp_path / f"one.{form}")
        write_intervals(report, tmp_path / f"two.{form}")
        assert (tmp_path / f"one.{form}").stat().st_size > 1000
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    assert "ends in .pdf" in refusal(lambda: write_intervals(report, tmp_path / "a.gif"))
    assert "no row" in refusal(lambda: write_intervals(shaped(report, columns=["Seeds"]), tmp_path / "a.pdf"))
