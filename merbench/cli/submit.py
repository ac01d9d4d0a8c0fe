"""``merbench submit``: a run in the form that the leaderboard takes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.declare import option
from merbench.cli.held import held
from merbench.cli.options import Results, Run, results_folder

if TYPE_CHECKING:
    from merbench.records.read import RecordedRun


def submit(
    run: Run,
    to: Annotated[Path, option("--to", "The folder of the leaderboard in a checkout of merbench.", "DIR")] = Path(
        "results/leaderboard"
    ),
    results: Results = None,
) -> None:
    """Write a complete run in the form that the leaderboard takes, ready to be committed.

    The run must be compared with its protocol's clips, on a known database or release, by committed code. If every fold
    kept its epochs, the predicted class of each clip after each epoch is written too; if epochs were
    selected, so are the scores by which they were.
    """
    from merbench.contracts.errors import MerbenchError
    from merbench.records.entries import completed, write_entry
    from merbench.records.select import Runs, find_run

    found = find_run(results_folder(results), run)
    completed(found)
    runs = held(Runs([found]))
    if reasons := [*runs.problems, *_reasons(found, runs)]:
        raise MerbenchError(f"{found.file.run_id} can't be submitted: {'; '.join(reasons)}")
    typer.echo(f"written: {write_entry(found, to)}")


def _reasons(run: "RecordedRun", compared: "Sequence[RecordedRun]") -> "Iterator[str]":
    """Say what a reader of the leaderboard could not repeat or verify."""
    from merbench.analysis.held import why_not_held
    from merbench.analysis.rows import undisclosed_text
    from merbench.databases import DATABASES

    file = run.file
    if why := why_not_held(compared):
        yield f"its clips and labels could not be compared with its protocol: {why}"
    if strange := set(file.data.split("+")) - set(DATABASES.names()):
        yield f"{', '.join(sorted(strange))} is not a database or a published release"
    if run.undisclosed:
        yield undisclosed_text(run.undisclosed)
    for what, commit in (("merbench", file.git_commit), (file.method, file.method_source)):
        if commit and commit.endswith("-dirty"):
            step = "commit the changes and run it again"
            yield f"the code of {what} differed from its commit {commit.removesuffix('-dirty')[-40:][:12]}: {step}"
