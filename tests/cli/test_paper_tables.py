"""Tables for papers on the command line: the options of compare, a bibliography, a figure, pdflatex."""

import csv
import io
import json
import shutil
import subprocess

import pytest
from support.cases import says

BOARD = ("compare", "--protocol", "megc2019", "--data", "megc2019-flow28", "--leaderboard", "--no-published")
ROWS = ("--row", "svm-flow", "--row", "ststnet")


@pytest.mark.slow
def test_a_table_of_the_committed_rows_compiles_with_its_bibliography(done, tmp_path):
    files = ("--bib", "rows.bib", "--figure", "rows.pdf")
    text = done(*BOARD, *ROWS, "--column", "UF1", "--percent", "--format", "latex", "--resizebox", *files)
    says(text, r"ststnet~\cite{liong2019shallow} & 70.01 & ", r"\resizebox{\textwidth}{!}{%", "are in percent")
    assert "flow-classifier" not in text
    bib = (tmp_path / "rows.bib").read_text(encoding="utf-8")
    assert [bib.count(key) for key in ("{liong2019shallow,", "{see2019megc,", "{xia2020")] == [1, 1, 0]
    rows = list(
        csv.DictReader(io.StringIO(done(*BOARD, *ROWS, "--column", "Full", "--digits", "3", "--format", "csv")))
    )
    assert rows[:2] == [
        {"Method": "svm-flow", "Full UF1": ".718", "Full UAR": ".719"},
        {"Method": "ststnet", "Full UF1": ".700", "Full UAR": ".690"},
    ]
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    packages = r"\usepackage[T1]{fontenc}\usepackage{textcomp,booktabs,graphicx}"
    end = r"\includegraphics{rows.pdf}\bibliographystyle{plain}\bibliography{rows}\end{document}"
    page = rf"\documentclass[twocolumn]{{article}}{packages}\begin{{document}}{text}{end}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    for command in (latex, ["bibtex", "page"], latex, latex):
        made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout[-2000:]
    assert "undefined" not in made.stdout


def test_options_of_tables_that_do_not_fit_are_refused(all_refused):
    all_refused("""compare -p casme2-5 --column "UF2" | compare -p casme2-5 --row nobody |
compare -p casme2-5 --order UFF | compare -p casme2-5 --resizebox | compare -p casme2-5 --figure a.gif |
compare -p casme2-5 --figure a.pdf | compare -p casme2-5 --digits 9""")


def test_published_figures_have_their_verdicts_in_every_format(done):
    for form in ("table", "md", "latex", "csv"):
        says(done("compare", "--protocol", "megc2019", "--published", "--format", form), "impossible")
    text = done("compare", "--protocol", "megc2019", "--published", "--format", "json")
    rows = {(row["method"], row["part"]): row for row in json.loads(text)}
    assert rows["LBP-TOP", "smic-hs"]["verdict"] == "impossible"
    assert rows["LBP-TOP", "smic-hs"]["uf1_printed"] == ".2000"
    says(done("compare", "--protocol", "cd6me"), "Mean of databases | not checked")
    says(done("compare", "--protocol", "casme2-5", "--row", "LBP-TOP", "--column", "Acc", "--percent"), "46.40")
