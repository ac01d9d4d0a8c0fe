"""Options that several verbs share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from merbench.contracts.errors import MerbenchError, suggestion

Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Results folder (default: MERBENCH_RESULTS, else ./results).",
        metavar="DIR",
        show_default=False,
    ),
]
Run = Annotated[str, typer.Argument(help="A run's id, or its first letters.", metavar="RUN")]
Registered = Annotated[str, typer.Argument(help="A registered database.", metavar="DATABASE")]
Protocol = Annotated[
    str | None,
    typer.Option("--protocol", "-p", help="Only this protocol: a name, or a path ending in .yaml.", metavar="PROTOCOL"),
]
OneProtocol = Annotated[
    str, typer.Option("--protocol", "-p", help="A protocol's name, or a path ending in .yaml.", metavar="PROTOCOL")
]
OnlyData = Annotated[str | None, typer.Option("--data", help="Only runs on this data.", metavar="DATABASE")]
Format = Annotated[
    str, typer.Option("--format", "-f", help="Format of the table.", metavar="table|md|latex|html|csv|json")
]
Leaderboard = Annotated[
    bool, typer.Option("--leaderboard/--no-leaderboard", help="Add the rows of the committed leaderboard.", metavar="")
]

# The options that run and ablate share.
Data = Annotated[
    str,
    typer.Option(
        "--data", help="auto, a database, several joined by +, or a folder with a copy of one.", metavar="DATABASE"
    ),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", help="A setting of the methods, or of one method; repeatable.", metavar="[METHOD:]KEY=VALUE"),
]
Seeds = Annotated[
    str, typer.Option("--seeds", help="0-4 or 0,2,7; a deterministic method uses the first.", metavar="N-N")
]
Sanity = Annotated[
    bool,
    typer.Option(
        "--sanity", help="Add sanity rows: motion-blind methods, and each method on shuffled labels.", metavar=""
    ),
]
Folds = Annotated[
    list[str], typer.Option("--folds", help="Only this fold, such as casme2/sub01; repeatable.", metavar="FOLD")
]
Select = Annotated[
    str,
    typer.Option(
        "--select",
        help="The epoch that is tested: last; inner, the best on subjects held out within the training fold, then "
        "retrained on all; inner-keep, the same without retraining.",
        metavar="last|inner|inner-keep",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="List the runs, recorded and missing; prepares the data, trains nothing.", metavar=""
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Folds in parallel (default: 1; with Ray or several GPUs, one a CPU).",
        metavar="N",
        show_default=False,
    ),
]
Gpus = Annotated[
    int | None,
    typer.Option("--gpus", min=0, help="GPUs to use (default: all).", metavar="N", show_default=False),
]
FoldsPerGpu = Annotated[
    str | None,
    typer.Option(
        "--folds-per-gpu",
        help="Folds that share a GPU (default: auto, as many as fit).",
        metavar="auto|N",
        show_default=False,
    ),
]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        "--executor", help="Default: ray for more than one worker or GPU.", metavar="serial|ray", show_default=False
    ),
]
Pack = Annotated[
    int | None,
    typer.Option(
        "--pack",
        min=1,
        help="Folds trained together in one program, for methods that support it (default: 1).",
        metavar="N",
        show_default=False,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray-address", help="A running Ray cluster; see docs/many-workers.md.", metavar="HOST:PORT"),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="MLflow that mirrors the records, or none (default: MLFLOW_TRACKING_URI, else files in --results).",
        metavar="URI",
        show_default=False,
    ),
]


#: A longer range is a typing error.
_MOST_NUMBERS = 10_000


def results_folder(given: Path | None) -> Path:
    """Return the results folder: as given, else ``MERBENCH_RESULTS``, else ``./results``."""
    return (given or Path(os.environ.get("MERBENCH_RESULTS") or "results")).resolve()


def one_of(value: str, option: str, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is allowed; else raise an error with the allowed ones."""
    if value not in allowed:
        raise MerbenchError(f"{option} {value!r} is unknown{suggestion(value, allowed)}")
    return value


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
