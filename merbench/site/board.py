"""A board: the rows of one protocol in tables, a group a table, their tests, and published figures apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from merbench.analysis.curves import known_from_test_clips, point_of
from merbench.analysis.rows import Row
from merbench.analysis.standing import Standing
from merbench.report.numbers import NONE, duration, interval_text, number, p_text, signed, signed_interval
from merbench.report.views.compare import FIGURES, UNIT_FIGURES, best_two, groups, is_below, legend_of, ranks
from merbench.report.views.rows import counts, title_of
from merbench.site.content import SiteContent, grouped, safe, slug
from merbench.site.curves import Curve, curves_of
from merbench.site.drawing import Scale, intervals, scale_of, whisker


class _Figure(NamedTuple):
    """A figure in a table: text, interval as text and as a picture, 1 or 2 for the best two of the column, a mark."""

    text: str
    detail: str = ""
    picture: Markup = Markup("")
    place: int = 0
    mark: str = ""


class Group(NamedTuple):
    """Rows that rank together, as lines of a table; points of curves are apart.

    `standing` is of those that are ranked; `compared` are those over the same clips, the ranked ones first, by which a
    row's page says how it differs from others.
    """

    title: str
    anchor: str
    data: str
    discloses: bool
    parts: Mapping[str, str]
    figures: Mapping[str, str]
    scales: Mapping[str, Scale]
    lines: Sequence[Mapping[str, Any]]
    legend: Sequence[str]
    standing: Standing | None
    compared: Sequence[Row]
    curves: Sequence[Curve]


def board_groups(content: SiteContent, protocol: str) -> list[Group]:
    """Lay out the groups of a protocol's rows."""
    return [_group(content, rows, index) for index, rows in enumerate(groups(content.rows_of(protocol)), start=1)]


def _group(content: SiteContent, every: Sequence[Row], index: int) -> Group:
    rows = [row for row in every if point_of(row) is None]
    classification = every[0].runs[0].file.task == "classification"
    figures = FIGURES if classification else UNIT_FIGURES
    parts = every[0].parts
    usual = [row for row in rows if content.family(row) not in ("floor", "sanity")] or rows
    scales = {
        part: scale_of([
            (getattr(score, name), getattr(score, f"{name}_interval"))
            for score in (row.scores.get(part) for row in usual) if score for name in figures
        ])
        for part in parts
    }  # fmt: skip
    fit = [rows[place] for place in ranks(rows)]
    standing = Standing(fit) if classification and len(fit) > 1 else None
    lines = _lines(content, rows, parts, figures, scales) if rows else []
    legend = legend_of(rows, figures["uf1"]) if rows else []
    anchor = f"group-{index}"
    file = every[0].runs[0].file
    return Group(
        title_of(every), anchor, file.data, bool(file.disclosures), parts, figures, scales, lines, legend, standing,
        _compared(rows, fit) if classification else [], curves_of(every, anchor),
    )  # fmt: skip


def _compared(rows: Sequence[Row], fit: Sequence[Row]) -> list[Row]:
    """Return the complete rows over the clips of the first, those that are ranked first; none if it is one alone."""
    found = [*fit, *(row for row in rows if row not in fit and row.status == "complete" and "full" in row.scores)]
    splits = [row.runs[0].file.key.split_digest for row in found]
    same = [row for row, split in zip(found, splits, strict=True) if split == splits[0]]
    return same if len(same) > 1 else []


def _lines(
    content: SiteContent, rows: Sequence[Row], parts: Iterable[str], figures: Iterable[str], scales: Mapping[str, Scale]
) -> list[dict[str, Any]]:
    rank = ranks(rows)
    best = {(part, name): best_two(rows, part, name) for part in parts for name in figures}
    lines = []
    for place, row in enumerate(rows):
        found = {key: _figure(row, *key, best[key] if place in rank else [], scales[key[0]]) for key in best}
        lines.append(facts(content, row) | {"rank": rank.get(place), "figures": found})
    return lines


def _figure(row: Row, part: str, name: str, best: Sequence[str], scale: Scale) -> _Figure:
    score = row.scores.get(part)
    if score is None or not score.clips:
        return _Figure(NONE)
    value, interval = getattr(score, name), getattr(score, f"{name}_interval")
    text = number(value)
    mark = "†" if (part, name) == ("full", "uf1") and is_below(row) else ""
    place = best.index(text) + 1 if text in best else 0
    return _Figure(text, interval_text(interval), whisker(value, interval, scale), place, mark)


def facts(content: SiteContent, row: Row) -> dict[str, Any]:
    """Return what tables say of a row beside its figures."""
    file, known = row.runs[0].file, content.methods.get(row.runs[0].file.method)
    clips, folds, seeds = counts(row)
    full, cost, minutes = row.scores.get("full"), content.cost(row), content.minutes(row)
    reasons = row.unranked
    return {
        "row": row, "label": row.label, "slug": slug(row), "method": file.method, "known": known is not None,
        "title": _further(known.title, file.method) if known else "",
        "family": content.family(row), "year": content.year(row),
        "inputs": content.inputs(row), "selection": "unknown" if file.imported else file.key.selection,
        "disclosures": file.disclosures, "remarks": row.remarks, "sanity": row.sanity,
        "adaptation": file.remark, "balanced": {True: "yes", False: "no", None: NONE}[row.balanced],
        "tries": row.tries, "state": row.state.text,
        "known_settings": known_from_test_clips(row),
        "acc": number(full.acc if full else None), "clips": clips, "folds": folds, "seeds": seeds,
        "parameters": grouped(cost.get("parameters")), "count": cost.get("parameters"),
        "time": NONE if minutes is None else duration(minutes * 60), "minutes": minutes,
        "p_best": NONE if row.p_best is None else p_text(row.p_best),
        "origin": row.runs[0].origin, "unranked": reasons,
    }  # fmt: skip


def _further(title: str, method: str) -> str:
    """Return a card's title where it says more than the method's name."""
    plain = "".join(char for char in title.lower() if char.isalnum())
    return "" if plain == method.replace("-", "") else title


def tests(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    """Lay out how the ranked rows of each group stand to each other, by the group's anchor."""
    return {group.anchor: _tests(group) for group in groups if group.standing is not None}


def _tests(group: Group) -> dict[str, Any]:
    """Lay out picture, ranks, matrix and hard clips."""
    standing = group.standing
    assert standing is not None
    rows = standing.rows
    lines = [(row.label, row.scores["full"].uf1, row.scores["full"].uf1_interval) for row in rows]
    scale = scale_of([line[1:] for line in lines])
    text = f"UF1 of {len(rows)} ranked rows with 95 % intervals, best first; the figures are in the table"
    places = [
        {
            "number": place + 1, "label": row.label, "slug": slug(row), "uf1": number(row.scores["full"].uf1),
            "ranks": f"{low}–{high}" if low < high else str(low), "first": share(first),
            "below": standing.separated(0, place), "best": place == 0,
            "gap": NONE if place == 0 else signed(standing.difference(place, 0)[0]),
            "ends": "" if place == 0 else signed_interval(standing.difference(place, 0)[1]),
            "p": NONE if place == 0 or standing.p is None else p_text(float(standing.p[place, 0])),
        }
        for place, (row, (low, high, first)) in enumerate(zip(rows, standing.ranks, strict=True))
    ]  # fmt: skip
    hard = standing.hard_clips
    picture = intervals(lines, scale, text)
    return {"title": group.title, "picture": picture, "places": places, "rows": len(rows),
            "hard": hard[hard.wrong == len(rows)].to_dict("records"), "clips": len(hard)}  # fmt: skip


def share(value: float) -> str:
    """Write a probability in per cent; one that is not 0 is not written as 0."""
    if 0 < value < 0.005:
        return "<1 %"
    return f"{100 * value:.0f} %"


def published(content: SiteContent, protocol: str) -> dict[str, Any] | None:
    """Lay out the published figures of a protocol, a line a method and source; None where there are none."""
    figures = content.published.get(protocol, [])
    if not figures:
        return None
    spec = content.protocols.get(protocol)
    parts = list(dict.fromkeys(figure["part"] for figure in figures))
    remarks = list(dict.fromkeys(text for figure in figures for text in figure["remarks"].values()))
    titles = {part: spec.parts.get(part, part) if spec else part for part in parts}
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for figure in figures:
        key = (figure["method"], figure["kind"], figure["year"], figure["source"])
        line = lines.setdefault(key, {"method": key[0], "kind": key[1], "year": key[2], "source": key[3],
                                      "figures": {}, "notes": [], "verdicts": {}})  # fmt: skip
        line["figures"][figure["part"]] = {name: figure[f"{name}_printed"] or NONE for name in ("uf1", "uar", "acc")}
        numbers = [remarks.index(text) + 1 for text in figure["remarks"].values()]
        line["notes"] += [number for number in numbers if number not in line["notes"]]
        line["verdicts"].setdefault(figure["verdict"].partition(" ")[0], []).append(titles[figure["part"]])
    return {"parts": titles, "lines": list(lines.values()), "remarks": remarks}


def pairs_name(protocol: str, group: Group) -> str:
    """Name the file with the differences between the rows of a group."""
    return f"pairs-{safe(protocol)}-{group.anchor.rpartition('-')[2]}.js"
