"""The comparison as Markdown and LaTeX."""

from collections.abc import Callable, Iterable, Sequence

from merbench.report.compare import (
    FIGURES,
    PUBLISHED_TITLE,
    Comparison,
    best_two,
    counts,
    figure_text,
    number,
    published_table,
    ranks,
    title_of,
)
from merbench.report.rows import Row


def as_markdown(comparison: Comparison) -> str:
    """Write GitHub Markdown tables: best in bold, second best in italics."""
    lines: list[str] = []
    for rows in comparison.groups():
        heads = [f"{title} {figure}" for title in rows[0].parts.values() for figure in FIGURES.values()]
        body = _paper_lines(rows, _markdown_escape, lambda t: f"**{t}**", lambda t: f"*{t}*", lambda v, i: f"{v} [{i}]")
        lines += [f"**{_markdown_escape(title_of(rows))}**", ""]
        lines += _markdown_table(["#", "Method", *map(_markdown_escape, heads), "Acc", "Clips", "Folds", "Seeds"], body)
        lines += [
            "95 % intervals by bootstrap over subjects, given the trained folds; ± is the spread of UF1 over seeds.",
            "",
        ]
        lines += [f"- {_markdown_escape(f'{row.label}: {remark}')}" for row in rows for remark in row.remarks]
    if comparison.published:
        laid = published_table(comparison)
        heads = [
            "Method",
            "Year",
            *(f"{part} {figure}" for part in laid.titles for figure in FIGURES.values()),
            "Notes",
        ]
        body = [[*map(_markdown_escape, (method, year, *cells, notes))] for method, year, cells, notes in laid.lines]
        lines += ["", f"**{PUBLISHED_TITLE}**", "", *_markdown_table(heads, body)]
        lines += [f"- {_markdown_escape(text)}" for text in laid.notes]
    return "\n".join(lines) + "\n"


def _markdown_table(heads: list[str], body: Iterable[list[str]]) -> list[str]:
    rule = ["---" if head in ("Method", "Year", "Notes") else "--:" for head in heads]
    return [f"| {' | '.join(line)} |" for line in (heads, rule, *body)] + [""]


def _markdown_escape(text: str) -> str:
    for mark in "\\|*_`<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")


def _paper_lines(
    rows: Sequence[Row],
    quoted: Callable[[str], str],
    best: Callable[[str], str],
    second: Callable[[str], str],
    joined: Callable[[str, str], str],
) -> list[list[str]]:
    """Return the lines of a paper's table: rank, method, figures with intervals, accuracy, counts."""
    rank, lines = ranks(rows), []
    for index, row in enumerate(rows):
        cells = []
        for part in row.parts:
            for figure in FIGURES:
                value, interval = figure_text(row.scores.get(part), figure)
                first, runner_up = best_two(rows, part, figure) if index in rank else (None, None)
                shown = best(value) if value == first else second(value) if value == runner_up else value
                cells.append(joined(shown, interval) if interval else shown)
        full = row.scores.get("full")
        lines.append(
            [str(rank.get(index, "–")), quoted(row.label), *cells, number(full.acc if full else None), *counts(row)]
        )
    return lines


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "±": r"$\pm$",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def latex_escape(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(char, char) for char in text)


def as_latex(comparison: Comparison) -> str:
    """Write LaTeX tables (booktabs): best in bold, second best underlined, intervals small beside the figures."""
    lines = [r"% needs \usepackage{booktabs}"]
    for rows in comparison.groups():
        parts = list(rows[0].parts.values())
        body = _paper_lines(
            rows, latex_escape, lambda t: rf"\textbf{{{t}}}", lambda t: rf"\underline{{{t}}}", _latex_cell
        )
        remarks = [f"{row.label}: {remark}" for row in rows for remark in row.remarks]
        lines += _latex_table(
            title_of(rows), parts, ["Acc", "Clips", "Folds", "Seeds"], [line[1:] for line in body], remarks
        )
    if comparison.published:
        laid = published_table(comparison)
        body = [[*map(latex_escape, (method, *cells, year, notes))] for method, year, cells, notes in laid.lines]
        lines += _latex_table(PUBLISHED_TITLE, laid.titles, ["Year", "Notes"], body, laid.notes)
    return "\n".join(lines) + "\n"


def _latex_cell(value: str, interval: str) -> str:
    return rf"{value} {{\tiny[{latex_escape(interval)}]}}"


def _latex_table(
    caption: str, parts: list[str], last: list[str], body: list[list[str]], notes: Sequence[str]
) -> list[str]:
    width = len(FIGURES)
    spans = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{latex_escape(part)}}}" for part in parts)
    rules = "".join(rf"\cmidrule(lr){{{2 + i * width}-{1 + (i + 1) * width}}}" for i in range(len(parts)))
    heads = " & ".join(["Method", *(figure for _ in parts for figure in FIGURES.values()), *last])
    return [
        r"\begin{table}[t]",
        r"\centering\scriptsize\setlength{\tabcolsep}{2pt}",
        rf"\caption{{{latex_escape(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(parts) * width)}{'r' * len(last)}}}",
        r"\toprule",
        rf" & {spans}{' &' * len(last)} \\",
        rules,
        rf"{heads} \\",
        r"\midrule",
        *(" & ".join(latex_dash(cell) for cell in line) + r" \\" for line in body),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {latex_escape(note)}" for note in notes),
        r"\end{table}",
        "",
    ]


def latex_dash(cell: str) -> str:
    """Write the dash of a missing figure, and the sign of a spread, as LaTeX does."""
    return cell.replace("–", "--").replace("±", r"$\pm$")
