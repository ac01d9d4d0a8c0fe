"""``merbench show``, ``export`` and ``submit``: look at a recorded run, and pass it on."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.options import Results, one_of, results_folder

Run = Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")]


def show(
    run: Run,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", help="Where figures go (by default figures/RUN in the results folder).", show_default=False
        ),
    ] = None,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Print only.")] = False,
    fold: Annotated[
        str | None,
        typer.Option(help="Whose features are drawn (by default the fold with most clips).", show_default=False),
    ] = None,
    results: Results = None,
) -> None:
    """Show a run: what it is, its scores, confusion, recall of each class and results of each subject, with figures.

    A run that was made with --diagnose also tells what the method sees: action units, features, gates, kept locations.
    """
    from rich.console import Console
    from rich.text import Text

    from merbench.analysis.diagnostics import check_fold, read_diagnostics
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.names import shown
    from merbench.engine.plan.catalogue import given_again
    from merbench.records.read import find_run, first_record, read_inner, read_run
    from merbench.report.figures.run import draw_figures
    from merbench.report.views.show import print_diagnostics, print_run

    if figures and no_figures:
        raise MerbenchError("--figures says where figures go and --no-figures that there are none: give one of them")
    folder = find_run(results_folder(results), run)
    found = read_run(folder)
    diagnostics = read_diagnostics(folder, found)
    if fold is not None:
        check_fold(fold, diagnostics, found)
    console = Console(highlight=False)
    inner = read_inner(folder, found) if found.complete and not found.asked else None
    print_run(found, console, first_record(folder, found), inner)
    protocol, of = given_again(found.file.protocol)
    print_diagnostics(diagnostics, f"merbench run {found.file.method} --protocol {protocol} --diagnose{of}", console)
    if no_figures:
        return
    place = figures or results_folder(results) / "figures" / found.file.run_id
    for path, caption in draw_figures(found, diagnostics, place, fold):
        console.print(Text(f"{shown(str(path))}  {shown(caption)}"), soft_wrap=True)


def export(
    run: Run,
    format: Annotated[
        str, typer.Option("--format", "-f", help="csv, or challenge for the MEGC challenge's log.")
    ] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="A file; standard output if none is given.")] = None,
    results: Results = None,
) -> None:
    """Write a run's predictions as a log that others can score."""
    from merbench.contracts.errors import MerbenchError
    from merbench.records.files import write_whole
    from merbench.records.logs import to_challenge, to_csv
    from merbench.records.read import find_run, read_run

    one_of(format, "--format", ("csv", "challenge"))
    found = read_run(find_run(results_folder(results), run))
    for problem in found.problems:
        typer.echo(problem, err=True)
    if found.predictions.empty:
        raise MerbenchError(f"{found.file.run_id} has no prediction yet")
    if not found.complete:
        typer.echo(
            f"{found.file.run_id} has {found.folds} of {len(found.file.folds)} folds: the log is incomplete", err=True
        )
    if format == "challenge" and found.file.task != "classification":
        raise MerbenchError(f"the challenge's format has classes, this run is {found.file.task}: --format csv")
    text = to_csv(found.predictions) if format == "csv" else to_challenge(found.predictions, found.file.outputs)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_whole(out, text.encode())


def submit(
    run: Run,
    to: Annotated[Path, typer.Option("--to", help="The leaderboard's folder in a checkout of merbench.")] = Path(
        "results/leaderboard"
    ),
    results: Results = None,
) -> None:
    """Write a whole run in the form that the leaderboard takes, ready to be committed.

    If every fold kept its epochs, the class that each clip was given after each of them goes with it; and what an epoch
    was selected by, where it was.
    """
    from merbench.records.entries import write_entry
    from merbench.records.read import find_run, read_epochs, read_inner, read_run

    folder = find_run(results_folder(results), run)
    found = read_run(folder)
    epochs = read_epochs(folder, found) if found.complete and found.file.task == "classification" else None
    inner = read_inner(folder, found) if found.complete else None
    typer.echo(f"written: {write_entry(found, to, epochs, inner)}")
