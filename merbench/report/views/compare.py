"""The comparison: rows that rank together in one table, sanity rows below them, published figures apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from math import isnan
from typing import Any

from merbench.analysis.claims.published import VERDICTS
from merbench.analysis.curves import KNOWN, point_of, points_by_curve
from merbench.analysis.rows import Row
from merbench.contracts.errors import listed
from merbench.contracts.notes import Note
from merbench.report.numbers import NONE, interval_text, number
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.views.rows import INTERVALS, as_notes, counts, row_notes, title_of
from merbench.scoring.permutation import SIGNIFICANT
from merbench.scoring.table import PartScore

FIGURES = {"uf1": "UF1", "uar": "UAR"}
#: For action units: the mean over units of F1 of a unit being shown, and of the mean recall of shown and not shown.
UNIT_FIGURES = {"uf1": "F1", "uar": "UAR"}
BELOW = "†"
SANITY = "Sanity rows, not ranked"
SANITY_LEGEND = (
    f"{SANITY}: motion-blind methods, and methods trained on shuffled labels. Only a score above theirs is evidence "
    "that a method recognises motion."
)
#: Columns where rows were declared before they were run.
_DECLARED = ("Balanced", "Tries", "State")
DECLARED_LEGEND = (
    "Committed rows are ranked and tested if they were declared before they were run (results/declared.yaml). Tries: "
    "rows of the same method. Balanced: classes are weighted; compare families within like balancing. State: how far a "
    "committed row was verified (docs/submitting.md); recorded are rows of merbench's maintainers."
)
PUBLISHED = "Published figures of the same protocol: not reproduced here, not ranked; see notes"


def comparison(
    rows: Sequence[Row],
    published: Sequence[dict[str, Any]] = (),
    notes: Sequence[Note | str] = (),
    titles: Mapping[str, str] | None = None,
) -> Report:
    """Build the tables of `compare`.

    `rows` are measured, in order, those that rank together next to each other; `published` are figures from
    :func:`merbench.analysis.claims.published.published_rows`, and `titles` those of their parts; `notes` are on runs
    that are not shown or do not verify.
    """
    tables = []
    for group in groups(rows):
        shown = [row for row in group if point_of(row) is None]
        tables += [_table(shown)] * bool(shown) + _curves(group)
    if published:
        tables.append(_published(published, titles or {}))
    records = [record for row in rows for record in row.records()] + list(published)
    kinds = [note if isinstance(note, Note) else Note("warning", note) for note in notes]
    return Report(tables, as_notes(kinds), records)


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Divide rows into the groups that rank together."""
    return [list(group) for _, group in groupby(rows, key=lambda row: row.comparable)]


def runs_hint(rows: Sequence[Row]) -> list[str]:
    """Return the command that shows a recorded run, with the runs of these rows."""
    runs = [run.file.run_id for row in rows for run in row.runs if run.origin != "leaderboard"]
    return [f"merbench show RUN shows details of {listed(runs, most=6)}"] if runs else []


def ranks(rows: Sequence[Row]) -> dict[int, int]:
    """Rank the rows of a group that get a rank by UF1 of the full part: index -> rank from 1."""
    fit = [i for i, row in enumerate(rows) if row.ranked and "full" in row.scores]
    fit.sort(key=lambda i: -rows[i].scores["full"].uf1)
    return {index: rank for rank, index in enumerate(fit, start=1)}


def best_two(rows: Sequence[Row], part: str, name: str) -> list[str]:
    """Return the best two values of a column among ranked rows, as printed; equal texts share a place."""
    values = {number(getattr(rows[i].scores[part], name)) for i in ranks(rows) if part in rows[i].scores}
    return sorted(values - {NONE}, key=float, reverse=True)[:2]


def score_cell(score: PartScore | None, name: str) -> Cell:
    """Return a figure of a part with its interval."""
    if score is None:
        return Cell(NONE)
    value, interval = getattr(score, name), getattr(score, f"{name}_interval")
    known = tuple(each for each in (value, interval.low, interval.high) if not isnan(each))
    return Cell(number(value), interval_text(interval), figure=known)


def _table(rows: Sequence[Row]) -> Table:
    figures = FIGURES if rows[0].runs[0].file.task == "classification" else UNIT_FIGURES
    columns = [Column("#", key=True, in_papers=False), name_column("Method")]
    columns += [Column(figure, group=title) for title in rows[0].parts.values() for figure in figures.values()]
    columns += [Column(title) for title in ("Acc", "Clips", "Folds", "Seeds", *_DECLARED * declared(rows))]
    lines = _lines(rows)
    whole, sanity = (
        [line for row, line in zip(rows, lines, strict=True) if row.sanity is kind] for kind in (False, True)
    )
    sections = [Section(whole)] * bool(whole) + [Section(sanity, SANITY)] * bool(sanity)
    return Table(title_of(rows), columns, sections, legend_of(rows, figures["uf1"]), row_notes(rows))


def _lines(rows: Sequence[Row]) -> list[list[Cell]]:
    rank = ranks(rows)
    best = {(part, figure): best_two(rows, part, figure) for part in rows[0].parts for figure in FIGURES}
    lines = []
    for index, row in enumerate(rows):
        full = row.scores.get("full")
        cells = [_placed(row, part, figure, best[part, figure] if index in rank else []) for part, figure in best]
        acc = Cell(number(full.acc), figure=(full.acc,)) if full and not isnan(full.acc) else Cell(NONE)
        last = [acc, *text_cells(*counts(row))]
        if declared(rows):
            last += text_cells(
                {True: "yes", False: "no", None: NONE}[row.balanced], row.tries or NONE, row.state.text or NONE
            )
        lines.append([*text_cells(rank.get(index, NONE), row.label), *cells, *last])
    return lines


def declared(rows: Sequence[Row]) -> bool:
    """Whether rows of a group were declared before they were run."""
    return any(row.tries for row in rows)


def _placed(row: Row, part: str, figure: str, best: Sequence[str]) -> Cell:
    """Return a figure, marked where it is one of the best two, or significantly below the best."""
    cell = score_cell(row.scores.get(part), figure)
    place: Any = best.index(cell.text) + 1 if cell.text in best else 0
    mark = BELOW if (part, figure) == ("full", "uf1") and is_below(row) else ""
    return replace(cell, place=place, mark=mark)


def is_below(row: Row) -> bool:
    """Whether the UF1 of a row is significantly below that of the best row it ranks with."""
    return row.p_best is not None and row.p_best < SIGNIFICANT


def legend_of(rows: Sequence[Row], f1: str) -> list[str]:
    """Explain the intervals, the spread over seeds, the mark and the sanity rows."""
    said, ranked = [f"{INTERVALS} ±: standard deviation of {f1} over seeds."], len(ranks(rows))
    said += [_tested(rows, ranked)] if ranked >= 2 else []
    said += [DECLARED_LEGEND] * declared(rows)
    return said + [SANITY_LEGEND] * any(row.sanity for row in rows)


def _tested(rows: Sequence[Row], ranked: int) -> str:
    if rows[0].runs[0].file.task != "classification":
        return "Significance is not tested for action units."
    found = f"{BELOW}: UF1" if any(map(is_below, rows)) else "No UF1 is"
    test = f"paired permutation test over subjects, Holm-adjusted over all pairs of {ranked} rows"
    return f"{found} significantly below that of the best row ({test}, p < {number(SIGNIFICANT, 2)})."


def _curves(rows: Sequence[Row]) -> list[Table]:
    """Lay rows out whose settings are known from test clips, a line a curve."""
    lines = [
        text_cells(
            f"{method} ({config})",
            setting,
            " · ".join(f"{value:g}: {number(row.scores['full'].uf1)}" for value, row in points),
        )
        for (method, config, _, setting), points in points_by_curve(rows).items()
    ]
    columns = [name_column("Method"), Column("Setting", align="left"), Column("UF1 along it", align="left", wraps=True)]
    legend = [f"Curves: {KNOWN}, not ranked. The best of them was found on the clips that it is tested on: no result."]
    return [Table(f"Curves: {title_of(rows)}", columns, [Section(lines)], legend)] if lines else []


def _published(published: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> Table:
    """Lay published figures out, a row a method: sources are numbered, remarks have letters."""
    parts = list(dict.fromkeys(row["part"] for row in published))
    sources = list(dict.fromkeys(row["source"] for row in published))
    meaning = {code: text for row in published for code, text in row["remarks"].items()}
    letters = {code: chr(ord("a") + index % 26) * (index // 26 + 1) for index, code in enumerate(meaning)}
    names = FIGURES if published[0]["task"] == "classification" else UNIT_FIGURES
    shown = [(part, name, title) for part in parts for name, title in names.items()]
    shown[len(names) : len(names)] = [(parts[0], "acc", "Acc")] * any(row["acc"] for row in published)
    by_method: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in published:
        by_method.setdefault((row["kind"], row["method"], row["year"], row["source"]), {})[row["part"]] = row
    lines = []
    for (kind, method, year, source), figures in by_method.items():
        cells = [_printed(figures.get(part), name) for part, name, _ in shown]
        codes = dict.fromkeys(code for row in figures.values() for code in row["remarks"])
        marks = [f"[{sources.index(source) + 1}]", *(letters[code] for code in codes)]
        label = method if kind == "reported" else f"{method} ({kind})"
        year = "" if year is None else year
        lines.append([*text_cells(label, year), *cells, *text_cells(_verdicts(figures, titles), " ".join(marks))])
    columns = [name_column("Method"), Column("Year")]
    columns += [Column(title, group=titles.get(part, part)) for part, _, title in shown]
    columns += [Column("Verdict", align="left", wraps=True), Column("Notes", align="left")]
    notes = [f"[{index}] {text}" for index, text in enumerate(sources, start=1)]
    notes += [f"{letters[code]}: {text}" for code, text in meaning.items()]
    return Table(PUBLISHED, columns, [Section(lines)], [_verdict_legend(published)], as_notes(notes))


def _printed(row: Mapping[str, Any] | None, name: str) -> Cell:
    """Return a figure as its source prints it."""
    return Cell(NONE) if row is None or row[name] is None else Cell(row[f"{name}_printed"], figure=(row[name],))


def _verdicts(figures: Mapping[str, dict[str, Any]], titles: Mapping[str, str]) -> str:
    """Return the verdict on the figures of a method; the most frequent one, and parts with others."""
    parts: dict[str, list[str]] = {}
    for part, row in figures.items():
        parts.setdefault(row["verdict"], []).append(titles.get(part, part))
    first, *others = sorted(parts, key=lambda verdict: -len(parts[verdict]))
    return "; ".join([first, *(f"{verdict}: {', '.join(parts[verdict])}" for verdict in others)])


def _verdict_legend(published: Sequence[dict[str, Any]]) -> str:
    words = [word for word in VERDICTS if any(row["verdict"].startswith(word) for row in published)]
    said = "; ".join(f"{word}: {VERDICTS[word]}" for word in words)
    return f"Verdict: whether one pooled confusion matrix gives the figures (merbench check-claim); {said}."
