"""Rules that the keys of a protocol must satisfy together; each error names the key and what was expected."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from merbench.contracts.yamlfiles import keyed_error

if TYPE_CHECKING:
    from merbench.contracts.protocols import Exclusion, ProtocolSpec


def check_consistent(spec: "ProtocolSpec") -> None:
    """Refuse a protocol whose keys contradict one another."""
    if spec.task == "classification":
        _check_classes(spec)
    else:
        _check_action_units(spec)
    for index, entry in enumerate(spec.left_out):
        if entry.dataset not in spec.datasets:
            line = f"left_out names the dataset {entry.dataset!r}, which the protocol does not use"
            raise keyed_error(line, "left_out", index, "dataset")
        _check_not_mapped(spec, index, entry)
    _check_folds(spec)
    if spec.expected is not None:
        _check_known(spec.expected.datasets, spec.datasets, "expected.datasets counts", "expected", "datasets")
        _check_known(spec.expected.classes, spec.classes, "expected.classes counts", "expected", "classes")


def _check_known(names: Iterable[str], known: Collection[str], what: str, *path: str) -> None:
    for name in names:
        if name not in known:
            raise keyed_error(f"{what} {name!r}, which is not one of {', '.join(known)}", *path, name)


def _check_classes(spec: "ProtocolSpec") -> None:
    """Refuse classes that are missing or without clips, and emotions that are mapped twice."""
    if not spec.classes:
        raise keyed_error("'classes' is missing")
    if spec.units:
        raise keyed_error("units needs task: au-detection; classification has classes", "units")
    for dataset, rule in spec.datasets.items():
        path = ("datasets", dataset, "classes")
        _check_known(rule.classes, spec.classes, f"datasets.{dataset} maps to", *path)
        seen: dict[str, str] = {}
        for word, name in ((word, name) for name, words in rule.classes.items() for word in words):
            if word in seen:
                twice = "to two classes" if seen[word] != name else f"to {name!r} twice"
                raise keyed_error(f"datasets.{dataset} maps the emotion {word!r} {twice}", *path, name)
            seen[word] = name
    if all(rule.classes for rule in spec.datasets.values()):  # without a mapping, a class's own name counts as it
        mapped = {name for rule in spec.datasets.values() for name, words in rule.classes.items() if words}
        for name in spec.classes:
            if name not in mapped:
                line = f"no dataset maps an emotion to the class {name!r}: map one, or remove the class"
                raise keyed_error(line, "classes")


def _check_not_mapped(spec: "ProtocolSpec", index: int, entry: "Exclusion") -> None:
    """Refuse an emotion or objective class that is both mapped and excluded."""
    field = "emotions" if spec.labels == "emotion" else "objective_classes"
    for name, mapped in spec.datasets[entry.dataset].classes.items():
        for word in sorted(set(getattr(entry, field)) & set(mapped)):
            line = f"left_out: {word!r} of {entry.dataset} is both excluded and mapped to {name!r}: remove one"
            raise keyed_error(line, "left_out", index, field)


def _check_action_units(spec: "ProtocolSpec") -> None:
    """Refuse AU detection without action units, or with keys for classes."""
    if not spec.units:
        raise keyed_error("'units' is missing: task: au-detection needs the numbers of action units, like [1, 2, 4]")
    mapped = [name for name, rule in spec.datasets.items() if rule.classes]
    if spec.classes or mapped or spec.official_list or (spec.expected and spec.expected.classes):
        raise keyed_error(
            "classes, their mappings, counts and lists are for task: classification; au-detection has units",
            *(("classes",) if spec.classes else ("datasets", mapped[0], "classes") if mapped else ()),
        )
    if spec.labels != "emotion":
        raise keyed_error("labels is for task: classification; au-detection has no classes", "labels")


def _check_folds(spec: "ProtocolSpec") -> None:
    """Refuse sides of a hold-out that overlap or do not cover the datasets, and shared people under other rules."""
    rule = spec.folds
    if rule.rule == "hold-out":
        if both := sorted(set(rule.train) & set(rule.test)):
            raise keyed_error(f"folds: {both[0]!r} is in both train and test", "folds", "test")
        _check_known(rule.train, spec.datasets, "folds.train names the dataset", "folds", "train")
        _check_known(rule.test, spec.datasets, "folds.test names the dataset", "folds", "test")
        if unused := sorted(set(spec.datasets) - {*rule.train, *rule.test}):
            raise keyed_error(f"folds: {unused[0]!r} is in neither train nor test", "datasets", unused[0])
    if rule.rule == "leave-one-database-out" and len(spec.datasets) < 2:
        raise keyed_error("folds: leave-one-database-out needs at least two databases", "folds")
    if spec.shares_people and rule.rule not in ("hold-out", "leave-one-database-out"):
        raise keyed_error("shares_people is for the rules hold-out and leave-one-database-out", "shares_people")
