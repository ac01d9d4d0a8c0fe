"""The steps that ``run`` and ``ablate`` share: prepare the data, plan the runs, execute them."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import typer

from merbench.cli.printing import print_as

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from merbench.cli.asked import AblateOptions, RunOptions
    from merbench.cli.workers import Start
    from merbench.engine.execute.state import Existing
    from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan
    from merbench.prepare.store import PreparationWatcher
    from merbench.tracking.servers import TrackingServer


def prepared_grid(
    requests: "Sequence[Request]", protocols: list[str], data: str, folds: list[str], watcher: "PreparationWatcher"
) -> "list[PreparedProtocol]":
    """Choose the data and split it by the protocols; print what a user should know about either."""
    from merbench.contracts.errors import listed
    from merbench.engine.execute.state import check_folds
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import choose_data
    from merbench.engine.plan.runs import PreparedProtocol
    from merbench.engine.plan.truths import remember
    from merbench.splits.expected import clips_not_found

    specs = [find_protocol(name) for name in dict.fromkeys(protocols)]
    chosen = choose_data(data, specs, watcher)
    watcher.note(f"data: {chosen.name}, {chosen.why}")
    for configured in (each for request in requests for each in request.on(chosen) if each.why):
        watcher.note(f"configuration {configured.method.card.name}:{configured.name}, {configured.why}")
    prepared = [PreparedProtocol.of(spec, chosen, watcher) for spec in specs]
    for item in prepared:
        remember(item)
        for warning in item.spec.warnings:
            watcher.note(f"warning: {item.spec.name}: {warning}")
        if item.split.differences:
            watcher.note(f"note: differs from {item.spec.name}: {'; '.join(item.split.differences)}")
        if unknown := [] if chosen.synthetic else clips_not_found(item.spec, chosen.clips):
            found = listed(unknown)
            watcher.note(f"note: left_out of {item.spec.name} names clips that the data does not have: {found}")
    for disclosure in chosen.disclosures:
        watcher.note(f"warning: {disclosure}: its rows are ranked apart, as {chosen.name}")
    for source in chosen.sources:
        kinds = Counter(note.kind for note in source.reading.notes if note.about)
        if kinds:
            counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            watcher.note(f"note: {source.name}: {counts}; details: merbench data verify {source.database.card.name}")
    check_folds([fold.name for item in prepared for fold in item.split.folds], folds)
    return prepared


def planned(
    request: "Request", prepared: "Sequence[PreparedProtocol]", watcher: "PreparationWatcher"
) -> "list[RunPlan]":
    """Plan the runs of a request; note the methods without the epochs or diagnostics that are requested."""
    from merbench.engine.plan.runs import plan_runs

    plans = plan_runs(request, prepared)
    for plan in plans:
        if request.diagnose and not plan.task.diagnose:
            watcher.note(f"method {plan.file.method} has no diagnostics")
    for each in request.methods if request.keep_epochs else ():
        if each.method.card.epochs is False:
            watcher.note(f"method {each.method.card.name} has no epochs, so --keep-epochs stores none")
    return plans


def planned_sanity(
    asked: "Sequence[Request]",
    plans: "Sequence[RunPlan]",
    prepared: "Sequence[PreparedProtocol]",
    watcher: "PreparationWatcher",
) -> "list[RunPlan]":
    """Plan the sanity rows of a table; note which these are, and which are not available."""
    from merbench.cli.display import row_label
    from merbench.engine.plan.sanity import plan_sanity

    found, notes = plan_sanity(asked, plans, prepared)
    for note in notes:
        watcher.note(str(note))
    names = dict.fromkeys(row_label(plan.file) for plan in found)
    watcher.note(f"sanity rows, run after the methods: {', '.join(names) or 'none'}")
    return found


def print_plan(
    console: "Console", plans: "list[RunPlan]", runs: "Path", folds: list[str], existing: "Existing" = "keep"
) -> None:
    """Print the recorded and the missing folds of each run; nothing is trained."""
    from merbench.contracts.notes import Note
    from merbench.engine.execute.state import run_state
    from merbench.report.views.plan import plan_report

    states = {plan.run_id: run_state(plan, runs, folds, existing) for plan in plans}
    damaged = [Note("problem", text) for state in states.values() for text in state.damaged]
    report = plan_report(
        {plan.run_id: len(plan.file.folds) for plan in plans},
        {run: len(state.recorded) for run, state in states.items()},
        {run: len(state.failed) for run, state in states.items()},
        {run: state.pending for run, state in states.items()},
        damaged,
    )
    print_as(report, "table", console)


def note_superseded(console: "Console", plans: "Sequence[RunPlan]", runs: "Path") -> None:
    """Print which recorded runs no longer count, and why."""
    from merbench.engine.plan.siblings import superseded

    for line in superseded(plans, runs):
        console.print(line, markup=False, soft_wrap=True)


def carry_out(
    plans: "Sequence[RunPlan]",
    options: "RunOptions | AblateOptions",
    console: "Console",
    start: "Start",
    store: "TrackingServer | None",
    print_results: Callable[[], None],
    existing: "Existing" = "keep",
) -> None:
    """Execute and mirror the missing folds, print results and failures; typer.Exit with code 1 where folds failed."""
    from rich.text import Text

    from merbench.cli.display import grid_display
    from merbench.engine.execute.grid import execute
    from merbench.engine.execute.state import failures
    from merbench.tracking.mirror import Mirror

    runs = options.runs
    display = grid_display(console)
    with Mirror(store, runs, display.note) as mirror:
        with start(plans) as executor, display:
            states = execute(plans, runs, mirror.watching(display), options.folds, existing, executor)
        if not display.executed and all(state.complete for state in states):
            count = sum(len(plan.file.folds) for plan in plans)
            console.print(f"nothing to do: all {count} folds of {len(plans)} run{'s' * (len(plans) > 1)} are recorded")
        print_results()
        if failed := failures(plans, states):
            console.print(failed, style="red", markup=False, soft_wrap=True)
        waiting = Text("writing to MLflow; Ctrl-C continues without waiting", style="dim")
        with console.status(waiting) if mirror.at_work else nullcontext():
            state = mirror.finish()
        if state:
            console.print(state, style="dim", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
