"""Rows of one configuration whose settings are known from test clips, along the one setting that they change.

They are shown as a curve, never as points beside other rows: the best of several settings, picked on the clips that it
is tested on, is not a result.
"""

import math
from collections.abc import Iterable

from merbench.analysis.rows import Row

#: Beginning of the reason on a card by which settings that were tried on test clips get no rank.
KNOWN = "settings known from test clips"


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


def points_by_curve(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], list[tuple[float, Row]]]:
    """Gather the points among rows that rank together.

    Method, configuration, selection of the epoch and setting -> its values, in order, with their rows.
    """
    found: dict[tuple[str, str, str, str], list[tuple[float, Row]]] = {}
    for row in rows:
        point, file = point_of(row), row.runs[0].file
        if point is not None:
            found.setdefault((file.method, file.config_name, file.key.selection, point[0]), []).append((point[1], row))
    return {key: sorted(found[key], key=lambda point: point[0]) for key in sorted(found)}
