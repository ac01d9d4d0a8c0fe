"""``merbench folds``: who is trained on and who is tested, for a training script of one's own."""

from typing import Annotated

import typer

from merbench.cli.declare import flag, option
from merbench.cli.options import OneProtocol, one_of
from merbench.cli.printing import say

_DATA = (
    "auto, a database, several joined by +, or a folder with a copy of one; auto uses registered data, else the "
    "protocol's official list, without paths."
)
_SEED = "With --inner: the seed of the runs whose held-out people are listed."


def folds(
    protocol: OneProtocol,
    data: Annotated[str, option("--data", _DATA, "DATABASE")] = "auto",
    inner: Annotated[
        bool, flag("--inner", "Also list whom --select inner holds out within each training fold (validation).")
    ] = False,
    seed: Annotated[int, option("--seed", _SEED, "N", min=0)] = 0,
    format: Annotated[str, typer.Option("--format", "-f", help="Format of the list.", metavar="csv|json")] = "csv",
) -> None:
    """List the training and test clips of every fold, with their classes and the paths of their frames.

    A row per clip, fold and role (train, validation, test). Excluded clips are not listed.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.engine.fold.listing import fold_table
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.folds import protocol_folds
    from merbench.records.logs import table_csv
    from merbench.report.write.data import json_text
    from merbench.report.write.terminal import terminal

    one_of(format, "--format", ("csv", "json"))
    spec = find_protocol(protocol)
    with PreparationDisplay(terminal(stderr=True)) as watcher:
        split, sources = protocol_folds(spec, data, watcher)
    table = fold_table(split, sources, seed if inner else None)
    say(json_text(table.to_dict("records")) if format == "json" else table_csv(table), nl=False)
