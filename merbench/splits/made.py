"""Generated protocols: the pairs of a family, and databases crossed by name.

A family, ``protocols/families/<name>.yaml``, has the common keys of its protocols; ``cdmer-c-h`` is its pair of the
databases c and h. ``cross:casme2+samm->smic-hs`` trains on two databases and tests on the third, ``lodo:casme2+samm``
holds out each in turn.
"""

import re
from functools import lru_cache
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from merbench.contracts.citations import Citation
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.protocols import DatasetRule, Exclusion, ProtocolSpec, load_protocol
from merbench.contracts.yamlfiles import load_yaml_model, validated
from merbench.databases import DATABASES
from merbench.databases.readers.identity import READERS

TRANSDUCTIVE = "-transductive"

#: Emotion words of databases that MEGC 2019 does not have -> classes, as it maps such words.
VALENCE = {
    "negative": ("negative", "anger", "contempt", "disgust", "fear", "repression", "sad", "sadness"),
    "positive": ("positive", "happiness", "happy"),
    "surprise": ("surprise",),
}
NO_VALENCE = ("other", "others", "tense")


class _SamePeople(BaseModel, extra="forbid", frozen=True):
    datasets: tuple[str, ...]
    reason: str


class _Family(BaseModel, extra="forbid", frozen=True):
    """The common keys of a family of protocols: each trains on one of its datasets and tests on another."""

    name: str
    title: str
    summary: str
    source: Citation
    classes: tuple[str, ...]
    letters: dict[str, str]  # in names -> dataset
    datasets: dict[str, DatasetRule]
    left_out: tuple[Exclusion, ...]
    same_people: _SamePeople  # datasets: their pairs share people, with a warning
    expected: dict[str, dict[str, int]]  # of datasets -> known counts of clips and subjects
    notes: str

    def members(self) -> dict[str, tuple[str, str, bool]]:
        """Return name -> source, target and whether it is transductive, for every ordered pair."""
        pairs = {f"{self.name}-{s}-{t}": (self.letters[s], self.letters[t]) for s, t in permutations(self.letters, 2)}
        return {name + kind: (*pair, bool(kind)) for name, pair in pairs.items() for kind in ("", TRANSDUCTIVE)}

    def member(self, name: str, origin: str) -> ProtocolSpec:
        """Make one protocol of the family."""
        source, target, transductive = self.members()[name]
        titles = {"source": self.datasets[source].title, "target": self.datasets[target].title}
        counts = {each: self.expected[each] for each in (source, target) if each in self.expected}
        expected: dict[str, Any] = {"datasets": {each: count["clips"] for each, count in counts.items()}}
        if len(counts) == 2:
            expected |= {key: sum(count[key] for count in counts.values()) for key in ("clips", "subjects")}
        share = {source, target} <= set(self.same_people.datasets)
        kind = ", transductive" if transductive else ""
        content = {
            "name": name,
            "title": self.title.format(**titles) + kind,
            "summary": self.summary.format(**titles).removesuffix(".") + f"{kind}.",
            "source": self.source,
            "classes": self.classes,
            "datasets": {each: self.datasets[each] for each in (source, target)},
            "left_out": [entry for entry in self.left_out if entry.dataset in (source, target)],
            "folds": {"rule": "hold-out", "train": [source], "test": [target]},
            "shares_people": self.same_people.reason if share else "",
            "transductive": transductive,
            "expected": expected,
            "notes": self.notes,
        }
        return validated(ProtocolSpec, content, f"{origin}, {name}")


@lru_cache
def read_family(path: Path) -> _Family:
    """Read the file of a family; raises what a protocol's file does."""
    family = load_yaml_model(path, _Family)
    return family.model_copy(update={"source": family.source.resolved(path)})


#: The kinds of patterns.
PATTERNS = ("cross", "lodo")


def is_pattern(name: str) -> bool:
    """Return whether a protocol's name is a pattern of crossed databases."""
    return name.startswith(tuple(f"{kind}:" for kind in PATTERNS))


def pattern_of(recorded: str) -> str | None:
    """Return the pattern of the crossed protocol that runs record under a name; None for another name.

    ``cross-casme2.samm-to-smic-hs`` is recorded for ``cross:casme2+samm->smic-hs``.
    """
    kind, _, rest = recorded.partition("-")
    if kind not in PATTERNS or not rest:
        return None
    known = {_as_name(name): name for database in DATABASES.load_all()[0].values() for name in database.card.datasets}
    sides = [[known.get(each) for each in side.split(".")] for side in rest.split("-to-")]
    if len(sides) != (2 if kind == "cross" else 1) or not all(name for side in sides for name in side):
        return None
    return f"{kind}:{'->'.join('+'.join(map(str, side)) for side in sides)}"


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", text)


def check_own_name(spec: ProtocolSpec, origin: str) -> None:
    """Refuse a protocol with the name of a pattern's protocol: runs of both would be in one table."""
    for kind in PATTERNS:
        if spec.name.startswith(f"{kind}-"):
            reserved = f"{kind}- is reserved for names of {kind}: patterns"
            raise MerbenchError(f"{origin} has the name {spec.name!r}, but {reserved}: use another name")


def crossed(name: str) -> ProtocolSpec:
    """Make the protocol of a pattern: ``cross:SOURCE[+SOURCE]->TARGET[+TARGET]`` or ``lodo:DATABASE+DATABASE[+...]``.

    MerbenchError for another form, a dataset that no known database has, or the same one twice.
    """
    kind, _, rest = name.partition(":")
    sides = [side.split("+") for side in rest.split("->")]
    if len(sides) != (2 if kind == "cross" else 1) or not all(name for side in sides for name in side):
        form = "cross:SOURCE+SOURCE->TARGET" if kind == "cross" else "lodo:DATABASE+DATABASE"
        raise MerbenchError(f"protocol {name!r}: write {form}, in quotes, with the names of databases")
    names = [each for side in sides for each in side]
    databases, _ = DATABASES.load_all()
    titles = {name: title for database in databases.values() for name, title in database.card.datasets.items()}
    for each in names:
        if each not in titles:
            raise MerbenchError(f"protocol {name!r}: unknown database {each!r}{suggestion(each, titles)}")
        if names.count(each) > 1:
            raise MerbenchError(f"protocol {name!r} names {each!r} twice: name each database once")
    joined = [".".join(sorted(side)) for side in sides]
    folds: dict[str, Any] = {"rule": "leave-one-database-out"}
    if kind == "cross":
        folds = {"rule": "hold-out", "train": sorted(sides[0]), "test": sorted(sides[1])}
        said = f"train on {listed(titles[x] for x in sides[0])}, test on {listed(titles[x] for x in sides[1])}"
    else:
        said = f"each of {listed(titles[x] for x in names)} is held out once"
    for each in names:
        if each in READERS and READERS[each].stills:
            raise MerbenchError(
                f"protocol {name!r}: {titles[each]} has single pictures, which are for pretraining only"
            )
        if each in READERS and not {*READERS[each].emotions} & {word for words in VALENCE.values() for word in words}:
            raise MerbenchError(
                f"protocol {name!r}: {titles[each]} has no emotions, only {listed(READERS[each].emotions)}"
            )
    names, mapped = sorted(names), _shipped("megc2019").datasets  # as there, so that its release can be used
    content = {
        "name": _as_name(f"{kind}-{'-to-'.join(joined)}"),
        "title": f"Databases crossed: {said}",
        "summary": f"Negative, positive, surprise: {said}.",
        "source": {"text": f"made from the name {name}"},
        "classes": list(VALENCE),
        "datasets": {x: {"title": titles[x], "classes": mapped[x].classes if x in mapped else VALENCE} for x in names},
        "left_out": [entry for x in names for entry in _left_out(x)],
        "folds": folds,
        "notes": (
            "Emotions of SMIC-HS, CASME II and SAMM are mapped as in MEGC 2019, others likewise: negative is "
            "repression, anger, contempt, disgust, fear, sadness. People in both training and test are excluded from "
            "training."
        ),
    }
    return validated(ProtocolSpec, content, f"protocol {name!r}").coming_from(name)


@lru_cache
def _shipped(name: str) -> ProtocolSpec:
    return load_protocol(Path(str(files("merbench.protocols"))) / f"{name}.yaml")


def _left_out(dataset: str) -> list[Exclusion]:
    megc2019 = _shipped("megc2019")
    if dataset in megc2019.datasets:
        return [entry for entry in megc2019.left_out if entry.dataset == dataset and entry.emotions]
    found = [Exclusion(dataset=dataset, emotions=NO_VALENCE, reason="no valence is given to them")]
    if dataset == "4dme":
        found += [entry for entry in _shipped("4dme-5").left_out if any("+" in word for word in entry.emotions)]
    words = READERS[dataset].emotions if dataset in READERS else ()
    if macro := tuple(word for word in words if word.startswith("macro-")):
        found.append(Exclusion(dataset=dataset, emotions=macro, reason="macro-expressions are for pretraining"))
    return found
