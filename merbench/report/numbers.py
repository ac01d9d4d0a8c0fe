"""Figures as text, as papers write them: the one place where numbers become words."""

import math
import re

from merbench.scoring.intervals import Interval

#: Written for a missing figure.
NONE = "–"


def number(value: float | None, digits: int = 4) -> str:
    """Write a figure: four decimals, no leading zero; a dash for NaN and None."""
    if value is None or math.isnan(value):
        return NONE
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def signed(value: float | None, digits: int = 3) -> str:
    """Write a difference with its sign; 0, and a difference that rounds to it, has none."""
    text = number(value, digits).removeprefix("-")
    if value is None or text == NONE or not text.strip(".0"):
        return text
    return f"{'-' if value < 0 else '+'}{text}"


def interval_text(interval: Interval, digits: int = 3) -> str:
    """Write an interval, ``.444–.841``; nothing where there is none."""
    return "" if math.isnan(interval.low) else f"{number(interval.low, digits)}–{number(interval.high, digits)}"


def signed_interval(interval: Interval) -> str:
    """Write the interval of a difference, ``-.016, +.008``; nothing where there is none."""
    return "" if math.isnan(interval.low) else f"{signed(interval.low)}, {signed(interval.high)}"


def excludes_zero(interval: Interval) -> bool:
    """Whether an interval of a difference lies on one side of 0."""
    return interval.low > 0 or interval.high < 0


def p_text(value: float) -> str:
    """Write a p-value."""
    return "<.001" if value < 0.001 else number(value, 3)


def count_text(value: float) -> str:
    """Write a mean count of clips over seeds: ``3`` or ``2.5``."""
    return f"{value:.1f}".removesuffix(".0")


def signed_count(value: float) -> str:
    """Write a difference of such counts."""
    return "0" if abs(value) < 0.05 else f"{value:+.1f}".removesuffix(".0")


def range_text(counts: list[int]) -> str:
    """Write the smallest and the largest of some counts; one number where they are equal."""
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def duration(seconds: float) -> str:
    """Write a duration: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
