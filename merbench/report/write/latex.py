r"""Reports as LaTeX tables (booktabs): best in bold, second best underlined, intervals small below the figures."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from merbench.contracts.names import shown_lines
from merbench.report.table import Cell, Column, Report, Table

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "\n": " ",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def escape(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_SIGNS.get(char, char) for char in shown_lines(text))


def as_latex(report: Report) -> str:
    """Write the tables of a report; notes follow each as a paragraph, since they may be longer than a float's page."""
    needs = r"% needs \usepackage{booktabs}" + r" and \usepackage{graphicx}" * report.resized
    return "\n".join([needs, *(line for table in report.tables for line in _table(table, report.resized))])


def _table(table: Table, resized: bool) -> Iterator[str]:
    used = [place for place, column in enumerate(table.columns) if column.in_papers]
    columns = [table.columns[place] for place in used]
    body = []
    for section in table.sections:
        if section.title:
            body.append(rf"\midrule \emph{{{escape(section.title)}}}{' &' * (len(columns) - 1)} \\")
        for row in section.rows:
            cells = [row[place] for place in used]
            body.append(_line(map(_figure, cells)))
            if any(cell.detail for cell in cells):
                details = [rf"\tiny {escape(cell.detail)}" if cell.detail else "" for cell in cells]
                body.append(" & ".join(details) + r" \\")
    yield from (r"\begin{table*}[t]", r"\centering\scriptsize\setlength{\tabcolsep}{3pt}")
    if table.title:
        yield rf"\caption{{{escape(table.title)}}}"
    yield from [r"\resizebox{\textwidth}{!}{%"] * resized
    yield rf"\begin{{tabular}}{{{''.join(column.align[0] for column in columns)}}}"
    yield r"\toprule"
    yield from _groups(columns)
    yield " & ".join(escape(column.title) for column in columns) + r" \\"
    yield from (r"\midrule", *body, r"\bottomrule", r"\end{tabular}" + "}" * resized, r"\end{table*}")
    said = [*table.legend, *(note.text if note.text.endswith(".") else f"{note.text}." for note in table.notes)]
    if said:
        yield rf"{{\footnotesize\noindent {' '.join(map(escape, said))}\par}}"
    yield ""


def _line(cells: Iterable[str]) -> str:
    text = " & ".join(cells) + r" \\"
    return f"{{}}{text}" if text.startswith(("[", "*")) else text  # no argument of the line before


def _groups(columns: Sequence[Column]) -> Iterator[str]:
    """Write the heads that columns share, with a rule below each; nothing where there are none."""
    spans, rules, place = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
        rules += [rf"\cmidrule(lr){{{place}-{place + width - 1}}}"] * bool(group)
        place += width
    if rules:
        yield from (" & ".join(spans) + r" \\", "".join(rules))


def _figure(cell: Cell) -> str:
    text = escape(cell.text)
    figure = (text, rf"\textbf{{{text}}}", rf"\underline{{{text}}}")[cell.place]
    figure += rf"~\cite{{{cell.cite}}}" if cell.cite else ""
    return figure + (rf"\rlap{{{escape(cell.mark)}}}" if cell.mark else "")  # moves no figure
