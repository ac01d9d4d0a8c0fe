"""Curves: rows of one configuration whose settings are known from test clips, along the one setting that they change.

They are shown as a curve, never as points beside other rows: the best of several settings, picked on the clips that it
is tested on, is not a result.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from merbench.analysis.rows import Row
from merbench.report.numbers import NONE, interval_text, number
from merbench.site.drawing import swept

#: Beginning of the reason on a card by which settings that were tried on test clips get no rank.
KNOWN = "settings known from test clips"


class Curve(NamedTuple):
    """Rows along a setting, by its value: picture and lines of a table; `base` is the row of the same configuration."""

    label: str
    setting: str
    anchor: str
    picture: Markup
    lines: Sequence[dict[str, str]]
    base: Row | None


def known_from_test_clips(row: Row) -> bool:
    """Whether a row gets no rank since its settings were tried on test clips."""
    return any(reason.startswith(KNOWN) for reason in row.unranked)


def point_of(row: Row) -> tuple[str, float] | None:
    """Return the setting and the value by which a row is a point of a curve; None for other rows."""
    setting, found, value = row.runs[0].file.variant.partition("=")
    if not found or not known_from_test_clips(row) or "full" not in row.scores:
        return None
    try:
        return (setting, float(value)) if math.isfinite(float(value)) else None
    except ValueError:  # more than one setting is changed, or no number
        return None


def curves_of(rows: Sequence[Row], anchor: str) -> list[Curve]:
    """Gather the points among rows that rank together into curves, in order of their names."""
    found: dict[tuple[str, ...], list[tuple[float, Row]]] = {}
    for row in rows:
        point, file = point_of(row), row.runs[0].file
        if point is not None:
            found.setdefault((file.method, file.config_name, file.key.selection, point[0]), []).append((point[1], row))
    return [
        _curve(key, sorted(points, key=lambda point: point[0]), rows, f"{anchor}-curve-{number}")
        for number, (key, points) in enumerate(sorted(found.items()), start=1)
    ]


def _curve(key: tuple[str, ...], points: Sequence[tuple[float, Row]], rows: Sequence[Row], anchor: str) -> Curve:
    method, config, selection, setting = key

    def is_base(row: Row) -> bool:
        file = row.runs[0].file
        return (file.method, file.config_name, file.key.selection, file.variant) == (method, config, selection, "")

    base = next((row for row in rows if is_base(row) and "full" in row.scores), None)
    label = f"{method} ({config})"
    lines = [
        {
            "value": f"{value:g}", "uf1": number(full.uf1), "ends": interval_text(full.uf1_interval),
            "uar": number(full.uar), "acc": number(full.acc), "seeds": str(len(row.runs)),
            "runs": ", ".join(run.file.run_id for run in row.runs), "clips": str(full.clips) if full.clips else NONE,
        }
        for value, row in points for full in [row.scores["full"]]
    ]  # fmt: skip
    drawn = [(value, row.scores["full"].uf1, row.scores["full"].uf1_interval) for value, row in points]
    text = f"UF1 of {label} against {setting}, with 95 % intervals: " + ", ".join(
        f"{line['value']} {line['uf1']}" for line in lines
    )
    picture = swept(drawn, base.scores["full"].uf1 if base else None, text, setting)
    return Curve(label, setting, anchor, picture, lines, base)
