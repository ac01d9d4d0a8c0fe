"""``merbench submit``: a run in the form that the leaderboard takes."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.declare import option
from merbench.cli.options import Results, Run, results_folder


def submit(
    run: Run,
    to: Annotated[Path, option("--to", "The folder of the leaderboard in a checkout of merbench.", "DIR")] = Path(
        "results/leaderboard"
    ),
    results: Results = None,
) -> None:
    """Write a complete run in the form that the leaderboard takes, ready to be committed.

    If every fold kept its epochs, the predicted class of each clip after each epoch is written too; if epochs were
    selected, so are the scores by which they were.
    """
    from merbench.records.entries import write_entry
    from merbench.records.select import find_run

    typer.echo(f"written: {write_entry(find_run(results_folder(results), run), to)}")
