"""Rules that the keys of a protocol must satisfy together; each error names the key."""

from typing import TYPE_CHECKING

from merbench.contracts.yamlfiles import KeyedError

if TYPE_CHECKING:
    from merbench.contracts.protocols import Exclusion, ProtocolSpec


def check_consistent(spec: "ProtocolSpec") -> None:
    """Refuse a protocol whose keys contradict one another.

    Raises
    ------
    KeyedError
        Names the key and what was expected.
    """
    if spec.task == "classification":
        _check_classes(spec)
    else:
        _check_action_units(spec)
    for index, entry in enumerate(spec.left_out):
        if entry.dataset not in spec.datasets:
            raise KeyedError(
                f"left_out names the dataset {entry.dataset!r}, which the protocol does not use",
                ("left_out", index, "dataset"),
            )
        _check_not_mapped(spec, index, entry)
    _check_folds(spec)
    _check_expected(spec)


def _check_classes(spec: "ProtocolSpec") -> None:
    """Refuse classes that are missing or without clips, and emotions that are mapped twice."""
    if not spec.classes:
        raise KeyedError("'classes' is missing")
    if spec.units:
        raise KeyedError("units is for task: au-detection", ("units",))
    for dataset, rule in spec.datasets.items():
        for name in rule.classes:
            if name not in spec.classes:
                raise KeyedError(
                    f"datasets.{dataset} maps to {name!r}, which is not one of {', '.join(spec.classes)}",
                    ("datasets", dataset, "classes", name),
                )
        words = [(word, name) for name, words in rule.classes.items() for word in words]
        seen: dict[str, str] = {}
        for word, name in words:
            if word in seen:
                twice = "to two classes" if seen[word] != name else f"to {name!r} twice"
                raise KeyedError(
                    f"datasets.{dataset} maps the emotion {word!r} {twice}", ("datasets", dataset, "classes", name)
                )
            seen[word] = name
    if all(rule.classes for rule in spec.datasets.values()):  # without a mapping, a class's own name counts as it
        mapped = {name for rule in spec.datasets.values() for name, words in rule.classes.items() if words}
        for name in spec.classes:
            if name not in mapped:
                raise KeyedError(
                    f"no dataset maps an emotion to the class {name!r}: map one, or remove the class",
                    ("classes",),
                )


def _check_not_mapped(spec: "ProtocolSpec", index: int, entry: "Exclusion") -> None:
    """Refuse an emotion or objective class that is both mapped and excluded."""
    field, words = (
        ("emotions", entry.emotions) if spec.labels == "emotion" else ("objective_classes", entry.objective_classes)
    )
    for name, mapped in spec.datasets[entry.dataset].classes.items():
        for word in sorted(set(words) & set(mapped)):
            raise KeyedError(
                f"left_out: {word!r} of {entry.dataset} is both excluded and mapped to {name!r}: remove one",
                ("left_out", index, field),
            )


def _check_action_units(spec: "ProtocolSpec") -> None:
    """Refuse AU detection without action units, or with keys for classes."""
    if not spec.units:
        raise KeyedError("'units' is missing: task: au-detection needs the numbers of action units, like [1, 2, 4]")
    mapped = [name for name, rule in spec.datasets.items() if rule.classes]
    if spec.classes or mapped or spec.official_list or (spec.expected and spec.expected.classes):
        raise KeyedError(
            "classes, their mappings, counts and lists are for task: classification; au-detection has units",
            ("classes",) if spec.classes else ("datasets", mapped[0], "classes") if mapped else (),
        )
    if spec.labels != "emotion":
        raise KeyedError("labels is for task: classification; au-detection has no classes", ("labels",))


def _check_folds(spec: "ProtocolSpec") -> None:
    """Refuse sides of a hold-out that overlap or do not cover the datasets, and shared people under other rules."""
    rule = spec.folds
    if rule.rule == "hold-out":
        both = sorted(set(rule.train) & set(rule.test))
        if both:
            raise KeyedError(f"folds: {both[0]!r} is in both train and test", ("folds", "test"))
        for side, names in (("train", rule.train), ("test", rule.test)):
            for name in names:
                if name not in spec.datasets:
                    raise KeyedError(
                        f"folds.{side} names the dataset {name!r}, which is not one of {', '.join(spec.datasets)}",
                        ("folds", side),
                    )
        unused = sorted(set(spec.datasets) - {*rule.train, *rule.test})
        if unused:
            raise KeyedError(f"folds: {unused[0]!r} is in neither train nor test", ("datasets", unused[0]))
    if rule.rule == "leave-one-database-out" and len(spec.datasets) < 2:
        raise KeyedError("folds: leave-one-database-out needs two datasets", ("folds",))
    if spec.shares_people and rule.rule not in ("hold-out", "leave-one-database-out"):
        raise KeyedError("shares_people is for the rules hold-out and leave-one-database-out", ("shares_people",))


def _check_expected(spec: "ProtocolSpec") -> None:
    """Refuse counts of datasets or classes that the protocol does not have."""
    if spec.expected is None:
        return
    for key, counts, known in (
        ("datasets", spec.expected.datasets, tuple(spec.datasets)),
        ("classes", spec.expected.classes, spec.classes),
    ):
        for name in counts:
            if name not in known:
                raise KeyedError(
                    f"expected.{key} counts {name!r}, which is not one of {', '.join(known)}", ("expected", key, name)
                )
