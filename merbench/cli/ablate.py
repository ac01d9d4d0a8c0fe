"""``merbench ablate``: a method whole, with parts changed or left out, and beside other methods, in one table."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

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
from merbench.cli.printing import FORMATS, print_as
from merbench.cli.workers import workforce
from merbench.contracts.errors import MerbenchError, suggestion

if TYPE_CHECKING:
    from merbench.analysis.ablation import Trial
    from merbench.contracts.cards import Card
    from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan
    from merbench.prepare.store import Watcher


def ablate(
    method: Annotated[str, typer.Argument(help="A method whose card lists ablations.", metavar="METHOD")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="Protocol, or a path ending in .yaml.")],
    data: Data = "auto",
    config: Annotated[str | None, typer.Option(help="A configuration on the method's card.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, for the whole method and every row; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this GROUP of ablations, or GROUP/ROW; may be repeated.")
    ] = None,
    beside: Annotated[
        list[str] | None, typer.Option("--beside", help="METHOD or METHOD:CONFIG to set beside; may be repeated.")
    ] = None,
    sanity: Sanity = False,
    seeds: Seeds = "0",
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Also what the features tell: CKA, action units read off them.")
    ] = False,
    folds: Folds = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table, md, latex, html, csv or json.")] = "table",
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
    """Run a method whole and with the changes that its card lists, and print what each is worth.

    The runs are ordinary ones: what is recorded is not computed again. Exit code 1 if folds failed.
    """
    from rich.console import Console

    from merbench.analysis.ablation import read_ablation
    from merbench.cli.display import PreparationDisplay
    from merbench.report.views.ablation import ablation_report
    from merbench.tracking.servers import settle

    one_of(format, "--format", FORMATS)
    force = workforce(workers, gpus, folds_per_gpu, executor, ray_address, pack)
    store = settle(tracking_uri, results_folder(results))
    folds = folds or []
    whole = replace(request_of([method], [config] if config else [], settings or [], seeds), diagnose=diagnose)
    rows = _ablations(whole, only or [])
    others = _others(whole, beside or [])
    console = Console(highlight=False, stderr=format != "table")
    with PreparationDisplay(console) as watcher:
        (whole, *others), (prepared,) = prepared_grid([whole, *others], [protocol], data, folds, watcher)
        if prepared.spec.task != "classification":
            raise MerbenchError(f"ablate compares classes, and protocol {prepared.spec.name} is {prepared.spec.task}")
        trials, plans = _planned(rows, whole, others, prepared, watcher)
        if sanity:
            beneath = planned_sanity([whole, *others], plans, [prepared], watcher)
            trials, plans = trials + _sanity_trials(beneath), plans + beneath
    runs = results_folder(results) / "runs"
    tell_superseded(console, plans, runs)
    if dry_run:
        for trial in trials:
            place = f"{trial.group}/{trial.name}"
            console.print(f"{place}: {', '.join(trial.run_ids)}", markup=False, soft_wrap=True)
        print_plan(console, plans, runs, folds, "keep")
        return
    command = _command(method, protocol, data, config, settings, only, beside, seeds, diagnose, folds, sanity)

    def print_results() -> None:
        split = prepared.split
        found = read_ablation(trials, runs, split.clips, split.truth(), command, diagnose, folds)
        print_as(ablation_report(found), format, console)

    carry_out(plans, runs, console, force, store, print_results, folds)


@dataclass(frozen=True)
class _Row:
    """One row as asked for; `settings` are all that differ from the configuration, as they are given to ``--set``."""

    group: str
    name: str
    changes: dict[str, Any]
    settings: dict[str, str]


def _ablations(whole: "Request", only: Sequence[str]) -> list[_Row]:
    """Return the whole method, and a row for each ablation on its card, or each that is asked for; all are checked."""
    from merbench.analysis.ablation import WHOLE
    from merbench.engine.plan.catalogue import METHODS

    (method,) = whole.methods
    found = METHODS.get(method)
    if not found.card.ablations:
        raise MerbenchError(
            f"the card of method {method} lists no ablations; merbench run {method} --set key=value changes a setting"
        )
    whole.check()
    config, own = whole.config_of(method), whole.settings_of(method)
    rows = [_Row(WHOLE, method, {}, own)]
    for group, name, changes in _chosen(found.card, only):
        changed = {key: json.dumps(value) for key, value in changes.items()}  # settings are read as YAML
        rows.append(_Row(group, name, changes, own | changed))
        with _naming(rows[-1]):
            found.resolve(config, rows[-1].settings)
    return rows


def _chosen(card: "Card", only: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield group, name and changes of the ablations on a card that are asked for."""
    places = [f"{group}/{name}" for group, rows in card.ablations.items() for name in rows]
    for wanted in only:
        known = places if "/" in wanted else list(card.ablations)
        if wanted not in known:
            raise MerbenchError(f"--only {wanted!r} is none of the ablations of {card.name}{suggestion(wanted, known)}")
    for group, rows in card.ablations.items():
        for name, changes in rows.items():
            if not only or group in only or f"{group}/{name}" in only:
                yield group, name, changes


def _others(whole: "Request", beside: Sequence[str]) -> "list[Request]":
    """Return what to run of each other method, in its own configuration; all are checked."""
    from merbench.analysis.ablation import BESIDE
    from merbench.engine.plan.runs import Request

    requests = []
    for text in dict.fromkeys(beside):
        name, _, config = text.partition(":")
        requests.append(Request(methods=(name,), config=config or None, seeds=whole.seeds, diagnose=whole.diagnose))
        with _naming(_Row(BESIDE, name, {}, {})):
            requests[-1].check()
    return requests


def _with_config(other: "Request") -> str:
    """Name a method as ``--beside`` takes it, with the configuration it runs in."""
    (name,) = other.methods
    config = other.config_of(name)
    return name if config == "default" else f"{name}:{config}"


def _planned(
    rows: Sequence[_Row],
    whole: "Request",
    others: "Sequence[Request]",
    prepared: "PreparedProtocol",
    watcher: "Watcher",
) -> "tuple[list[Trial], list[RunPlan]]":
    """Plan the runs of all rows, each run once: rows with equal settings share theirs."""
    from merbench.analysis.ablation import BESIDE, Trial

    (method,) = whole.methods
    whole = replace(whole, config=None, configs={method: whole.config_of(method)})  # what it runs in on this data
    asked = [(row, replace(whole, settings=row.settings)) for row in rows]
    asked += [(_Row(BESIDE, _with_config(other), {}, {}), other) for other in others]
    trials: list[Trial] = []
    plans: dict[str, RunPlan] = {}
    for row, request in asked:
        with _naming(row):
            own = {plan.run_id: plan for plan in planned(request, [prepared], watcher)}
        trials.append(Trial(row.group, row.name, row.changes, tuple(own)))
        plans |= own
    return trials, list(plans.values())


def _sanity_trials(plans: "Sequence[RunPlan]") -> "list[Trial]":
    """Make the sanity rows, all seeds of a run together."""
    from merbench.analysis.ablation import SANITY, Trial
    from merbench.cli.display import row_label

    seeds: dict[str, list[str]] = {}
    for plan in plans:
        seeds.setdefault(row_label(plan.file), []).append(plan.run_id)
    return [Trial(SANITY, name, {}, tuple(run_ids)) for name, run_ids in seeds.items()]


@contextmanager
def _naming(row: _Row) -> Iterator[None]:
    """Say of which row an error speaks, and how to go on without it."""
    from merbench.analysis.ablation import BESIDE, WHOLE

    try:
        yield
    except MerbenchError as error:
        if row.group == WHOLE:
            raise
        if row.group == BESIDE:
            raise MerbenchError(f"--beside {row.name}: {error}") from error
        raise MerbenchError(f"ablation {row.group}/{row.name}: {error}; --only GROUP runs others without it") from error


def _command(
    method: str,
    protocol: str,
    data: str,
    config: str | None,
    settings: list[str] | None,
    only: list[str] | None,
    beside: list[str] | None,
    seeds: str,
    diagnose: bool,
    folds: list[str],
    sanity: bool,
) -> str:
    """Write the command line again, without what changes no figure."""
    words = ["merbench", "ablate", method, "--protocol", protocol]
    words += ["--data", data] * (data != "auto") + ["--seeds", seeds] * (seeds != "0")
    words += ["--config", config] if config else []
    for option, values in (("--set", settings), ("--only", only), ("--beside", beside), ("--folds", folds)):
        for value in values or []:
            words += [option, value]
    return shlex.join(words + ["--diagnose"] * diagnose + ["--sanity"] * sanity)
