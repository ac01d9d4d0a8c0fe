"""Options that several verbs share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.declare import argument, flag, option, protocol_option
from merbench.contracts.errors import MerbenchError, suggestion

Results = Annotated[
    Path | None, option("--results", "Results folder (default: MERBENCH_RESULTS, else ./results).", "DIR")
]
Run = Annotated[str, argument("A run's id or its digest, or the first letters of either.", "RUN")]
Registered = Annotated[str, argument("A registered database.", "DATABASE")]
Protocol = Annotated[str | None, protocol_option("Only this protocol: a name, or a path ending in .yaml.")]
OneProtocol = Annotated[str, protocol_option("A protocol's name, or a path ending in .yaml.")]
OnlyData = Annotated[str | None, option("--data", "Only runs on this data.", "DATABASE")]
Format = Annotated[
    str, typer.Option("--format", "-f", help="Format of the table.", metavar="table|md|latex|html|csv|json")
]
Leaderboard = Annotated[bool, flag("--leaderboard/--no-leaderboard", "Add the rows of the committed leaderboard.")]
Sanity = Annotated[bool, flag("--sanity", "Add sanity rows: motion-blind methods, and each method on shuffled labels.")]
Data = Annotated[
    str, option("--data", "auto, a database, several joined by +, or a folder with a copy of one.", "DATABASE")
]

#: A longer range is a typing error.
_MOST_NUMBERS = 10_000


def results_folder(given: Path | None) -> Path:
    """Return the results folder: as given, else ``MERBENCH_RESULTS``, else ``./results``."""
    return (given or Path(os.environ.get("MERBENCH_RESULTS") or "results")).expanduser().resolve()


def one_of(value: str, option: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not allowed; the error has the allowed ones."""
    if value not in allowed:
        raise MerbenchError(f"{option} {value!r} is unknown{suggestion(value, allowed)}")


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read ``0-4`` or ``0,3,5-7`` as numbers, each once, in the order given."""
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise MerbenchError(f"{option} {text!r}: expected whole numbers and ranges, like 0-4 or 0,2,7")
        if int(last or first) - int(first) >= _MOST_NUMBERS:
            raise MerbenchError(f"{option} {text!r}: a range may have at most {_MOST_NUMBERS} numbers")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def key_values(pairs: list[str], option: str) -> dict[str, str]:
    """Read ``key=value`` pairs."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise MerbenchError(f"{option} {pair!r}: expected {option} key=value")
        found[key] = value
    return found
