"""``merbench export``: a run's predictions as a log."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.declare import option
from merbench.cli.options import Results, Run, one_of, results_folder
from merbench.cli.printing import say


def export(
    run: Run,
    format: Annotated[
        str, typer.Option("--format", "-f", help="merbench's CSV, or the MEGC format.", metavar="csv|challenge")
    ] = "csv",
    out: Annotated[Path | None, option("--out", "The file to write (default: standard output).", "FILE")] = None,
    results: Results = None,
) -> None:
    """Write a run's predictions as a log that others can score."""
    from merbench.contracts.errors import MerbenchError
    from merbench.records.files import write_whole
    from merbench.records.logs import to_challenge, to_csv
    from merbench.records.select import find_run

    one_of(format, "--format", ("csv", "challenge"))
    if out is not None and (out.is_symlink() or (out.exists() and not out.is_file()) or not out.name):
        what = "a link" if out.is_symlink() else "a folder" if out.is_dir() else "a pipe or a device"
        raise MerbenchError(f"--out {out} is {what}: name a file, which is replaced, or a new one")
    found = find_run(results_folder(results), run)
    for problem in found.problems:
        say(problem, err=True)
    if found.predictions.empty:
        raise MerbenchError(f"{found.file.run_id} has no predictions yet")
    if not found.complete:
        recorded = f"{found.folds} of {len(found.file.folds)} folds"
        say(f"{found.file.run_id} has {recorded}: the log is incomplete", err=True)
    if format == "challenge" and found.file.task != "classification":
        raise MerbenchError(f"the challenge format has classes, this run is {found.file.task}: use --format csv")
    text = to_csv(found.predictions) if format == "csv" else to_challenge(found.predictions, found.file.outputs)
    if out is None:
        say(text, nl=False)
    else:
        write_whole(out, text.encode())
