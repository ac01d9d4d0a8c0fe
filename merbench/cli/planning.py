"""What verbs that run methods share: prepare the data, plan the runs, carry them out; all of it is told on the way."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from merbench.cli.options import key_values, numbers

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from merbench.cli.workers import Workforce
    from merbench.engine.execute.state import Existing
    from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan
    from merbench.prepare.store import Watcher
    from merbench.tracking.servers import TrackingServer


def request_of(methods: list[str], config: list[str], settings: list[str], seeds: str) -> "Request":
    """Read the options that say what to run; ``METHOD:NAME`` is one method's configuration, ``NAME`` all others'."""
    from merbench.engine.plan.runs import Request

    return Request(
        methods=tuple(methods),
        config=next((name for name in reversed(config) if ":" not in name), None),
        configs=dict(name.split(":", 1) for name in config if ":" in name),
        settings=key_values(settings, "--set"),
        seeds=numbers(seeds, "--seeds"),
    )


def prepared_grid(
    requests: "Sequence[Request]", protocols: list[str], data: str, folds: list[str], watcher: "Watcher"
) -> "tuple[list[Request], list[PreparedProtocol]]":
    """Settle the data and split it by the protocols.

    Returns
    -------
    list of Request
        The requests, which now know whether the data is for a first look.
    list of PreparedProtocol
        The protocols on the data, to plan runs of them.
    """
    from merbench.contracts.errors import listed
    from merbench.engine.execute.state import check_folds
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import choose_data
    from merbench.engine.plan.runs import PreparedProtocol
    from merbench.splits.expected import clips_not_found
    from merbench.synthetic.database import SMALL

    specs = [find_protocol(name) for name in dict.fromkeys(protocols)]
    for request in requests:
        request.check()  # a slip should be told before data is made or prepared
    chosen = choose_data(data, specs, watcher)
    watcher.note(f"data: {chosen.name}, {chosen.why}")
    first_look = any(source.database.card.name == SMALL for source in chosen.sources)
    requests = [replace(request, first_look=first_look) for request in requests]
    for request in requests:
        for name in dict.fromkeys(request.methods):
            if why := request.why_config(name):
                watcher.note(why)
    prepared = [PreparedProtocol.of(spec, chosen, watcher) for spec in specs]
    for item in prepared:
        for warning in item.spec.warnings:
            watcher.note(f"warning: {item.spec.name}: {warning}")
        if item.split.differences:
            watcher.note(f"note: differs from {item.spec.name}: {'; '.join(item.split.differences)}")
        if unknown := [] if chosen.synthetic else clips_not_found(item.spec, chosen.clips):
            watcher.note(f"note: left_out of {item.spec.name} names what the data has no clip of: {listed(unknown)}")
    for source in chosen.sources:
        told = Counter(remark.kind for remark in source.reading.remarks)
        if told:
            counts = ", ".join(f"{count} {kind}" for kind, count in told.items())
            watcher.note(f"note: {source.name}: {counts}; merbench data verify {source.database.card.name} tells")
    check_folds([fold.name for item in prepared for fold in item.split.folds], folds)
    return requests, prepared


def planned(request: "Request", prepared: "Sequence[PreparedProtocol]", watcher: "Watcher") -> "list[RunPlan]":
    """Plan the runs of a request; methods that have nothing to diagnose, although it is asked for, are told."""
    from merbench.engine.plan.runs import plan_runs

    plans = plan_runs(request, prepared)
    for plan in plans:
        if request.diagnose and not plan.task.diagnose:
            watcher.note(f"method {plan.file.method} has nothing to diagnose")
    return plans


def planned_sanity(
    asked: "Sequence[Request]",
    plans: "Sequence[RunPlan]",
    prepared: "Sequence[PreparedProtocol]",
    watcher: "Watcher",
) -> "list[RunPlan]":
    """Plan the sanity rows of a table, and tell which these are and which can't be had."""
    from merbench.cli.display import row_label
    from merbench.engine.plan.sanity import plan_sanity

    found, notes = plan_sanity(asked, plans, prepared)
    for note in notes:
        watcher.note(str(note))
    names = dict.fromkeys(row_label(plan.file) for plan in found)
    watcher.note(f"sanity rows, run after the methods: {', '.join(names) or 'none'}")
    return found


def print_plan(console: "Console", plans: "list[RunPlan]", runs: "Path", folds: list[str], existing: str) -> None:
    """Print what is recorded of each run and what would run; nothing is trained."""
    from rich import box
    from rich.table import Table

    from merbench.engine.execute.state import run_state

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Run", overflow="fold")
    for name in ("Units", "Recorded", "Failed before", "Would run"):
        table.add_column(name, justify="right")
    notes: list[str] = []
    folds_of: dict[tuple[str, ...], list[str]] = {}
    total = 0
    for plan in plans:
        state = run_state(plan, runs, folds, "redo" if existing == "redo" else "keep")
        total += len(state.pending)
        notes += state.damaged
        units = len(state.recorded) + len(state.pending)
        table.add_row(
            plan.run_id, str(units), str(len(state.recorded)), str(len(state.failed)), str(len(state.pending))
        )
        if state.pending:
            folds_of.setdefault(state.pending, []).append(plan.run_id)
    console.print(table)
    for pending, run_ids in folds_of.items():
        notes.append(f"would run, of {', '.join(run_ids)}: {', '.join(pending)}")
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    console.print(
        f"{total} of {sum(len(p.file.folds) for p in plans)} units would run; nothing was trained or recorded"
    )


def tell_superseded(console: "Console", plans: "Sequence[RunPlan]", runs: "Path") -> None:
    """Tell of recorded runs that do not count any more, and why."""
    from merbench.engine.plan.siblings import superseded

    for line in superseded(plans, runs):
        console.print(line, markup=False, soft_wrap=True)


def carry_out(
    plans: "Sequence[RunPlan]",
    runs: "Path",
    console: "Console",
    force: "Workforce",
    store: "TrackingServer | None",
    print_results: Callable[[], None],
    folds: Sequence[str] = (),
    existing: "Existing" = "keep",
) -> None:
    """Execute what is missing and mirror it; print the results, what failed, and how MLflow stands.

    Raises
    ------
    typer.Exit
        Folds failed.
    """
    from rich.text import Text

    from merbench.cli.display import LiveDisplay, PlainDisplay
    from merbench.engine.execute.grid import execute
    from merbench.engine.execute.state import failures
    from merbench.tracking.mirror import Mirror

    display = LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
    with Mirror(store, runs, display.note) as mirror:
        with force.started(plans) as executor, display:
            states = execute(plans, runs, mirror.watching(display), folds, existing, executor)
        if not display.executed and all(state.complete for state in states):
            count = sum(len(plan.file.folds) for plan in plans)
            console.print(f"nothing to do: all {count} folds of {len(plans)} run{'s' * (len(plans) > 1)} are recorded")
        print_results()
        if told := failures(plans, states):
            console.print(told, style="red", markup=False, soft_wrap=True)
        waiting = Text("writing to MLflow; Ctrl-C goes on without waiting", style="dim")
        with console.status(waiting) if mirror.at_work else nullcontext():
            stands = mirror.finish()
        if stands:
            console.print(stands, style="dim", markup=False, soft_wrap=True)
    if told:
        raise typer.Exit(1)
