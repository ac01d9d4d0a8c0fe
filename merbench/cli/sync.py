"""``merbench sync mlflow``: update MLflow from the records."""

from typing import Annotated

import typer

from merbench.cli.asked import TrackingUri
from merbench.cli.declare import argument
from merbench.cli.options import Results, results_folder

sync = typer.Typer(help="Update the mirrors of the records.", no_args_is_help=True)


@sync.callback()
def _verbs() -> None:
    """Make ``sync`` a group of commands, of one so far."""


@sync.command(epilog="Example: merbench sync mlflow --tracking-uri http://127.0.0.1:5000")
def mlflow(
    runs: Annotated[
        list[str] | None, argument("Ids of runs, or their first letters (default: all runs).", "[RUN]")
    ] = None,
    tracking_uri: TrackingUri = None,
    results: Results = None,
) -> None:
    """Add the recorded runs to MLflow, or update them there; a lost MLflow store is created again.

    Exit code 1 if a run's records did not verify, or MLflow refused a run.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.names import shown
    from merbench.records.select import run_folder
    from merbench.report.write.terminal import terminal
    from merbench.tracking.servers import settle
    from merbench.tracking.sync import sync as sync_runs

    folder = results_folder(results)
    server = settle(tracking_uri, folder)
    if server is None:
        raise MerbenchError("tracking is turned off (none): give the address of the MLflow to update as --tracking-uri")
    found = [run_folder(folder, run) for run in runs or []]
    found = found or sorted(path.parent for path in (folder / "runs").glob("*/run.json"))
    console = terminal()
    if not found:
        raise MerbenchError(f"no runs in {folder / 'runs'}; record one: merbench run METHOD --protocol PROTOCOL")
    columns = (TextColumn("mirroring runs"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        line = bar.add_task("runs", total=len(found))
        done, notes = sync_runs(
            server,
            found,
            done=lambda _: bar.advance(line),
            wait=lambda: console.print("another process is writing to this MLflow; waiting", soft_wrap=True),
        )
    for note in notes:
        console.print(shown(note.text), style="red", markup=False, soft_wrap=True)
    counts = f"{done['added']} added, {done['updated']} updated, {done['kept']} unchanged"
    console.print(f"{len(found)} run{'s' * (len(found) > 1)}: {counts}", markup=False, soft_wrap=True)
    console.print(f"MLflow: {server.look}", style="dim", markup=False, soft_wrap=True)
    if notes:
        raise typer.Exit(1)
