"""LaTeX and Markdown: whatever a name holds, the table stays a table and the name is printed as it is."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from merbench.analysis.rows import published_rows
from merbench.report.write.paper import as_latex, as_markdown, latex_escape

WILD = "a_b & 50 % of #1 {x} $y$ ~z ^ \\w <b> | [c]"


def columns_of(preamble):
    return len(re.sub(r"[^lrc]", "", preamble))


def cells_of(line):
    """Split a line of a tabular into its cells; a ``\\multicolumn`` counts as many as it spans."""
    cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
    return sum(int(spans.group(1)) if (spans := re.search(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells)


def tables_of(text):
    """Return each tabular's preamble and lines."""
    return [
        (preamble, [line for line in body.splitlines() if line.endswith(r"\\")])
        for preamble, body in re.findall(r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    ]


@pytest.fixture
def wild(record, answers, right):
    """Return a comparison whose titles, settings and remarks are full of the marks of LaTeX and Markdown."""
    record.titles = {"alpha": WILD, "beta": "\\"}
    record(answers, method="my_net", variant=f"word={WILD}", remark=f"wild {WILD}", data=WILD)
    record(right, method="other.net", failing={"alpha/s2": f"raised {WILD}\n\nand more \\end{{table}}"}, data=WILD)
    comparison = record.compared()
    assert len(comparison.rows) == 2
    return replace(comparison, published=published_rows("megc2019"), titles={"full": WILD})


def test_latex_is_a_table_of_booktabs_with_as_many_cells_in_each_line(wild):
    text = as_latex(wild)
    assert r"\usepackage{booktabs}" in text
    tables = tables_of(text)
    assert len(tables) == 2
    for preamble, lines in tables:
        assert len(lines) > 2
        assert {cells_of(line) for line in lines} == {columns_of(preamble)}
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 2
    assert "hline" not in text


def test_remarks_of_latex_end_before_the_next_begins(record, answers, right):
    record(answers, method="one", remark="a remark")
    record(right, method="two", remark="another", synthetic=False)
    text = as_latex(record.compared())
    assert re.search(r"two: another\. .*[^.]\. one: a remark\. one: ", text)


def test_latex_braces_are_balanced(wild):
    depth, lowest = 0, 0
    for mark in re.sub(r"\\[{}]", "", as_latex(wild)):
        depth += (mark == "{") - (mark == "}")
        lowest = min(lowest, depth)
    assert (depth, lowest) == (0, 0)


def test_latex_names_are_escaped(wild):
    text = as_latex(wild)
    escaped = r"a\_b \& 50 \% of \#1 \{x\} \$y\$ \textasciitilde{}z \textasciicircum{} \textbackslash{}w"
    for before in (r"my\_net (word=", r"my\_net (word=" + escaped, "wild ", "raised ", "}{c}{"):
        assert before in text
    assert text.count(escaped) >= 5
    assert r"\end{table}" not in text.replace(r"\end{table}" + "\n", "")


@pytest.mark.parametrize(
    ("char", "escaped"),
    [
        ("\\", r"\textbackslash{}"), ("&", r"\&"), ("%", r"\%"), ("$", r"\$"), ("#", r"\#"), ("_", r"\_"),
        ("{", r"\{"), ("}", r"\}"), ("~", r"\textasciitilde{}"), ("^", r"\textasciicircum{}"),
        ("<", r"\textless{}"), (">", r"\textgreater{}"), ("|", r"\textbar{}"),
    ],
)  # fmt: skip
def test_each_mark_of_latex_is_escaped(char, escaped):
    assert latex_escape(f"a{char}b{char}") == f"a{escaped}b{escaped}"


def test_latex_compiles_whatever_the_names_are(wild, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed, so that the tables are not compiled")
    page = (
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + as_latex(wild) + "\\end{document}\n"
    )
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True,
        text=True, errors="replace", check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-3000:]


def test_markdown_rows_have_as_many_cells_as_their_head(wild):
    blocks = re.findall(r"(?:^\|.*\|\n)+", as_markdown(wild), re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        counts = {len(re.split(r"(?<!\\)\|", line.strip().strip("|"))) for line in block.splitlines()}
        assert len(counts) == 1
        assert re.fullmatch(r"[|: -]+", block.splitlines()[1])


def test_markdown_escapes_its_own_marks(wild):
    text = as_markdown(wild)
    escaped = r"a\_b & 50 % of #1 {x} $y$ ~z ^ \\w \<b\> \| \[c\]"
    plain = [re.sub(r"\\([&#{}$~^%])", r"\1", line).replace("&amp;", "&") for line in text.splitlines()]
    assert any(rf"my\_net (word={escaped})" in line for line in plain if line.startswith("| 1 |"))
    assert any(f"{escaped} UF1" in line for line in plain if line.startswith("| # |"))
    assert any(f"raised {escaped} " in line for line in plain if line.startswith("- "))
    assert not re.search(r"^and more", text, re.MULTILINE)
