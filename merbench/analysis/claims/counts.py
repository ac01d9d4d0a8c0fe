"""The clips of each class that a claim is about: as given, or those of a part of a protocol."""

from collections.abc import Iterable

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.protocols import ProtocolSpec

_MOST_CLIPS, _MOST_CLASSES = 4000, 12


def read_counts(text: str) -> dict[str, int]:
    """Read class counts, ``70,51,43``; MerbenchError where they are not some."""
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) < 2 or not all(piece.isdecimal() and int(piece) for piece in pieces):
        raise MerbenchError(f"counts {text!r}: expected the clips of each class, all above 0, like 70,51,43")
    return checked_counts({f"class {number}": int(piece) for number, piece in enumerate(pieces, start=1)})


def checked_counts(counts: dict[str, int]) -> dict[str, int]:
    """Refuse more clips or classes than can be searched."""
    if sum(counts.values()) > _MOST_CLIPS or len(counts) > _MOST_CLASSES:
        given = f"{sum(counts.values())} clips in {len(counts)} classes"
        raise MerbenchError(f"counts: {given} are too many for this check (at most {_MOST_CLIPS} in {_MOST_CLASSES})")
    return counts


def counts_of_parts(spec: ProtocolSpec) -> dict[str, dict[str, int]]:
    """Return the clips of each class in each part of a protocol, from its official list, else its expected counts.

    A part whose counts are not known is not there; classes without clips in a part are not scored there.
    """
    if spec.task != "classification":
        raise MerbenchError(
            f"{spec.name} is an AU-detection protocol: merbench check-claim supports classification only"
        )
    official = spec.official()
    found: dict[str, dict[str, int]] = {}
    if official is not None:
        for part in spec.parts:
            labels = official[official["class"].notna() & ((official.dataset == part) | (part == "full"))]["class"]
            found[part] = {name: int((labels == name).sum()) for name in spec.classes}
    elif spec.expected is not None and set(spec.expected.classes) == set(spec.classes):
        found["full"] = {name: spec.expected.classes[name] for name in spec.classes}
    return {part: {name: n for name, n in counts.items() if n} for part, counts in found.items()}


def counts_of_variants(spec: ProtocolSpec, part: str, others: Iterable[ProtocolSpec]) -> dict[str, dict[str, int]]:
    """Return the class counts of other protocols on the databases of a part with as many classes, where they differ."""
    datasets = {part} if part in spec.datasets else set(spec.datasets)
    known, found = counts_of_parts(spec).get(part, {}), dict[str, dict[str, int]]()
    for other in others:
        same = other.task == spec.task and set(other.datasets) == datasets and len(other.classes) == len(spec.classes)
        counts = counts_of_parts(other).get("full") if same and other.name != spec.name else None
        if counts and sorted(counts.values()) != sorted(known.values()):
            found[other.name] = counts
    return found


def fold_counts(spec: ProtocolSpec, part: str) -> list[tuple[int, ...]]:
    """Return the clips of each class of each subject of a part, from the official list.

    None without a list or for other folds; classes without clips in the part are not there.
    """
    official = spec.official()
    if official is None or spec.folds.rule != "leave-one-subject-out":
        return []
    scored = official[official["class"].notna() & ((official.dataset == part) | (part == "full"))]
    classes = [name for name in spec.classes if (scored["class"] == name).any()]
    people = scored.groupby(["dataset", "subject"])["class"]
    return [tuple(int((labels == name).sum()) for name in classes) for _, labels in people]


def find_part(spec: ProtocolSpec, text: str) -> str:
    """Return the part that is meant by its name or its title."""
    names = {name.casefold(): name for name in spec.parts}
    titles = {title.casefold(): name for name, title in spec.parts.items()}
    if len(spec.parts) == 1:  # a protocol of one database
        titles |= {
            key: "full" for name, rule in spec.datasets.items() for key in (name.casefold(), rule.title.casefold())
        }
    known = titles | names
    if (key := text.strip().casefold()) not in known:
        raise MerbenchError(f"protocol {spec.name} has no part {text!r}{suggestion(key, known)}")
    return known[key]


def protocol_counts(spec: ProtocolSpec, part: str) -> dict[str, int]:
    """Return the clips of each class in a part; MerbenchError where they are not known."""
    found = counts_of_parts(spec)
    if part not in found:
        raise MerbenchError(f"protocol {spec.name} does not fix the class counts of part {part}: give --counts N,N,…")
    return checked_counts(found[part])
