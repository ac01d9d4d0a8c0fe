"""``merbench ablate``: a method whole, with parts changed or removed, and other methods, in one table."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merbench.cli.asked import AblateOptions, taking
from merbench.cli.options import one_of, results_folder
from merbench.cli.planning import carry_out, note_superseded, planned, planned_sanity, prepared_grid, print_plan
from merbench.cli.printing import FORMATS, print_as
from merbench.cli.workers import workforce
from merbench.contracts.errors import MerbenchError, suggestion

if TYPE_CHECKING:
    from merbench.analysis.ablation import Trial
    from merbench.contracts.cards import Card
    from merbench.engine.plan.catalogue import Configured
    from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan
    from merbench.prepare.store import PreparationWatcher


@taking(AblateOptions)
def ablate(options: AblateOptions) -> None:
    """Run the full method and the ablations on its card; print the difference that each makes.

    The runs are ordinary ones: recorded folds are kept. Exit code 1 if folds failed.
    """
    from merbench.analysis.ablation import read_ablation
    from merbench.cli.display import PreparationDisplay
    from merbench.report.views.ablation import ablation_report
    from merbench.report.write.terminal import terminal
    from merbench.tracking.servers import settle

    one_of(options.format, "--format", FORMATS)
    start = workforce(options)
    store = settle(options.tracking_uri, results_folder(options.results))
    whole = options.request()
    rows = _ablations(whole.methods[0], options.only)
    others = _others(whole, options.beside)
    console = terminal(stderr=options.format != "table")
    with PreparationDisplay(console) as watcher:
        (prepared,) = prepared_grid([whole, *others], [options.protocol], options.data, options.folds, watcher)
        if prepared.spec.task != "classification":
            given = f"protocol {prepared.spec.name} is for {prepared.spec.task}"
            raise MerbenchError(f"{given}: merbench ablate supports classification only")
        trials, plans = _planned(rows, whole, others, prepared, watcher)
        if options.sanity:
            sanity = planned_sanity([whole, *others], plans, [prepared], watcher)
            trials, plans = trials + _sanity_trials(sanity), plans + sanity
    note_superseded(console, plans, options.runs)
    if options.dry_run:
        for group, name, _, run_ids in trials:
            console.print(f"{group}/{name}: {', '.join(run_ids)}", markup=False, soft_wrap=True)
        print_plan(console, plans, options.runs, options.folds)
        return
    command = replace(options, results=None).command()

    def print_results() -> None:
        clips, truth = prepared.split.clips, prepared.split.truth()
        found = read_ablation(trials, options.runs, clips, truth, command, options.diagnose, options.folds)
        print_as(ablation_report(found), options.format, console)

    carry_out(plans, options, console, start, store, print_results)


@dataclass(frozen=True)
class _Row:
    """One row as asked for; `settings` are all that differ from the configuration, as given to ``--set``."""

    group: str
    name: str
    changes: dict[str, Any]
    settings: dict[str, str]


def _ablations(whole: "Configured", only: Sequence[str]) -> list[_Row]:
    """Return the whole method, and a row for each ablation on its card, or each that is asked for; all are checked."""
    from merbench.analysis.ablation import WHOLE

    card = whole.method.card
    if not card.ablations:
        instead = f"merbench run {card.name} --set key=value changes a setting"
        raise MerbenchError(f"the card of method {card.name} lists no ablations; {instead}")
    rows = [_Row(WHOLE, card.name, {}, whole.settings)]
    for group, name, changes in _chosen(card, only):
        changed = {key: json.dumps(value) for key, value in changes.items()}  # settings are read as YAML
        rows.append(_Row(group, name, changes, whole.settings | changed))
        with _naming(rows[-1]):
            whole.changed(rows[-1].settings)
    return rows


def _chosen(card: "Card", only: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield group, name and changes of the ablations on a card that are asked for."""
    places = [f"{group}/{name}" for group, rows in card.ablations.items() for name in rows]
    for wanted in only:
        known = places if "/" in wanted else list(card.ablations)
        if wanted not in known:
            raise MerbenchError(f"--only {wanted!r} is not an ablation of {card.name}{suggestion(wanted, known)}")
    for group, rows in card.ablations.items():
        for name, changes in rows.items():
            if not only or group in only or f"{group}/{name}" in only:
                yield group, name, changes


def _others(whole: "Request", beside: Sequence[str]) -> "list[Request]":
    """Return a request for each other method, in its own configuration; all are checked."""
    from merbench.analysis.ablation import BESIDE
    from merbench.engine.plan.runs import Request

    requests = []
    for text in dict.fromkeys(beside):
        name, _, config = text.partition(":")
        with _naming(_Row(BESIDE, name, {}, {})):
            requests.append(Request.named([name], config or None, seeds=whole.seeds, diagnose=whole.diagnose))
    return requests


def _planned(
    rows: Sequence[_Row],
    whole: "Request",
    others: "Sequence[Request]",
    prepared: "PreparedProtocol",
    watcher: "PreparationWatcher",
) -> "tuple[list[Trial], list[RunPlan]]":
    """Plan the runs of all rows, each run once: rows with equal settings share theirs."""
    from merbench.analysis.ablation import BESIDE

    (method,) = whole.on(prepared.data)
    asked = []
    for row in rows:
        with _naming(row):
            asked.append((row, replace(whole, methods=(method.changed(row.settings),))))
    for other in others:  # named with its configuration, as in ``--beside``
        (beside,) = other.on(prepared.data)
        config = "" if beside.name == "default" else f":{beside.name}"
        asked.append((_Row(BESIDE, f"{beside.method.card.name}{config}", {}, {}), other))
    trials: list[Trial] = []
    plans: dict[str, RunPlan] = {}
    for row, request in asked:
        with _naming(row):
            own = {plan.run_id: plan for plan in planned(request, [prepared], watcher)}
        trials.append((row.group, row.name, row.changes, tuple(own)))
        plans |= own
    return trials, list(plans.values())


def _sanity_trials(plans: "Sequence[RunPlan]") -> "list[Trial]":
    """Make the sanity rows, all seeds of a run together."""
    from merbench.analysis.ablation import SANITY
    from merbench.cli.display import row_label

    seeds: dict[str, list[str]] = {}
    for plan in plans:
        seeds.setdefault(row_label(plan.file), []).append(plan.run_id)
    return [(SANITY, name, {}, tuple(run_ids)) for name, run_ids in seeds.items()]


@contextmanager
def _naming(row: _Row) -> Iterator[None]:
    """Name the row in an error, and how to run the others without it."""
    from merbench.analysis.ablation import BESIDE, WHOLE

    try:
        yield
    except MerbenchError as error:
        if row.group == WHOLE:
            raise
        if row.group == BESIDE:
            raise MerbenchError(f"--beside {row.name}: {error}") from error
        raise MerbenchError(f"ablation {row.group}/{row.name}: {error}; --only GROUP runs other ablations") from error
