"""The comparison as Markdown and LaTeX."""

from collections.abc import Iterable, Sequence

from merbench.analysis.rows import Row
from merbench.report.views.compare import (
    BELOW,
    FIGURES,
    LAST,
    PUBLISHED_TITLE,
    Cell,
    Comparison,
    figures_of,
    legend,
    published_table,
    table_lines,
    title_of,
)


def _remarks(rows: Sequence[Row]) -> list[str]:
    return [f"{row.label}: {remark}" for row in rows for remark in row.remarks]


def as_markdown(comparison: Comparison) -> str:
    """Write GitHub Markdown tables: best in bold, second best in italics."""
    text: list[str] = []
    for rows in comparison.groups():
        heads = [f"{title} {figure}" for title in rows[0].parts.values() for figure in figures_of(rows).values()]
        body = []
        for line in table_lines(rows):
            if line.heads:
                body.append(["", f"*{_markdown_escape(line.heads)}*", *[""] * (len(line.cells) + len(LAST))])
            body.append(
                [line.rank, _markdown_escape(line.label), *map(_markdown_cell, line.cells.values()), *line.last]
            )
        text += [f"**{_markdown_escape(title_of(rows))}**", ""]
        text += _markdown_table(["#", "Method", *map(_markdown_escape, heads), *LAST], body)
        text += [*legend(rows), "", *(f"- {_markdown_escape(remark)}" for remark in _remarks(rows)), ""]
    if comparison.published:
        laid = published_table(comparison)
        figures = [f"{part} {figure}" for part in laid.titles for figure in FIGURES.values()]
        body = [[*map(_markdown_escape, (method, year, *cells, notes))] for method, year, cells, notes in laid.lines]
        text += [f"**{PUBLISHED_TITLE}**", ""]
        text += _markdown_table(["Method", "Year", *map(_markdown_escape, figures), "Notes"], body)
        text += [f"- {_markdown_escape(note)}" for note in laid.notes]
    return "\n".join(text).rstrip() + "\n"


def _markdown_cell(cell: Cell) -> str:
    mark = ("", "**", "*")[cell.place]
    return f"{mark}{cell.value}{mark}{cell.mark}" + (f" [{cell.interval}]" if cell.interval else "")


def _markdown_table(heads: list[str], body: Iterable[list[str]]) -> list[str]:
    rule = ["---" if head in ("Method", "Year", "Notes") else "--:" for head in heads]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *body)] + [""]


def _markdown_escape(text: str) -> str:
    for mark in "\\|*_`<>[]~&":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "±": r"$\pm$",
    BELOW: r"$^\dagger$",
    "\n": " ",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def latex_escape(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(char, char) for char in text)


def as_latex(comparison: Comparison) -> str:
    """Write LaTeX tables (booktabs): best in bold, second best underlined, intervals small beneath the figures."""
    text = [r"% needs \usepackage{booktabs}"]
    for rows in comparison.groups():
        body = []
        for line in table_lines(rows):
            last = [latex_escape(cell) for cell in line.last]
            if line.heads:
                body.append([rf"\midrule \emph{{{latex_escape(line.heads)}}}", *[""] * (len(line.cells) + len(last))])
            body.append([latex_escape(line.label), *map(_latex_figure, line.cells.values()), *last])
            body.append(
                ["", *(rf"\tiny {latex_escape(cell.interval)}" for cell in line.cells.values()), *[""] * len(last)]
            )
        titles = list(rows[0].parts.values())
        figures = list(figures_of(rows).values())
        text += _latex_table(
            title_of(rows), titles, figures, LAST, body, [*legend(rows), *(f"{told}." for told in _remarks(rows))]
        )
    if comparison.published:
        laid = published_table(comparison)
        body = [[*map(latex_escape, (method, *cells, year, notes))] for method, year, cells, notes in laid.lines]
        text += _latex_table(PUBLISHED_TITLE, laid.titles, list(FIGURES.values()), ["Year", "Notes"], body, laid.notes)
    return "\n".join(text) + "\n"


def _latex_figure(cell: Cell) -> str:
    value = latex_escape(cell.value)
    figure = (value, rf"\textbf{{{value}}}", rf"\underline{{{value}}}")[cell.place]
    return figure + (rf"\rlap{{{latex_escape(cell.mark)}}}" if cell.mark else "")  # hangs over, moves no figure


def _latex_table(
    caption: str, parts: list[str], figures: list[str], last: list[str], body: list[list[str]], notes: Sequence[str]
) -> list[str]:
    """Write one table; its notes follow as a paragraph of their own, since they may be longer than a page's float."""
    width = len(figures)
    spans = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{latex_escape(part)}}}" for part in parts)
    rules = "".join(rf"\cmidrule(lr){{{2 + i * width}-{1 + (i + 1) * width}}}" for i in range(len(parts)))
    heads = " & ".join(["Method", *(figure for _ in parts for figure in figures), *last])
    return [
        r"\begin{table*}[t]",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{latex_escape(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(parts) * width)}{'r' * len(last)}}}",
        r"\toprule",
        rf" & {spans}{' &' * len(last)} \\",
        rules,
        rf"{heads} \\",
        r"\midrule",
        *(" & ".join(line) + r" \\" for line in body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
        rf"{{\footnotesize\noindent {' '.join(latex_escape(note) for note in notes)}\par}}",
        "",
    ]
