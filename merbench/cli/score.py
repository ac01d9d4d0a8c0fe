"""``merbench score``: score a prediction log under a protocol."""

from pathlib import Path
from typing import Annotated

from merbench.cli.declare import argument
from merbench.cli.options import Data, Format, OneProtocol, Results, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as


def score(
    log: Annotated[
        str, argument("A CSV, the MEGC challenge's format, a folder with a file per person, or a run.", "LOG")
    ],
    protocol: OneProtocol,
    data: Data = "auto",
    format: Format = "table",
    results: Results = None,
) -> None:
    """Score a prediction log; name missing clips and labels that differ from the official list.

    Where the protocol has no list, the log is compared with the registered data, else with the expected counts. A log
    of synthetic clips needs --data.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.engine.logs import open_log
    from merbench.report.views.score import log_report
    from merbench.report.write.terminal import terminal

    one_of(format, "--format", FORMATS)
    with PreparationDisplay(terminal(stderr=True)) as watcher:
        found = open_log(log, protocol, results_folder(results), data, watcher)
    print_as(log_report(found.log, found.spec, Path(log).name, found.synthetic), format)
