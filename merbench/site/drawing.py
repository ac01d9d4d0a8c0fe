"""Pictures as SVG within the page, in the page's own colours: readable in the dark, in print, and by a screen reader.

Positions are attributes, never styles, which the pages' security policy does not allow.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from merbench.contracts.names import shown
from merbench.report.numbers import number
from merbench.scoring.intervals import Interval

#: Width of the names beside a picture of intervals, of its scale, and the height of a line.
_NAMES, _SCALE, _LINE = 280, 430, 22
_LONGEST = 44


class Scale(NamedTuple):
    """The ends of a scale of figures, in tenths."""

    low: float
    high: float

    def at(self, value: float, width: float) -> str:
        """Return the place of a value on `width` units, with at most one decimal."""
        place = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low) * width
        return f"{place:.1f}".removesuffix(".0")

    def __str__(self) -> str:
        return f"{number(self.low, 1)} to {number(self.high, 1)}"

    def ticks(self) -> list[float]:
        """Return the tenths on the scale."""
        return [tenth / 10 for tenth in range(round(self.low * 10), round(self.high * 10) + 1)]


def scale_of(intervals: Sequence[tuple[float, Interval]]) -> Scale:
    """Return the scale on which all figures and their intervals fit."""
    ends = [end for value, interval in intervals for end in (value, interval.low, interval.high) if not math.isnan(end)]
    if not ends:
        return Scale(0.0, 1.0)
    low, high = math.floor(min(ends) * 10) / 10, math.ceil(max(ends) * 10) / 10
    return Scale(low, high if high > low else low + 0.1)


def whisker(value: float, interval: Interval, scale: Scale) -> Markup:
    """Draw a figure with its interval, or an arrow if it is below the scale; the text beside it says the same."""
    if math.isnan(value):
        return Markup("")
    ends = () if math.isnan(interval.low) else (scale.at(interval.low, 100), scale.at(interval.high, 100))
    line = f'<path d="M{ends[0]},5H{ends[1]}" />' if ends else ""
    dot = f'<circle cx="{scale.at(value, 100)}" cy="5" r="3" />' if value >= scale.low else '<path d="M6,1L1,5L6,9" />'
    return Markup(f'<svg class="w" viewBox="0 0 100 10" aria-hidden="true">{line}{dot}</svg>')  # noqa: S704  # numbers


def intervals(lines: Sequence[tuple[str, float, Interval]], scale: Scale, title: str) -> Markup:
    """Draw the figures and intervals of several rows below each other; the first interval is continued as a band."""
    height = _LINE * len(lines) + 26
    parts = []

    def ends(interval: Interval) -> tuple[float, float]:
        return _NAMES + float(scale.at(interval.low, _SCALE)), _NAMES + float(scale.at(interval.high, _SCALE))

    if not math.isnan(lines[0][2].low):
        left, right = ends(lines[0][2])
        parts.append(f'<rect class="band" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{height - 24}"/>')
    for tick in scale.ticks():
        place = _NAMES + float(scale.at(tick, _SCALE))
        parts.append(f'<path class="grid" d="M{place:.1f} 0V{height - 24}"/>')
        parts.append(f'<text class="tick" x="{place:.1f}" y="{height - 8}">{number(tick, 1)}</text>')
    for index, (label, value, interval) in enumerate(lines):
        middle = _LINE * index + 11
        parts.append(f'<text class="name" x="{_NAMES - 12}" y="{middle + 4}">{_short(label)}</text>')
        if not math.isnan(interval.low):
            left, right = ends(interval)
            parts.append(f'<path class="line" d="M{left:.1f} {middle}H{right:.1f}"/>')
        parts.append(f'<circle cx="{_NAMES + float(scale.at(value, _SCALE)):.1f}" cy="{middle}" r="4"/>')
    return _picture(_NAMES + _SCALE + 16, height, title, parts)


def curves(found: Mapping[str, Sequence[tuple[float, float]]], title: str, across: str) -> Markup:
    """Draw curves, name -> points (x, y), y on a common scale; each is named at its end."""
    width, height, left, right = 460, 240, 44, 210
    points = [point for curve in found.values() for point in curve if not math.isnan(point[1])]
    if not points:
        return Markup("")
    most = max(x for x, _ in points)
    nothing = Interval(float("nan"), float("nan"))
    scale = scale_of([(y, nothing) for _, y in points])

    def place(x: float, y: float) -> str:
        return f"{left + x / most * width:.1f} {height - float(scale.at(y, height - 10)):.1f}"

    parts = []
    for tick in scale.ticks():
        level = height - float(scale.at(tick, height - 10))
        parts.append(f'<path class="grid" d="M{left} {level:.1f}H{left + width}"/>')
        parts.append(f'<text class="name" x="{left - 6}" y="{level + 4:.1f}">{number(tick, 1)}</text>')
    parts += [
        f'<text class="tick" x="{left + at / most * width:.1f}" y="{height + 18}">{at:g}</text>'
        for at in (0, most / 2, most)
    ]
    parts.append(f'<text class="tick" x="{left + width / 2}" y="{height + 36}">{escape(across)}</text>')
    ends = _spread([height - float(scale.at(curve[-1][1], height - 10)) for curve in found.values()])
    for index, ((name, curve), end) in enumerate(zip(found.items(), ends, strict=True)):
        drawn = "L".join(place(x, y) for x, y in curve)
        parts.append(f'<path class="curve c{index}" d="M{drawn}"/>')
        parts.append(f'<text class="end c{index}" x="{left + width + 8}" y="{end + 4:.1f}">{_short(name, 34)}</text>')
    return _picture(left + width + right, height + 44, title, parts)


def swept(points: Sequence[tuple[float, float, Interval]], base: float | None, title: str, across: str) -> Markup:
    """Draw figures with intervals along a setting, x in order; `base` is a figure to compare with, a dashed line.

    The setting is drawn by its logarithm where all values are above 0 and the largest is 20 times the least or more.
    """
    width, height, left = 460, 200, 44
    values = [x for x, _, _ in points]
    log = min(values) > 0 and max(values) >= 20 * min(values)
    levels = [math.log10(x) if log else x for x in values]
    scale = scale_of([(y, interval) for _, y, interval in points])
    room = (max(levels) - min(levels)) or 1.0

    def across_at(level: float) -> float:
        return left + 20 + (level - min(levels)) / room * (width - 40)

    def up(value: float) -> float:
        return height - float(scale.at(value, height - 10))

    parts = []
    for tick in scale.ticks():
        parts.append(f'<path class="grid" d="M{left} {up(tick):.1f}H{left + width}"/>')
        parts.append(f'<text class="name" x="{left - 6}" y="{up(tick) + 4:.1f}">{number(tick, 1)}</text>')
    if base is not None and not math.isnan(base):
        parts.append(f'<path class="curve c1" d="M{left} {up(base):.1f}H{left + width}"/>')
        end = f'x="{left + width + 8}" y="{up(base) + 4:.1f}"'
        parts.append(f'<text class="end c1" {end}>default {number(base, 3)}</text>')
    for level, (x, y, interval) in zip(levels, points, strict=True):
        place = f"{across_at(level):.1f}"
        if not math.isnan(interval.low):
            parts.append(f'<path class="line" d="M{place} {up(interval.low):.1f}V{up(interval.high):.1f}"/>')
        parts.append(f'<circle cx="{place}" cy="{up(y):.1f}" r="4"/>')
        parts.append(f'<text class="tick" x="{place}" y="{height + 18}">{x:g}</text>')
    drawn = "L".join(f"{across_at(level):.1f} {up(y):.1f}" for level, (_, y, _) in zip(levels, points, strict=True))
    parts.append(f'<path class="curve c0" d="M{drawn}"/>')
    parts.append(f'<text class="tick" x="{left + width / 2}" y="{height + 36}">{_short(across)}</text>')
    return _picture(left + width + 110, height + 44, title, parts)


def _spread(levels: Sequence[float], gap: float = 15.0) -> list[float]:
    """Move labels apart, so that none covers another."""
    placed: dict[int, float] = {}
    last = -gap
    for index in sorted(range(len(levels)), key=lambda each: levels[each]):
        last = max(levels[index], last + gap)
        placed[index] = last
    return [placed[index] for index in range(len(levels))]


def _short(text: str, longest: int = _LONGEST) -> str:
    plain = shown(text)
    return str(escape(plain if len(plain) <= longest else f"{plain[: longest - 1]}…"))


def _picture(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    head = f'<svg class="picture" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704  # texts are escaped above
