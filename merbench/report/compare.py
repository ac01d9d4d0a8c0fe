"""The table that goes into the paper: measured rows, and, set apart, what others have published."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from merbench.report.rows import FIELDS, Row
from merbench.scoring.intervals import Interval
from merbench.scoring.table import PartScore

FIGURES = {"uf1": "UF1", "uar": "UAR"}


@dataclass(frozen=True)
class Comparison:
    """What `compare` shows.

    Attributes
    ----------
    rows : list of Row
        Measured, in order; those that rank together stand together.
    published : list of dict
        Published figures, see :func:`merbench.report.rows.published_rows`.
    notes : list of str
        What is not shown, or did not verify.
    titles : dict of str to str
        Part -> title, for the published figures.
    """

    rows: list[Row]
    published: list[dict[str, Any]]
    notes: list[str]
    titles: dict[str, str] = field(default_factory=dict)

    def groups(self) -> list[list[Row]]:
        """Return the rows in the groups that rank together."""
        return [list(group) for _, group in groupby(self.rows, key=lambda row: row.comparable)]

    def records(self) -> list[dict[str, Any]]:
        """Return everything as objects, one a row and part."""
        return [record for row in self.rows for record in row.records()] + self.published


def number(value: float | None) -> str:
    """Write a figure as papers do: four decimals, no leading zero; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.4f}".removeprefix("0")


def _interval(interval: Interval) -> str:
    return "–" if math.isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}".replace("0.", ".")


def _figure(score: PartScore | None, name: str) -> tuple[str, str]:
    """Return a figure and its interval as text."""
    if score is None:
        return "–", ""
    return number(getattr(score, name)), _interval(getattr(score, f"{name}_interval"))


def ranks(rows: Sequence[Row]) -> dict[int, int]:
    """Rank rows by UF1 of the full part: place in the sequence -> rank from 1.

    Rows with holes, and rows whose card admits something that sets them apart, have none.
    """
    fit = [i for i, row in enumerate(rows) if row.status == "complete" and not row.admits and "full" in row.scores]
    fit.sort(key=lambda i: -rows[i].scores["full"].uf1)
    return {index: rank for rank, index in enumerate(fit, start=1)}


def best_two(rows: Sequence[Row], part: str, name: str) -> tuple[str | None, str | None]:
    """Return the best and the second best value of a column among ranked rows, as printed (ties share a place)."""
    values = sorted(
        {number(getattr(rows[i].scores[part], name)) for i in ranks(rows) if part in rows[i].scores} - {"–"}, key=float
    )
    return (values[-1] if values else None, values[-2] if len(values) > 1 else None)


def _seeds(row: Row) -> str:
    score = row.scores.get("full")
    spread = "" if score is None or math.isnan(score.seed_sd) else f" ±{score.seed_sd:.3f}".replace("0.", ".")
    return f"{len(row.runs)}{spread}"


def _counts(row: Row) -> list[str]:
    """Return clips, folds and seeds; holes are visible in the first two."""
    score, file = row.scores.get("full"), row.runs[0].file
    clips, all_clips = score.clips if score else 0, sum(file.folds.values())
    return [
        str(clips) if clips == all_clips else f"{clips}/{all_clips}",
        str(row.folds) if row.folds == len(file.folds) else f"{row.folds}/{len(file.folds)}",
        _seeds(row),
    ]


def title_of(rows: Sequence[Row]) -> str:
    """Name what the rows of a group have in common, with the digests that say so."""
    file = rows[0].runs[0].file
    data = sorted({row.runs[0].file.data for row in rows})
    kind = ", synthetic data" if file.synthetic else ""
    return f"{file.protocol} on {', '.join(data)}{kind} (protocol {file.key.spec_digest[:8]}, split {file.key.split_digest[:8]})"


# --- terminal -----------------------------------------------------------------------------------------------------------


def print_table(comparison: Comparison, console: Console) -> None:
    """Print for people: one wide table a group, or a narrow one a part where the terminal is narrow."""
    for rows in comparison.groups():
        _print_fitting(console, _wide(rows), [_narrow(rows, part) for part in rows[0].parts])
        _print_note(
            console,
            "95 % intervals by bootstrap over subjects, given the trained folds; ± is the spread of UF1 over seeds",
        )
        for row in rows:
            for remark in row.remarks:
                _print_note(console, f"{row.label}: {remark}")
        console.print()
    if comparison.published:
        _print_published(comparison, console)
    for note in comparison.notes:
        _print_note(console, note, "yellow")


def _print_fitting(console: Console, wide: Table, narrow: Sequence[Table]) -> None:
    """Print a wide table where it fits, or where there is no terminal to fit; else narrow ones, one below the other."""
    page = Console(file=console.file, width=1000, highlight=False)
    needed = page.measure(wide).maximum
    if console.is_terminal and needed > console.width:
        for table in narrow:
            console.print(table)
    elif console.is_terminal:
        console.print(wide)
    else:
        Console(file=console.file, width=needed, highlight=False).print(wide)


def _print_note(console: Console, text: str, style: str = "dim") -> None:
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _cell(score: PartScore | None, name: str, best: tuple[str | None, str | None]) -> RenderableType:
    value, interval = _figure(score, name)
    style = "bold" if value == best[0] else "underline" if value == best[1] else ""
    return Text.assemble((value, style), "\n", (interval, "dim")) if interval else Text(value)


def _base_table(title: str) -> Table:
    return Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _wide(rows: Sequence[Row]) -> Table:
    table = _base_table(title_of(rows))
    table.add_column("#", justify="right")
    table.add_column("Method", no_wrap=True)
    for title in rows[0].parts.values():
        for figure in FIGURES.values():
            table.add_column(f"{escape(title)}\n{figure}", justify="right", no_wrap=True)
    for name in ("Acc", "Clips", "Folds", "Seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    rank = ranks(rows)
    for index, row in enumerate(rows):
        cells = [
            _cell(row.scores.get(p), f, best_two(rows, p, f) if index in rank else (None, None))
            for p in row.parts
            for f in FIGURES
        ]
        full = row.scores.get("full")
        table.add_row(
            str(rank.get(index, "–")), escape(row.label), *cells, number(full.acc if full else None), *_counts(row)
        )
    return table


def _narrow(rows: Sequence[Row], part: str) -> Table:
    table = _base_table(f"{rows[0].parts[part]}: {title_of(rows)}" if part == "full" else rows[0].parts[part])
    for name, justify in (("#", "right"), ("Method", "left"), ("UF1", "right"), ("UAR", "right"), ("Acc", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    full = part == "full"
    for name in ("Clips", "Folds", "Seeds") if full else ():
        table.add_column(name, justify="right", no_wrap=True)
    rank = ranks(rows)
    for index, row in enumerate(rows):
        score = row.scores.get(part)
        cells = [_cell(score, f, best_two(rows, part, f) if index in rank else (None, None)) for f in FIGURES]
        counts = _counts(row) if full else []
        table.add_row(
            str(rank.get(index, "–")), escape(row.label), *cells, number(score.acc if score else None), *counts
        )
    return table


@dataclass(frozen=True)
class _PublishedTable:
    """Published figures laid out: a line a method, with numbered sources and lettered remarks."""

    titles: list[str]
    lines: list[tuple[str, str, list[str], str]]
    notes: list[str]


def _published_table(comparison: Comparison) -> _PublishedTable:
    """Lay published figures out: method, year, figures (part by part), and which notes apply."""
    published = comparison.published
    parts = list(dict.fromkeys(row["part"] for row in published))
    sources = list(dict.fromkeys(row["source"] for row in published))
    meaning = {code: text for row in published for code, text in row["remarks"].items()}
    codes = list(meaning)
    by_method: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in published:
        by_method.setdefault((row["kind"], row["method"], row["year"], row["source"]), {})[row["part"]] = row
    lines = []
    for (kind, method, year, source), figures in by_method.items():
        cells = [number(figures[part][name]) if part in figures else "–" for part in parts for name in FIGURES]
        letters = [
            _letter(codes.index(code)) for code in dict.fromkeys(c for row in figures.values() for c in row["remarks"])
        ]
        label = method if kind == "reported" else f"{method} ({kind})"
        lines.append(
            (label, "" if year is None else str(year), cells, " ".join([f"[{sources.index(source) + 1}]", *letters]))
        )
    notes = [f"[{index}] {text}" for index, text in enumerate(sources, start=1)]
    notes += [f"{_letter(index)}: {meaning[code]}" for index, code in enumerate(codes)]
    return _PublishedTable([comparison.titles.get(part, part) for part in parts], lines, notes)


def _letter(index: int) -> str:
    return chr(ord("a") + index % 26) * (index // 26 + 1)


PUBLISHED_TITLE = "Published figures of the same protocol: not run here, not ranked, mind the notes"


def _print_published(comparison: Comparison, console: Console) -> None:
    laid = _published_table(comparison)

    def table(title: str, first: int, last: int) -> Table:
        """Make a table of the parts from `first` up to `last`."""
        made = _base_table(title)
        made.add_column("Method", no_wrap=first == 0 and last > 1)
        made.add_column("Year")
        for part in laid.titles[first:last]:
            for figure in FIGURES.values():
                made.add_column(f"{escape(part)}\n{figure}", justify="right", no_wrap=True)
        made.add_column("Notes", no_wrap=True)
        for method, year, cells, notes in laid.lines:
            made.add_row(escape(method), year, *cells[first * len(FIGURES) : last * len(FIGURES)], escape(notes))
        return made

    count = len(laid.titles)
    _print_fitting(console, table(PUBLISHED_TITLE, 0, count), [table(PUBLISHED_TITLE, i, i + 1) for i in range(count)])
    for note in laid.notes:
        _print_note(console, note)


# --- files --------------------------------------------------------------------------------------------------------------


def as_json(comparison: Comparison) -> str:
    """Write everything as a JSON list of objects."""
    return json.dumps(comparison.records(), indent=1, ensure_ascii=False)


def as_csv(comparison: Comparison) -> str:
    """Write everything as CSV, the columns of `FIELDS`, and those of published figures where there are any."""
    records = comparison.records()
    columns = list(dict.fromkeys([*FIELDS, *(name for record in records for name in record)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_csv_cell(record.get(name)) for name in columns])
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else value


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
        laid = _published_table(comparison)
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
                value, interval = _figure(row.scores.get(part), figure)
                first, runner_up = best_two(rows, part, figure) if index in rank else (None, None)
                shown = best(value) if value == first else second(value) if value == runner_up else value
                cells.append(joined(shown, interval) if interval else shown)
        full = row.scores.get("full")
        lines.append(
            [str(rank.get(index, "–")), quoted(row.label), *cells, number(full.acc if full else None), *_counts(row)]
        )
    return lines


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}"}  # fmt: skip


def latex_escape(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(char, char) for char in text)


def as_latex(comparison: Comparison) -> str:
    """Write LaTeX tables (booktabs): best in bold, second best underlined, intervals small beneath the method's figures."""
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
        laid = _published_table(comparison)
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
