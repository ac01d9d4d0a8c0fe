"""How rows differ from one another: what the pages of a board's rows have in common, as a script and as tables.

The script has for each row which clips it gets right and what it says of them, a character a clip, and for each pair of
ranked rows what the paired tests find. The pages compute clips and people from that, so that a board's file grows with
its rows, and with the pairs of ranked ones by some thirty characters.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from merbench.analysis.explain import facts_of
from merbench.analysis.rows import Row
from merbench.analysis.standing import Standing
from merbench.contracts.clips import IDENTITY
from merbench.report.numbers import NONE, count_text, p_text, signed, signed_interval
from merbench.scoring.intervals import Interval
from merbench.scoring.moves import answers
from merbench.scoring.table import pooled_confusion
from merbench.site.board import Group
from merbench.site.content import slug

_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: With more ranked rows the cells of the table of pairs have no intervals, so that the page stays small.
MOST_WITH_INTERVALS = 40


def answers_of(group: Group) -> list[pd.DataFrame]:
    """Return of each compared row what it says of each clip, see :func:`merbench.scoring.moves.answers`."""
    return [
        answers([run.predictions for run in row.runs]).sort_values(IDENTITY, ignore_index=True)
        for row in group.compared
    ]


def pairs_file(group: Group, tables: Sequence[pd.DataFrame]) -> str:
    """Write what the pages of a group's rows compute their differences from, as a script; `tables` of `answers_of`."""
    rows, standing = group.compared, group.standing
    clips, classes = tables[0], list(rows[0].runs[0].file.outputs)
    names = _Names(classes)
    of = {name: place for place, name in enumerate(classes)}
    facts = list(map(facts_of, rows))
    who = clips.groupby(["dataset", "subject"], sort=False).size().reset_index()
    data = {
        "rows": [[slug(row), row.label] for row in rows], "ranked": len(standing.rows) if standing else 0,
        "facts": list(facts[0]), "values": [[*map(names.of, table.values())] for table in facts],
        "names": list(names.known), "parts": list(rows[0].parts.values()), "classes": classes,
        "people": [[f"{dataset}/{subject}", int(many)] for dataset, subject, many in who.itertuples(index=False)],
        "clips": clips["clip"].tolist(), "truth": _characters(clips.truth.map(of)),
        "seeds": [len(row.runs) for row in rows],
        "right": [_characters(table.right) for table in tables],
        "said": [_characters(table.said.map(of)) for table in tables],
        "uf1": [_rounded(row.scores[part].uf1 if part in row.scores else None for part in row.parts) for row in rows],
        "recall": [_rounded(_recall(row, classes)) for row in rows],
        "pairs": _pairs(standing) if standing else [],
    }  # fmt: skip
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"window.merbenchPairs={text};\n"


class _Names:
    """Texts that many rows have in common, each written once and elsewhere by its number."""

    def __init__(self, known: Sequence[str]) -> None:
        self.known = {text: number for number, text in enumerate(known)}

    def of(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known))


def _characters(values: Iterable[int]) -> str | list[int]:
    """Write whole numbers with a character each, or as a list where one is above 35."""
    found = [int(value) for value in values]
    return "".join(_CHARACTERS[value] for value in found) if max(found, default=0) < len(_CHARACTERS) else found


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None or math.isnan(value) else round(float(value), 5) for value in values]


def _recall(row: Row, classes: Sequence[str]) -> list[float]:
    pooled = np.stack([pooled_confusion(run.predictions, classes) for run in row.runs]).astype(float)
    hits, actual = np.diagonal(pooled, axis1=1, axis2=2), pooled.sum(axis=2)
    found: list[float] = np.where(actual > 0, hits / np.maximum(actual, 1), np.nan).mean(axis=0).tolist()
    return found


def _pairs(standing: Standing) -> list[list[int | None]]:
    """Return of each pair p, whether it is separated, and of each part difference and interval, in thousandths."""
    rows = range(len(standing.rows))
    found = []
    for one in rows:
        for two in rows[one + 1 :]:
            p = None if standing.p is None else _thousandths(float(standing.p[one, two]))
            line = [p, int(standing.separated(one, two))]
            for part in standing.parts:
                value, interval = standing.difference(one, two, part)
                line += map(_thousandths, (value, interval.low, interval.high))
            found.append(line)
    return found


def _thousandths(value: float) -> int | None:
    return None if math.isnan(value) else round(float(f"{value:.3f}") * 1000)


def matrix_cells(standing: Standing) -> list[list[dict[str, Any]]]:
    """Lay out the difference of each row from each other; with interval and p unless there are too many rows."""
    rows = range(len(standing.rows))
    return [[_cell(standing, one, two, len(rows) <= MOST_WITH_INTERVALS) for two in rows] for one in rows]


def _cell(standing: Standing, one: int, two: int, whole: bool) -> dict[str, Any]:
    if one == two:
        return {"text": "", "ends": "", "p": "", "separated": False}
    value, interval = standing.difference(min(one, two), max(one, two))  # the same draws, whichever comes first
    if one > two:
        value, interval = -value, Interval(-interval.high, -interval.low)
    p = NONE if standing.p is None else p_text(float(standing.p[one, two]))
    return {"text": signed(value, 3 if whole else 2), "ends": signed_interval(interval) if whole else "",
            "p": p if whole else "", "separated": standing.separated(one, two)}  # fmt: skip


def people(group: Group, tables: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Lay out how many clips of each subject each row gets right, averaged over its seeds; a line a row."""
    who = ["dataset", "subject"]
    many = tables[0].groupby(who).size().reset_index()
    heads: dict[str, list[tuple[str, int]]] = {}
    for dataset, subject, count in many.itertuples(index=False):
        heads.setdefault(str(dataset), []).append((str(subject), int(count)))
    lines: list[Mapping[str, Any]] = [
        {"label": row.label, "slug": slug(row),
         "right": [count_text(value / len(row.runs)) for value in table.groupby(who).right.sum()]}
        for row, table in zip(group.compared, tables, strict=True)
    ]  # fmt: skip
    return {"heads": heads, "lines": lines}
