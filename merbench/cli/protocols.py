"""``merbench protocols``: how methods are judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from merbench.cli.cards import origin, print_card, report_broken
from merbench.cli.declare import argument, option
from merbench.cli.printing import print_as, say

if TYPE_CHECKING:
    from collections.abc import Callable


def protocols(
    name: Annotated[str | None, argument("Print this protocol; or the word new, with --data.", "PROTOCOL")] = None,
    data: Annotated[
        str | None, option("--data", "With new: write a protocol for a registered database.", "NAME")
    ] = None,
    out: Annotated[Path | None, option("--out", "With new: the file (default: NAME-CLASSES.yaml).", "FILE")] = None,
) -> None:
    """List the protocols, or print one: source and BibTeX, databases, classes, exclusions with reasons, folds, counts.

    Any databases can be crossed by name: 'cross:casme2+samm->smic-hs', 'lodo:casme2+samm+smic-hs'. For data of your
    own, merbench protocols new --data NAME writes a file: the classes found, leave-one-subject-out, the counts.
    """
    if name == "new" or data is not None:
        _write_new(name, data, out)
        return
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


def _write_new(name: str | None, data: str | None, out: Path | None) -> None:
    """Write the protocol of a database as it is, and say what to mind about it."""
    import shlex

    import yaml

    from merbench.contracts.errors import MerbenchError, unwritable
    from merbench.engine.plan.catalogue import PROTOCOLS
    from merbench.engine.plan.data import named_data
    from merbench.splits.found import found_protocol

    if name != "new" or data is None:
        raise MerbenchError("a new protocol: merbench protocols new --data NAME [--out FILE.yaml]")
    found = named_data(data)
    titles = {known: title for source in found.sources for known, title in source.database.card.datasets.items()}
    stem = found.name.replace("+", "-")
    content, minded = found_protocol(stem, found.clips, titles)
    if content["name"] in PROTOCOLS.names():
        content |= {"name": f"my-{content['name']}"}
    path = out or Path(f"{content['name']}.yaml")
    if path.suffix != ".yaml" or path.exists():
        wrong = "exists already" if path.exists() else "does not end in .yaml"
        raise MerbenchError(f"{path} {wrong}: give --out a new file that ends in .yaml")
    try:
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        raise MerbenchError(unwritable(path, error, "give --out another file")) from error
    counts = ", ".join(f"{label} {count}" for label, count in content["expected"]["classes"].items())
    say(f"{path}: {content['expected']['clips']} clips of {content['expected']['subjects']} subjects; {counts}")
    for line in minded:
        say(f"note: {line}")
    offers = [source.database.card.offers for source in found.sources]
    method = "svm-flow" if all(own is None or own[0].kind == "flow" for own in offers) else "majority"
    shown, on = shlex.quote(f"./{path}" if path.name == str(path) else str(path)), shlex.quote(data)
    say(f"next: merbench check-protocol {shown} --data {on}; merbench run {method} -p {shown} --data {on}")


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
