"""``merbench protocols``: how methods are judged."""

from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.cards import origin, print_card, print_list

if TYPE_CHECKING:
    from collections.abc import Callable


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
        print_card(content | {"spec_digest": spec.spec_digest()})
        return
    found, problems = PROTOCOLS.load_all()
    origins = {entry.name: entry.origin for entry in PROTOCOLS.entries()}
    lines, known = [], known_datasets()
    for spec in found.values():
        unread = sorted(set(spec.datasets) - known)
        lacks = f" [no reader yet for {', '.join(unread)}]" if unread else ""
        lines.append((spec.name, spec.summary, lacks + origin(origins[spec.name])))
    print_list(_families_folded(lines, family_of), problems)


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
