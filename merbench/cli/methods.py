"""``merbench methods``: the list of methods, and their cards."""

from typing import TYPE_CHECKING, Annotated

from merbench.cli.cards import origin, print_card, report_broken
from merbench.cli.declare import argument
from merbench.cli.printing import print_as

if TYPE_CHECKING:
    from merbench.contracts.cards import Card

_KINDS = ("published", "baseline", "floor")


def methods(
    name: Annotated[str | None, argument("Print the whole card of this method.", "METHOD")] = None,
) -> None:
    """List the methods, or print one's card with its paper and BibTeX."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, check_installed, method_card
    from merbench.report.views.listings import methods_report

    if name is not None:
        print_card(_whole_card(name))
        return
    lines, problems = [], []
    for known in METHODS.names():
        try:
            entry = METHODS.entry(known)
            card = method_card(entry)
            check_installed(entry)
            if entry.origin != "merbench":  # the cards of our own are tested, and torch need not be imported
                METHODS.get(known)
        except MerbenchError as error:
            problems.append(METHODS.problem(known, error))
        else:
            year = str(card.paper.year) if card.paper else ""
            kinds = ", ".join(dict.fromkeys(spec.kind for spec in card.inputs.values()))
            kinds = kinds or ("by settings" if len(card.configurations) > 1 else "–")
            lines.append((card.name, year, _kind(card), kinds, f"{card.title}{origin(entry.origin)}"))
    print_as(methods_report(sorted(lines, key=lambda line: _KINDS.index(line[2]))), "table")
    report_broken(problems)


def _whole_card(name: str) -> dict[str, object]:
    """Return the card of a method, with its settings and inputs unless the method is not installed."""
    from merbench.contracts.errors import SetupError
    from merbench.engine.plan.catalogue import METHODS, method_card

    entry = METHODS.entry(name)
    try:
        method = METHODS.get(name)
    except SetupError as error:
        command = str(error).partition("not installed: ")[2]
        card = method_card(entry)
        inputs = {"inputs": {key: str(spec) for key, spec in card.inputs.items()}} if card.inputs else {}
        return _described(card) | inputs | {"origin": entry.origin, "not installed": command}
    card, config = method.card, method.resolve()
    content = _described(card)
    by_task = {}
    for task in card.tasks:
        by_task[task] = {key: str(spec) for key, spec in method.inputs(config, task).items()} or "none"
    alike = len(set(map(str, by_task.values()))) == 1
    content["inputs"] = by_task[card.tasks[0]] if alike else by_task
    content["settings"] = config.model_dump(mode="json") or "none"
    return content | {"origin": method.origin}


def _described(card: "Card") -> dict[str, object]:
    apart = {"configurations", "default", "cpu", "quick", "ablations"}
    return card.model_dump(mode="json", exclude_defaults=True, exclude=apart) | _configurations(card)


def _kind(card: "Card") -> str:
    """Name the kind: published in a paper, a baseline, or a floor that every method should exceed."""
    return "published" if card.paper else "floor" if card.kind in ("floor", "sanity") else "baseline"


def _configurations(card: "Card") -> dict[str, object]:
    """Return the configurations, when each runs, and the settings of each ablation; nothing where there is one."""
    content: dict[str, object] = {}
    if len(card.configurations) > 1:
        cases = {"where none is named": card.default, "without a GPU": card.cpu}
        cases["for a first look, on synthetic-small"] = card.quick
        content["configurations"] = _written(card.configurations)
        content["runs"] = {case: name for case, name in cases.items() if name is not None}
    if card.ablations:
        content["ablations"] = {group: _written(rows) for group, rows in card.ablations.items()}
    return content


def _written(rows: "dict[str, dict[str, object]]") -> dict[str, str]:
    from merbench.contracts.yamlfiles import settings_text

    return {name: settings_text(changes) or "the method's own settings" for name, changes in rows.items()}
