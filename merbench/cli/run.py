"""``merbench run``: plan a grid, run the missing folds, print the table."""

from typing import TYPE_CHECKING

from merbench.cli.asked import RunOptions, taking
from merbench.cli.held import held
from merbench.cli.options import one_of, results_folder
from merbench.cli.planning import carry_out, note_superseded, planned, planned_sanity, prepared_grid, print_plan
from merbench.cli.printing import print_as
from merbench.cli.workers import workforce

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from merbench.engine.plan.runs import RunPlan
    from merbench.report.table import Report


@taking(RunOptions)
def run(options: RunOptions) -> None:
    """Train and test methods on every fold of a protocol; print the table.

    Recorded folds are kept; failed ones run again. Exit code 1 if folds failed.
    """
    from merbench.report.write.terminal import terminal

    console = terminal()
    carried_out(options, console, lambda plans: print_as(runs_report(plans, options.runs), "table", console))


def carried_out(options: RunOptions, console: "Console", print_results: "Callable[[list[RunPlan]], None]") -> None:
    """Plan the runs that are asked for, and execute them; progress goes to `console`.

    ``print_results(plans)`` is called when all that can be recorded is; typer.Exit with code 1 if folds failed.
    """
    from merbench.cli.display import PreparationDisplay
    from merbench.engine.execute.state import Existing, check_folds
    from merbench.engine.fold.selection import SELECTIONS
    from merbench.tracking.servers import settle

    one_of(options.existing, "--existing", ("keep", "redo"))
    one_of(options.select, "--select", SELECTIONS)
    existing: Existing = "redo" if options.existing == "redo" else "keep"
    start = workforce(options)
    request = options.request()
    store = settle(options.tracking_uri, results_folder(options.results))
    with PreparationDisplay(console) as watcher:
        prepared = prepared_grid([request], options.protocol, options.data, options.folds, watcher)
        plans = planned(request, prepared, watcher)
        plans += planned_sanity([request], plans, prepared, watcher) if options.sanity else []
    note_superseded(console, plans, options.runs)
    if options.dry_run:
        check_folds([fold for plan in plans for fold in plan.file.folds], options.folds)
        print_plan(console, plans, options.runs, options.folds, existing)
        return
    carry_out(plans, options, console, start, store, lambda: print_results(plans), existing)


def runs_report(plans: "list[RunPlan]", runs: "Path") -> "Report":
    """Build the table of recorded runs."""
    from merbench.analysis.rows import measured_rows
    from merbench.contracts.notes import Note
    from merbench.records.read import read_run
    from merbench.records.select import Runs
    from merbench.report.views.compare import comparison, runs_hint

    recorded = held(Runs(read_run(runs / plan.run_id) for plan in plans))
    rows, notes = measured_rows(recorded)
    names = sorted({plan.file.protocol for plan in plans})
    hints = [*runs_hint(rows), f"merbench compare --protocol {names[0]} adds other runs and published figures"]
    return comparison(rows, notes=[*(Note("note", hint) for hint in hints), *recorded.problems, *notes])
