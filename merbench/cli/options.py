"""Options that several verbs share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from merbench.contracts.errors import MerbenchError, suggestion

Results = Annotated[
    Path | None,
    typer.Option("--results", help="Results folder (by default MERBENCH_RESULTS, else ./results).", show_default=False),
]
Run = Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")]
Registered = Annotated[str, typer.Argument(help="A registered database.", metavar="NAME")]

# What run and ablate share.
Data = Annotated[str, typer.Option(help="auto, a database, several joined by +, or a folder that holds a copy of one.")]
Seeds = Annotated[str, typer.Option(help="Seeds: 0-4 or 0,2,7. A deterministic method counts one.")]
Sanity = Annotated[
    bool,
    typer.Option(
        "--sanity",
        help="Sanity rows too: methods that see no motion, and each method on shuffled labels; never ranked.",
    ),
]
Folds = Annotated[list[str] | None, typer.Option("--folds", help="Only this fold (casme2/sub01); may be repeated.")]
Select = Annotated[
    str,
    typer.Option(
        "--select",
        help="Which epoch counts: last; inner, the best on subjects held out within the training fold, up to which all "
        "are then trained on; or inner-keep, the net that was trained without them.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="List the runs, what is recorded and what would run; prepares the data, trains nothing."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Folds at a time (by default 1; with Ray, or several GPUs, one a CPU).", show_default=False
    ),
]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs to use (by default all).", show_default=False)]
FoldsPerGpu = Annotated[
    str | None,
    typer.Option(help="auto, or how many folds share a GPU (by default auto: as many as fit).", show_default=False),
]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        "--executor", help="serial or ray (by default ray for more than one worker or GPU).", show_default=False
    ),
]
Pack = Annotated[
    int | None,
    typer.Option(
        min=1, help="Folds trained together in one program, for nets that allow it (by default 1).", show_default=False
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="host:port of a Ray cluster that this machine is part of; see docs/many-workers.md."),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="The MLflow that mirrors the records, or none (by default MLFLOW_TRACKING_URI, else files in the results "
        "folder).",
        show_default=False,
    ),
]


#: A longer range is a slip of the finger.
MOST_NUMBERS = 10_000


def results_folder(given: Path | None) -> Path:
    """Return the results folder: as given, else ``MERBENCH_RESULTS``, else ``./results``."""
    return (given or Path(os.environ.get("MERBENCH_RESULTS") or "results")).resolve()


def one_of(value: str, option: str, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is allowed; else say what is."""
    if value not in allowed:
        raise MerbenchError(f"{option} {value!r} is unknown{suggestion(value, allowed)}")
    return value


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Read ``0-4`` or ``0,3,5-7`` as numbers, each once, in the order given."""
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise MerbenchError(f"{option} {text!r}: write whole numbers and ranges, like 0-4 or 0,2,7")
        if int(last or first) - int(first) >= MOST_NUMBERS:
            raise MerbenchError(f"{option} {text!r} asks for more than {MOST_NUMBERS} numbers")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def key_values(pairs: list[str], option: str) -> dict[str, str]:
    """Read ``key=value`` pairs."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise MerbenchError(f"{option} {pair!r}: write {option} key=value")
        found[key] = value
    return found
