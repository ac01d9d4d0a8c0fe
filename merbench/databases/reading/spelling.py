"""Patterns in the names of subjects and clips."""

import re


def groups(pattern: str, text: str) -> tuple[str, ...]:
    """Return the groups of a pattern that matches the whole text; ValueError if it does not match."""
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(f"{text!r} does not match {pattern}")
    return match.groups()


def number(pattern: str, text: str) -> int:
    """Return the first group as a number; ValueError as :func:`groups`."""
    return int(groups(pattern, text)[0])
