"""``merbench methods``: what can be run."""

from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.cards import origin, print_card, print_list

if TYPE_CHECKING:
    from merbench.contracts.cards import Card


def methods(
    name: Annotated[str | None, typer.Argument(help="Print this method's whole card.", metavar="NAME")] = None,
) -> None:
    """List the methods, or print one's card with its paper and BibTeX."""
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.methods import declared_inputs
    from merbench.engine.plan.catalogue import METHODS, method_card

    if name is not None:
        method = METHODS.get(name)
        apart = {"configurations", "default", "cpu", "quick", "ablations"}
        content = method.card.model_dump(mode="json", exclude_defaults=True, exclude=apart)
        content |= _configurations(method.card)
        config = method.resolve()
        inputs = declared_inputs(method.cls, method.card.inputs, config)
        content["inputs"] = {key: str(spec) for key, spec in inputs.items()} or "none"
        content["settings"] = config.model_dump(mode="json") or "none"
        print_card(content | {"origin": method.origin})
        return
    lines, problems = [], []
    for known in METHODS.names():
        try:
            entry = METHODS.entry(known)
            card = method_card(entry)
            if entry.origin != "merbench":  # of our own the card says enough, and torch need not be imported
                METHODS.get(known)
        except MerbenchError as error:
            problems.append(METHODS.problem(known, error))
        else:
            lines.append((card.name, card.summary, origin(entry.origin)))
    print_list(lines, problems)


def _configurations(card: "Card") -> dict[str, object]:
    """Say which configurations there are, which runs when, and what each ablation sets; nothing where there is one."""
    cases = {
        "where none is named": card.default,
        "without a GPU": card.cpu,
        "for a first look, on synthetic-small": card.quick,
    }
    said: dict[str, object] = {}
    if len(card.configurations) > 1:
        said["configurations"] = {name: _settings(changes) for name, changes in card.configurations.items()}
        said["runs"] = {case: name for case, name in cases.items() if name is not None}
    if card.ablations:
        said["ablations"] = {
            group: {row: _settings(changes) for row, changes in rows.items()} for group, rows in card.ablations.items()
        }
    return said


def _settings(changes: dict[str, object]) -> str:
    """Write settings in a line, each as ``--set`` takes it."""
    import json

    texts = {key: value if isinstance(value, str) else json.dumps(value, default=str) for key, value in changes.items()}
    return ", ".join(f"{key}={text}" for key, text in texts.items()) or "the method's own settings"
