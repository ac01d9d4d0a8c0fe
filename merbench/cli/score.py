"""``merbench score``: score somebody's prediction log under a protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.records.logs import Log


def score(
    log: Annotated[Path, typer.Argument(help="Our CSV, or the MEGC challenge's format.", metavar="LOG")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml.")],
) -> None:
    """Score a prediction log as it is; what it lacks, and where its truth is not the official list's, is named."""
    from rich.console import Console

    from merbench.contracts.errors import MerbenchError
    from merbench.databases.reading.identity import normalised
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.records.logs import read_log
    from merbench.report.views.compare import number, warned
    from merbench.report.views.show import print_scores
    from merbench.scoring.metrics import scores
    from merbench.scoring.table import pooled_confusion

    spec = find_protocol(protocol)
    if spec.task != "classification":
        raise MerbenchError(f"a log has a class a clip, and protocol {spec.name} is {spec.task}")
    found = read_log(log, spec, normalised)
    console = Console(highlight=False)
    for warning in spec.warnings:
        _warn(console, f"warning: {warning}")
    if found.relabelled:
        listed = scores(pooled_confusion(found.as_listed, spec.classes))
        _tell(console, "truth differs from the official list for", found.relabelled)
        console.print(f"with the list's truth: UF1 {number(listed.uf1)}, UAR {number(listed.uar)}", style="yellow")
    if found.missing:
        _tell(console, "no prediction for", found.missing)
    if found.foreign:
        _tell(console, "not in the protocol and not scored:", found.foreign)
    title = _title(log, spec.name + warned(spec.warnings), found)
    print_scores(found.predictions, list(spec.classes), spec.parts, console, title)


def _title(log: Path, protocol: str, found: "Log") -> str:
    """Name log and protocol, with what it warns of, and how much of the protocol the log has."""
    clips = len(found.predictions)
    part = f": {clips} of {clips + len(found.missing)} clips" if found.missing else ""
    return f"{log.name} under {protocol}{part}"


def _tell(console: "Console", what: str, clips: list[str]) -> None:
    """Name clips, every one of them."""
    _warn(console, f"{what} {len(clips)} clip{'s' if len(clips) > 1 else ''}: {', '.join(clips)}")


def _warn(console: "Console", text: str) -> None:
    from merbench.contracts.names import shown

    console.print(shown(text), style="yellow", markup=False, soft_wrap=True)
