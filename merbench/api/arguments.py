"""Arguments of functions, checked before anything is done: one line for a value of another type."""

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from merbench.contracts.errors import MerbenchError, listed


def text(given: object, name: str, what: str = "a name") -> str:
    """Return text, or a path as text."""
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if not isinstance(given, str) or not given:
        raise MerbenchError(f"{name} must be {what}, not {_said(given)}")
    return given


def maybe_text(given: object, name: str) -> str | None:
    """Return text, or None for None."""
    return None if given is None else text(given, name)


def folder(given: object, name: str = "results") -> Path | None:
    """Return a folder; None for None."""
    return None if given is None else Path(text(given, name, "a folder")).expanduser()


def whole(given: object, name: str, least: int = 0) -> int:
    """Return a whole number that is not below `least`."""
    if isinstance(given, bool) or not isinstance(given, Integral) or given < least:
        raise MerbenchError(f"{name} must be a whole number from {least}, not {_said(given)}")
    return int(given)


def flags(**given: object) -> None:
    """Refuse what is neither True nor False."""
    for name, value in given.items():
        if type(value).__name__ not in ("bool", "bool_"):  # Python's or NumPy's
            raise MerbenchError(f"{name} must be True or False, not {_said(value)}")


def one_of(given: object, name: str, allowed: Sequence[str]) -> None:
    """Refuse what is not one of some words."""
    if not isinstance(given, str) or given not in allowed:
        raise MerbenchError(f"{name} must be one of {listed(allowed)}, not {_said(given)}")


def mapping(given: object, name: str, example: str) -> Mapping[str, Any]:
    """Return a mapping with names as keys; an empty one for None."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise MerbenchError(f"{name} must be a mapping, such as {example}, not {_said(given)}")
    return given


def many(given: Any) -> list[Any]:
    """Return one or several as a list, none for None."""
    if given is None:
        return []
    several = isinstance(given, Iterable) and not isinstance(given, str | os.PathLike | pd.DataFrame | Mapping)
    return list(given) if several else [given]


def words(given: Any, name: str, may_be_empty: bool = False) -> list[str]:
    """Return one or several names; MerbenchError if there is none, unless it `may_be_empty`, or one is not text."""
    found = many(given)
    if not (found or may_be_empty) or not all(isinstance(word, str) and word for word in found):
        raise MerbenchError(f"{name} must be a name or several, not {_said(given)}")
    return found


def check_columns(table: object, columns: tuple[str, ...], name: str) -> None:
    """Refuse what is not a data frame with rows and some columns; `name` is the argument."""
    if not isinstance(table, pd.DataFrame):
        raise MerbenchError(f"{name} must be a data frame, not {type(table).__name__}")
    if lacking := [column for column in columns if column not in table.columns]:
        raise MerbenchError(
            f"{name} lacks the columns {listed(lacking)}; it has {listed(map(str, table.columns), most=20) or 'none'}: "
            "start from mb.clips(DATABASE)"
        )
    if table.empty:
        raise MerbenchError(f"{name} has no rows")


def _said(given: object) -> str:
    """Quote a short value; name the type of another."""
    plain = isinstance(given, str | int | float | list | tuple | dict | None)
    quoted = repr(given)
    return quoted if plain and len(quoted) <= 60 else f"a {type(given).__name__}"
