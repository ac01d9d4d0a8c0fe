"""``merbench score``: score somebody's prediction log under a protocol."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    log: Annotated[Path, typer.Argument(help="Our CSV, or the MEGC challenge's format.", metavar="LOG")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml.")],
) -> None:
    """Score a prediction log; what an incomplete one lacks is named."""
    from rich.console import Console

    from merbench.engine.catalogue import protocol as find_protocol
    from merbench.report.logs import read_log
    from merbench.report.show import print_scores

    spec = find_protocol(protocol)
    found = read_log(log, spec)
    console = Console(highlight=False)
    print_scores(found.predictions, list(spec.classes), spec.parts, console, f"{log.name} under {spec.name}")
    for names, what in ((found.missing, "no prediction for"), (found.foreign, "not in the protocol, not scored:")):
        if names:
            console.print(
                f"{len(names)} clips, {what} {', '.join(names)}", style="yellow", markup=False, soft_wrap=True
            )
