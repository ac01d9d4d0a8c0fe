"""Curves of settings that are known from test clips, drawn and in words."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from merbench.analysis.curves import points_by_curve
from merbench.analysis.rows import Row
from merbench.report.numbers import NONE, interval_text, number
from merbench.site.drawing import swept


class Curve(NamedTuple):
    """Rows along a setting, by its value: picture and lines of a table; `base` is the row of the same configuration."""

    label: str
    setting: str
    anchor: str
    picture: Markup
    lines: Sequence[dict[str, str]]
    base: Row | None


def curves_of(rows: Sequence[Row], anchor: str) -> list[Curve]:
    """Gather the points among rows that rank together into curves, in order of their names."""
    return [
        _curve(key, points, rows, f"{anchor}-curve-{number}")
        for number, (key, points) in enumerate(points_by_curve(rows).items(), start=1)
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
