"""``merbench run``: plan a grid, run what is missing, print the table."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.options import (
    Data,
    DryRun,
    ExecutorName,
    Folds,
    FoldsPerGpu,
    Gpus,
    Pack,
    RayAddress,
    Results,
    Sanity,
    Seeds,
    Select,
    TrackingUri,
    Workers,
    one_of,
    results_folder,
)
from merbench.cli.planning import (
    carry_out,
    planned,
    planned_sanity,
    prepared_grid,
    print_plan,
    request_of,
    tell_superseded,
)
from merbench.cli.printing import print_as
from merbench.cli.workers import workforce

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.engine.plan.runs import RunPlan


def run(
    methods: Annotated[list[str], typer.Argument(help="Methods, see merbench methods.", metavar="METHOD")],
    protocol: Annotated[
        list[str], typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml; may be repeated.")
    ],
    data: Data = "auto",
    config: Annotated[
        list[str] | None, typer.Option(help="A configuration on the methods' cards, or METHOD:NAME for one method's.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, or METHOD:key=value; may be repeated.")
    ] = None,
    seeds: Seeds = "0",
    folds: Folds = None,
    select: Select = "last",
    keep_epochs: Annotated[bool, typer.Option("--keep-epochs", help="Keep predictions after each epoch.")] = False,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Keep what the method tells of itself: features, gates, kept locations.")
    ] = False,
    sanity: Sanity = False,
    existing: Annotated[str, typer.Option(help="keep what is recorded, or redo it.")] = "keep",
    workers: Workers = None,
    gpus: Gpus = None,
    folds_per_gpu: FoldsPerGpu = None,
    pack: Pack = None,
    executor: ExecutorName = None,
    ray_address: RayAddress = None,
    dry_run: DryRun = False,
    tracking_uri: TrackingUri = None,
    results: Results = None,
) -> None:
    """Train and test methods on every fold of a protocol; print the table.

    What is recorded is not computed again; a failed fold is. Exit code 1 if folds failed.
    """
    from rich.console import Console

    from merbench.cli.display import PreparationDisplay
    from merbench.engine.execute.state import Existing, check_folds
    from merbench.engine.fold.selection import SELECTIONS
    from merbench.tracking.servers import settle

    one_of(existing, "--existing", ("keep", "redo"))
    one_of(select, "--select", SELECTIONS)
    force = workforce(workers, gpus, folds_per_gpu, executor, ray_address, pack)
    request = request_of(methods, config or [], settings or [], seeds)
    request = replace(request, selection=select, keep_epochs=keep_epochs, diagnose=diagnose)
    store = settle(tracking_uri, results_folder(results))
    console = Console(highlight=False)
    with PreparationDisplay(console) as watcher:
        (request,), prepared = prepared_grid([request], protocol, data, folds or [], watcher)
        plans = planned(request, prepared, watcher)
        plans += planned_sanity([request], plans, prepared, watcher) if sanity else []
    runs = results_folder(results) / "runs"
    tell_superseded(console, plans, runs)
    if dry_run:
        check_folds([fold for plan in plans for fold in plan.file.folds], folds or [])
        print_plan(console, plans, runs, folds or [], existing)
        return
    mode: Existing = "redo" if existing == "redo" else "keep"
    carry_out(plans, runs, console, force, store, lambda: _print_table(console, plans, runs), folds or [], mode)


def _print_table(console: "Console", plans: "list[RunPlan]", runs: Path) -> None:
    from merbench.analysis.rows import measured_rows
    from merbench.contracts.notes import Note
    from merbench.records.read import read_run
    from merbench.report.views.compare import comparison, runs_hint

    rows, notes = measured_rows(read_run(runs / plan.run_id) for plan in plans)
    names = sorted({plan.file.protocol for plan in plans})
    hints = [*runs_hint(rows), f"merbench compare --protocol {names[0]} adds other runs and published figures"]
    print_as(comparison(rows, notes=[*(Note("note", hint) for hint in hints), *notes]), "table", console)
