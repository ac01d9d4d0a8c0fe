"""``merbench score``: score somebody's prediction log under a protocol."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    log: Annotated[Path, typer.Argument(help="Our CSV, or the MEGC challenge's format.", metavar="LOG")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml.")],
) -> None:
    """Score a prediction log as it is; what it lacks, and where its truth is not the official list's, is named."""
    from rich.console import Console

    from merbench.engine.catalogue import protocol as find_protocol
    from merbench.report.compare import number
    from merbench.report.logs import read_log
    from merbench.report.show import print_scores
    from merbench.scoring.metrics import scores
    from merbench.scoring.table import pooled_confusion

    spec = find_protocol(protocol)
    found = read_log(log, spec)
    console = Console(highlight=False)
    print_scores(found.predictions, list(spec.classes), spec.parts, console, f"{log.name} under {spec.name}")
    if found.relabelled:
        listed = scores(pooled_confusion(found.as_listed, spec.classes))
        figures = f"UF1 {number(listed.uf1)}, UAR {number(listed.uar)}"
        text = f"{len(found.relabelled)} clips have another truth than the official list: {', '.join(found.relabelled)}"
        console.print(f"{text}; with the list's truth {figures}", style="yellow", markup=False, soft_wrap=True)
    for names, what in ((found.missing, "no prediction for"), (found.foreign, "not in the protocol, not scored:")):
        if names:
            console.print(
                f"{len(names)} clips, {what} {', '.join(names)}", style="yellow", markup=False, soft_wrap=True
            )
