"""``merbench protocols``: how methods are judged."""

from typing import TYPE_CHECKING, Annotated

from merbench.cli.cards import origin, print_card, report_broken
from merbench.cli.declare import argument
from merbench.cli.printing import print_as

if TYPE_CHECKING:
    from collections.abc import Callable


def protocols(
    name: Annotated[str | None, argument("Print this protocol.", "PROTOCOL")] = None,
) -> None:
    """List the protocols, or print one: source and BibTeX, databases, classes, exclusions with reasons, folds, counts.

    Any databases can be crossed by name: 'cross:casme2+samm->smic-hs', 'lodo:casme2+samm+smic-hs'.
    """
    from merbench.engine.plan.catalogue import PROTOCOLS, family_of
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import known_datasets
    from merbench.report.views.listings import protocols_report

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
    lines = [(spec.name, " ".join(spec.summary.split()) + origin(origins[spec.name])) for spec in found.values()]
    known = known_datasets()
    read = {family_of(spec.name) or spec.name for spec in found.values() if set(spec.datasets) <= known}
    apart: tuple[list[tuple[str, str]], ...] = ([], [])
    for name, about in _families_folded(lines, family_of):
        apart[name.removesuffix("-*") not in read].append((name, about))
    print_as(protocols_report(*apart), "table")
    report_broken(problems)


def _families_folded(lines: list[tuple[str, str]], family_of: "Callable[[str], str | None]") -> list[tuple[str, str]]:
    """List the protocols of a family in one line."""
    folded: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        folded.setdefault(family_of(line[0]) or line[0], []).append(line)
    found = []
    for name, members in folded.items():
        if len(members) > 1:
            found.append((f"{name}-*", f"{len(members)} protocols, such as {members[0][0]}: {members[0][1]}"))
        else:
            found += members
    return found
