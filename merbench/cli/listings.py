"""``merbench methods`` and ``merbench protocols``: what can be run, and how it is judged."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

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
        apart = {"configurations", "default", "without_gpu", "short", "ablations"}
        content = method.card.model_dump(mode="json", exclude_defaults=True, exclude=apart)
        content |= _configurations(method.card)
        config = method.resolve()
        inputs = declared_inputs(method.cls, method.card.inputs, config)
        content["inputs"] = {key: str(spec) for key, spec in inputs.items()} or "none"
        content["settings"] = config.model_dump(mode="json") or "none"
        _print_card(content | {"origin": method.origin})
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
            lines.append((card.name, card.summary, _origin(entry.origin)))
    _print_list(lines, problems)


def protocols(
    name: Annotated[str | None, typer.Argument(help="Print this protocol whole.", metavar="NAME")] = None,
) -> None:
    """List the protocols, or print one: source and BibTeX, databases, mapping, what is left out and why, folds, counts.

    Any databases can be crossed by name: 'cross:casme2+samm->smic-hs', 'lodo:casme2+samm+smic-hs'.
    """
    from merbench.engine.plan.catalogue import PROTOCOLS, family_of
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import known_datasets

    if name is not None:
        spec = find_protocol(name)
        content = spec.model_dump(mode="json", exclude_defaults=True)
        content |= {"warnings": spec.warnings} if spec.warnings else {}
        unread = sorted(set(spec.datasets) - known_datasets())
        content |= {"no_reader_yet": unread} if unread else {}
        _print_card(content | {"spec_digest": spec.spec_digest()})
        return
    found, problems = PROTOCOLS.load_all()
    origins = {entry.name: entry.origin for entry in PROTOCOLS.entries()}
    lines, known = [], known_datasets()
    for spec in found.values():
        unread = sorted(set(spec.datasets) - known)
        lacks = f" [no reader yet for {', '.join(unread)}]" if unread else ""
        lines.append((spec.name, spec.summary, lacks + _origin(origins[spec.name])))
    _print_list(_families_folded(lines, family_of), problems)


def _families_folded(
    lines: list[tuple[str, str, str]], family_of: "Callable[[str], str | None]"
) -> list[tuple[str, str, str]]:
    """List the protocols of a family below one line for all."""
    folded: dict[str, list[tuple[str, str, str]]] = {}
    for line in lines:
        folded.setdefault(family_of(line[0]) or line[0], []).append(line)
    told = []
    for name, members in folded.items():
        if len(members) > 1:
            names = ", ".join(member[0] for member in members)
            summary = f"{len(members)} protocols, see merbench protocols {members[0][0]}: {names}"
            told.append((f"{name}-*", summary, ""))
        else:
            told += members
    return told


def _configurations(card: "Card") -> dict[str, object]:
    """Say which configurations there are, which runs when, and what each ablation sets; nothing where there is one."""
    cases = {
        "where none is named": card.default,
        "without a GPU": card.without_gpu,
        "for a first look, on synthetic-small": card.short,
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


def _origin(origin: str) -> str:
    return "" if origin == "merbench" else f" [{origin}]"


def _print_list(lines: list[tuple[str, str, str]], problems: list[str]) -> None:
    width = max((len(name) for name, _, _ in lines), default=0)
    for name, summary, origin in lines:
        typer.echo(f"{name:<{width}}  {' '.join(summary.split())}{origin}")
    for problem in problems:
        typer.echo(f"broken: {problem}", err=True)


def _print_card(content: dict[str, object]) -> None:
    """Print a card as YAML, texts of several lines as blocks, so that BibTeX can be copied from it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    def mapping(dumper: yaml.SafeDumper, value: dict[str, object]) -> yaml.MappingNode:
        return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=False)

    Dumper.add_representer(str, text)
    Dumper.add_representer(dict, mapping)
    typer.echo(yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110).rstrip())
