"""``merbench run``: plan a grid, run what is missing, print the table."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.options import Results, key_values, numbers, one_of, results_folder

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.engine.plan import Request, RunPlan
    from merbench.prepare.store import Watcher


def run(
    methods: Annotated[list[str], typer.Argument(help="Methods, see merbench methods.", metavar="METHOD")],
    protocol: Annotated[
        list[str], typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml; may be repeated.")
    ],
    data: Annotated[
        str, typer.Option(help="auto, a database, several joined by +, or a folder that holds a copy of one.")
    ] = "auto",
    config: Annotated[
        list[str] | None, typer.Option(help="A configuration on the methods' cards, or METHOD:NAME for one method's.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, or METHOD:key=value; may be repeated.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: 0-4 or 0,2,7. A deterministic method counts one.")] = "0",
    folds: Annotated[
        list[str] | None, typer.Option("--folds", help="Only this fold (casme2/sub01); may be repeated.")
    ] = None,
    keep_epochs: Annotated[bool, typer.Option("--keep-epochs", help="Keep predictions after each epoch.")] = False,
    existing: Annotated[str, typer.Option(help="keep what is recorded, or redo it.")] = "keep",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List the runs, what is recorded and what would run; prepares the data, trains nothing."
        ),
    ] = False,
    results: Results = None,
) -> None:
    """Train and test methods on every fold of a protocol; print the table.

    What is recorded is not computed again; a failed fold is. Exit code 1 if folds failed.
    """
    from rich.console import Console

    from merbench.cli.display import LiveDisplay, PlainDisplay, PreparationDisplay
    from merbench.engine.execute import check_folds, execute, failures

    one_of(existing, "--existing", ("keep", "redo"))
    request = _request(methods, config or [], settings or [], seeds, keep_epochs)
    console = Console(highlight=False)
    with PreparationDisplay(console) as watcher:
        plans = _planned(request, protocol, data, folds or [], watcher)
    runs = results_folder(results) / "runs"
    if dry_run:
        check_folds(plans, folds or [])
        _print_plan(console, plans, runs, folds or [], existing)
        return
    display = LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
    with display:
        states = execute(plans, runs, display, folds or [], "redo" if existing == "redo" else "keep")
    if not display.executed and all(state.complete for state in states):
        count = sum(len(plan.file.folds) for plan in plans)
        console.print(f"nothing to do: all {count} folds of {len(plans)} runs are recorded")
    _print_table(console, plans, runs)
    if failures(states):
        console.print(failures(states), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _planned(
    request: "Request", protocols: list[str], data: str, folds: list[str], watcher: "Watcher"
) -> "list[RunPlan]":
    """Settle the data, prepare it, and plan the grid; what the user should know of it is told on the way."""
    from merbench.databases.synthetic.database import SMALL
    from merbench.engine.catalogue import protocol as find_protocol
    from merbench.engine.data import choose_data
    from merbench.engine.execute import check_fold_names
    from merbench.engine.plan import PreparedProtocol, plan_runs

    specs = [find_protocol(name) for name in dict.fromkeys(protocols)]
    request.check()  # a slip should be told before data is made or prepared
    chosen = choose_data(data, specs, watcher)
    watcher.note(f"data: {chosen.name}, {chosen.why}")
    if any(source.database.card.name == SMALL for source in chosen.sources):
        asked, request = request, request.for_a_first_look()
        for name in sorted(request.configs.keys() - asked.configs.keys()):
            short = f"{name}:{request.configs[name]}"
            watcher.note(f"configuration {short}, for a first look; --config {name}:default trains at full length")
    prepared = [PreparedProtocol.of(spec, chosen, watcher) for spec in specs]
    for item in prepared:
        if item.split.differences:
            watcher.note(f"note: differs from {item.spec.name}: {'; '.join(item.split.differences)}")
    for source in chosen.sources:
        told = Counter(remark.kind for remark in source.reading.remarks)
        if told:
            counts = ", ".join(f"{count} {kind}" for kind, count in told.items())
            watcher.note(f"note: {source.name}: {counts}; merbench data verify {source.database.card.name} tells")
    check_fold_names([fold.name for item in prepared for fold in item.split.folds], folds)
    return plan_runs(request, prepared)


def _request(methods: list[str], config: list[str], settings: list[str], seeds: str, keep_epochs: bool) -> "Request":
    """Read the options that say what to run; ``METHOD:NAME`` is one method's configuration, ``NAME`` all others'."""
    from merbench.engine.plan import Request

    return Request(
        methods=tuple(methods),
        config=next((name for name in reversed(config) if ":" not in name), None),
        configs=dict(name.split(":", 1) for name in config if ":" in name),
        settings=key_values(settings, "--set"),
        seeds=numbers(seeds, "--seeds"),
        keep_epochs=keep_epochs,
    )


def _print_plan(console: "Console", plans: "list[RunPlan]", runs: Path, folds: list[str], existing: str) -> None:
    from rich import box
    from rich.table import Table

    from merbench.engine.execute import run_state

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


def _print_table(console: "Console", plans: "list[RunPlan]", runs: Path) -> None:

    from merbench.report.compare import Comparison
    from merbench.report.rows import measured_rows
    from merbench.report.runs import read_run
    from merbench.report.terminal import print_table

    rows, notes = measured_rows([read_run(runs / plan.run_id) for plan in plans])
    print_table(Comparison(rows, [], notes), console)
    names = sorted({plan.file.protocol for plan in plans})
    console.print(
        f"merbench compare --protocol {names[0]} sets this beside other runs and published figures",
        style="dim",
        markup=False,
        soft_wrap=True,
    )
