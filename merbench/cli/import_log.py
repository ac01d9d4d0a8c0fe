"""``merbench import``: a prediction log as a row of the table."""

from typing import Annotated

from merbench.cli.declare import argument, option
from merbench.cli.options import Data, OneProtocol, Results, results_folder
from merbench.cli.printing import say


def import_(
    log: Annotated[str, argument("A log as merbench score reads it: CSV, the challenge's format, a folder.", "LOG")],
    name: Annotated[str, option("--name", "The name of the method in tables.", "NAME")],
    protocol: OneProtocol,
    data: Data = "auto",
    seed: Annotated[int, option("--seed", "The seed of this log; one log per seed.", "N", min=0)] = 0,
    note: Annotated[str, option("--note", "Shown with the row, such as where the log is from.", "TEXT")] = "",
    results: Results = None,
) -> None:
    """Make a row of a prediction log, marked as imported: its training is not seen, and it is never ranked with others.

    The log must have every clip of the protocol, with its classes; one of synthetic clips needs --data. compare, show,
    explain, audit and export take it.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.engine.logs import import_log, open_log
    from merbench.report.write.terminal import terminal

    folder = results_folder(results)
    with PreparationDisplay(terminal(stderr=True)) as watcher:
        opened = open_log(log, protocol, folder, data, watcher)
    run, new = import_log(opened, name, seed, note, folder)
    for said in opened.log.notes:
        say(said.text, err=True)
    say(f"imported: {run}" if new else f"already imported: {run}")
