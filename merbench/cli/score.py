"""``merbench score``: score a prediction log under a protocol."""

from pathlib import Path
from typing import Annotated

from merbench.cli.declare import argument
from merbench.cli.options import OneProtocol
from merbench.cli.printing import print_as


def score(
    log: Annotated[Path, argument("merbench's CSV, or the MEGC challenge's format.", "FILE")],
    protocol: OneProtocol,
) -> None:
    """Score a prediction log; name missing clips and labels that differ from the official list."""
    from merbench.contracts.errors import MerbenchError
    from merbench.databases.readers.identity import normalised
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.records.logs import read_log
    from merbench.report.views.score import log_report

    spec = find_protocol(protocol)
    if spec.task != "classification":
        raise MerbenchError(f"protocol {spec.name} is for {spec.task}: merbench score supports classification only")
    print_as(log_report(read_log(log, spec, normalised), spec, log.name), "table")
