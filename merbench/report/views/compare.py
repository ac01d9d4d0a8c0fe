"""What the table says, whatever it is printed as: order, ranks, best figures, published figures and their notes."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from merbench.analysis.rows import FIELDS, Row
from merbench.scoring.intervals import Interval
from merbench.scoring.permutation import SIGNIFICANT, most_rows
from merbench.scoring.table import PartScore

FIGURES = {"uf1": "UF1", "uar": "UAR"}
#: Of action units: the mean over units of F1 of being shown, and of the mean recall of shown and not shown.
UNIT_FIGURES = {"uf1": "F1", "uar": "UAR"}
INTERVALS = "95 % intervals by bootstrap over subjects, given the trained folds; ± is the spread of UF1 over seeds."
BELOW = "†"
SANITY_TITLE = "Sanity rows, not ranked"
SANITY = f"{SANITY_TITLE}: without motion, or trained on shuffled labels. A score is worth what it has beyond theirs."
LAST = ["Acc", "Clips", "Folds", "Seeds"]


@dataclass(frozen=True)
class Comparison:
    """What `compare` shows.

    Attributes
    ----------
    rows : list of Row
        Measured, in order; those that rank together stand together.
    published : list of dict
        Published figures, see :func:`merbench.analysis.rows.published_rows`.
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


def figures_of(rows: Sequence[Row]) -> dict[str, str]:
    """Return the figures of a group's table and their titles."""
    return FIGURES if rows[0].runs[0].file.task == "classification" else UNIT_FIGURES


def number(value: float | None, digits: int = 4) -> str:
    """Write a figure as papers do: four decimals, no leading zero; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign; 0 and what rounds to it have none."""
    text = number(value, digits).removeprefix("-")
    if text == "–" or not text.strip(".0"):
        return text
    return f"{'-' if value < 0 else '+'}{text}"


def _interval(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}".replace("0.", ".")


def figure_text(score: PartScore | None, name: str) -> tuple[str, str]:
    """Return a figure and its interval as text."""
    if score is None:
        return "–", ""
    return number(getattr(score, name)), _interval(getattr(score, f"{name}_interval"))


def ranks(rows: Sequence[Row]) -> dict[int, int]:
    """Rank rows by UF1 of the full part: place in the sequence -> rank from 1.

    Rows with holes have none, nor have sanity rows.
    """
    fit = [i for i, row in enumerate(rows) if row.status == "complete" and "full" in row.scores and not row.sanity]
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


def counts(row: Row) -> list[str]:
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
    kind = ", AU detection" if file.task == "au-detection" else ""
    kind += ", synthetic data" if file.synthetic else ""
    kind += ", methods whose cards admit more than the others" if file.disclosures else ""
    kind += warned(file.warnings)
    digests = f"protocol {file.key.spec_digest[:8]}, split {file.key.split_digest[:8]}"
    return f"{file.protocol} on {', '.join(data)}{kind} ({digests})"


def warned(warnings: Sequence[str]) -> str:
    """Write a protocol's warnings as the tail of a title, the first words of each."""
    return "".join(f", {warning.partition(':')[0]}" for warning in warnings)


def is_below(row: Row) -> bool:
    """Say whether a row's UF1 is significantly below that of the best row it ranks with."""
    return row.p_best is not None and row.p_best < SIGNIFICANT


def legend(rows: Sequence[Row]) -> list[str]:
    """Say how the figures of a group are to be read: intervals, the spread over seeds, the mark, sanity rows."""
    return _figures_legend(rows) + [SANITY] * any(row.sanity for row in rows)


def _figures_legend(rows: Sequence[Row]) -> list[str]:
    ranked = len(ranks(rows))
    intervals = INTERVALS.replace("UF1", figures_of(rows)["uf1"])
    if ranked < 2:
        return [intervals]
    if rows[0].runs[0].file.task != "classification":
        return [intervals, "Which rows are below the best is not tested for action units."]
    if ranked > most_rows():
        return [
            INTERVALS,
            f"Which of {ranked} rows are below the best is not tested: name {most_rows()} methods at most.",
        ]
    found = f"{BELOW}: UF1" if any(map(is_below, rows)) else "No UF1 is"
    told = f"paired permutation over subjects, Holm over all pairs of {ranked} rows"
    return [INTERVALS, f"{found} significantly below that of the best row ({told}, p < {number(SIGNIFICANT, 2)})."]


@dataclass(frozen=True)
class Cell:
    """A figure as printed, its interval, its place in the column (1 best, 2 second best, 0 any other) and its mark."""

    value: str
    interval: str
    place: int
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """A row as printed, all but its markup; `cells` by part and figure, `last` as `LAST`.

    `heads` is what stands above it, where it is the first of a block of its own: that of the sanity rows.
    """

    rank: str
    label: str
    cells: dict[tuple[str, str], Cell]
    last: list[str]
    heads: str = ""


def table_lines(rows: Sequence[Row]) -> list[Line]:
    """Lay the rows of one group out: ranks, figures of every part with their places, counts."""
    rank, lines = ranks(rows), []
    best = {(part, figure): best_two(rows, part, figure) for part in rows[0].parts for figure in FIGURES}
    for index, row in enumerate(rows):
        cells = {}
        for part, figure in best:
            value, interval = figure_text(row.scores.get(part), figure)
            ranked = index in rank and value in best[part, figure]
            mark = BELOW if (part, figure) == ("full", "uf1") and is_below(row) else ""
            cells[part, figure] = Cell(value, interval, best[part, figure].index(value) + 1 if ranked else 0, mark)
        full = row.scores.get("full")
        last = [number(full.acc if full else None), *counts(row)]
        heads = SANITY_TITLE if row.sanity and not (index and rows[index - 1].sanity) else ""
        lines.append(Line(str(rank.get(index, "–")), row.label, cells, last, heads))
    return lines


PUBLISHED_TITLE = "Published figures of the same protocol: not run here, not ranked, mind the notes"


@dataclass(frozen=True)
class PublishedTable:
    """Published figures laid out: a line a method, with numbered sources and lettered remarks."""

    titles: list[str]
    lines: list[tuple[str, str, list[str], str]]
    notes: list[str]


def published_table(comparison: Comparison) -> PublishedTable:
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
    return PublishedTable([comparison.titles.get(part, part) for part in parts], lines, notes)


def _letter(index: int) -> str:
    return chr(ord("a") + index % 26) * (index // 26 + 1)


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
