"""What a protocol's test can find: the smallest difference, what seeds add, and how picked epochs inflate figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from merbench.analysis.kept_epochs import Kept
from merbench.analysis.rows import Row, finite
from merbench.analysis.selection_rules import running_best
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec
from merbench.scoring.intervals import resampled
from merbench.scoring.metrics import accuracy, unweighted_f1
from merbench.scoring.power import Found, Numbers, RowPair, Source, find_power, made_up, smallest_difference
from merbench.scoring.table import subject_confusions

#: Differences in UF1 whose power is shown.
DIFFERENCES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1)
SEEDS = (1, 3, 5, 10)
#: How many epochs and folds the lift is shown for; as many as there are at most.
_EPOCHS = (1, 2, 5, 10, 30, 100, 300)
_FOLDS = (1, 5, 10, 20)
_GROUPINGS = 10


@dataclass(frozen=True)
class Power:
    """What the paired test of two rows finds.

    `smallest` are the smallest differences in UF1 found with 80 %, by the number of seeds a row; `found` how often
    those of `DIFFERENCES` are found with one seed. `people` is the standard deviation of the difference over other
    people, `training` that of each row's UF1 over its seeds, NaN for a row of one seed; all NaN for rows that are
    `assumed`.
    """

    labels: tuple[str, str]
    clips: int
    subjects: int
    smallest: dict[int, float]
    found: list[Found]
    people: float
    training: tuple[float, float]
    assumed: bool

    def record(self) -> dict[str, Any]:
        """Return it as an object for JSON."""
        return {
            "rows": list(self.labels), "assumed": self.assumed, "clips": self.clips, "subjects": self.subjects,
            "smallest": [{"seeds": seeds, "uf1": finite(value)} for seeds, value in self.smallest.items()],
            "found": [{"uf1": of.difference, "seeds": of.seeds, "power": finite(of.power)} for of in self.found],
            "sd_people": finite(self.people), "sd_seeds": [finite(value) for value in self.training],
        }  # fmt: skip


def power_of_rows(one: Row, two: Row, seeds: Sequence[int] = SEEDS) -> Power:
    """Simulate the test of two recorded rows over the clips that all their runs have."""
    tables = [[run.predictions for run in row.runs] for row in (one, two)]
    classes = list(one.runs[0].file.outputs)
    counts, datasets = subject_confusions([*tables[0], *tables[1]], classes)
    many = len(tables[0])
    pair = _pair(tables, classes)
    sizes = pair.sizes
    halves = [resampled(half, sizes, unweighted_f1) for half in (counts[:many], counts[many:])]
    spreads = tuple(_spread(unweighted_f1(half.sum(axis=1))) for half in (counts[:many], counts[many:]))
    return Power(
        (one.label, two.label), len(pair.truth), len(datasets), *_searched(lambda _: pair, seeds),
        float(np.std(halves[0] - halves[1], ddof=1)), (spreads[0], spreads[1]), False,
    )  # fmt: skip


def power_of_counts(spec: ProtocolSpec, clips: pd.DataFrame | None) -> Power:
    """Simulate the test of two rows that are made up, with the clips `clips` (``dataset, subject, truth``) or expected.

    Raises MerbenchError where no clips are given, and the protocol does not expect counts of classes and subjects.
    """
    source, many, subjects = assumed_rows(spec, clips)
    nothing = float("nan")
    return Power(("row A", "row B"), many, subjects, *_searched(source, (1,)), nothing, (nothing, nothing), True)


def assumed_rows(spec: ProtocolSpec, clips: pd.DataFrame | None) -> tuple[Source, int, int]:
    """Return a source of two rows that are made up, and how many clips and subjects it has; as `power_of_counts`."""
    if clips is None:
        counts, people = _expected(spec)
        return made_up(counts, people), int(counts.sum()), sum(people)
    ordered = clips.sort_values(["dataset", "subject"], kind="stable")
    person, sizes = _people(ordered)
    truth = np.array([spec.classes.index(name) for name in ordered.truth])
    counts = np.bincount(truth, minlength=len(spec.classes))[None]
    return made_up(counts, sizes, clips=(truth, person)), len(ordered), sum(sizes)


def _searched(source: Source, seeds: Sequence[int]) -> tuple[dict[int, float], list[Found]]:
    smallest = {many: smallest_difference(source, many) for many in seeds}
    return smallest, [find_power(source, difference) for difference in DIFFERENCES]


def _pair(tables: Sequence[Sequence[pd.DataFrame]], classes: list[str]) -> RowPair:
    ordered = [[table.sort_values(IDENTITY, kind="stable") for table in row] for row in tables]
    codes = {name: number for number, name in enumerate(classes)}

    def coded(column: "pd.Series[str]") -> list[int]:
        return [codes[name] for name in column]

    rows = [np.array([coded(table.predicted) for table in row]) for row in ordered]
    person, sizes = _people(ordered[0][0])
    return RowPair(len(classes), np.array(coded(ordered[0][0].truth)), person, sizes, rows[0], rows[1])


def _people(ordered: pd.DataFrame) -> tuple[Numbers, tuple[int, ...]]:
    """Return the number of each clip's person, clips sorted by dataset and subject, and the people of each dataset."""
    keys = list(zip(ordered.dataset, ordered.subject, strict=True))
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([place[key] for key in keys]), tuple(Counter(dataset for dataset, _ in place).values())


def _spread(values: Any) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _expected(spec: ProtocolSpec) -> tuple[Any, tuple[int, ...]]:
    """Return the expected clips of each class, and the people: one dataset, since counts of several are not crossed."""
    expected = spec.expected
    if expected is None or not expected.classes or not expected.subjects:
        raise MerbenchError(
            f"protocol {spec.name} expects no counts of classes and subjects, and no two rows of it are recorded: "
            f"record two, merbench run svm-flow majority --protocol {spec.known_as}"
        )
    return np.array([[expected.classes.get(name, 0) for name in spec.classes]]), (expected.subjects,)


def lift_by_size(kept: Kept) -> dict[tuple[int, int], float]:
    """Return by how much picking the best test epoch raises UF1: (folds, epochs) -> difference from the last epoch.

    An epoch is picked for each fold by the accuracy of its test clips, the first of ties, among so many epochs at equal
    distances up to the last one; with fewer folds, people's folds are put together at random (the mean of several
    draws, over all seeds). All of it from predictions of the nets as trained: what changes is the picking alone.
    """
    folds, epochs = len(kept.folds), min(seed.predicted.shape[1] for seed in kept.seeds)
    rng = np.random.default_rng(0)
    sizes = [many for many in _FOLDS if many < folds] + [folds]
    groupings = {many: [rng.permutation(np.arange(folds) % many) for _ in range(_GROUPINGS)] for many in sizes[:-1]}
    groupings |= {1: [np.zeros(folds, dtype=np.int64)], folds: [np.arange(folds)]}
    courses = [kept.course(seed) for seed in kept.seeds]
    lifts = {}
    for looked in [many for many in _EPOCHS if many < epochs] + [epochs]:
        shown = np.unique(np.linspace(0, epochs, looked + 1).round().astype(int)[1:] - 1)
        for many in sizes:
            found = []
            for course in courses:
                rows = course.within(shown)
                matrices = np.take_along_axis(course.confusions, rows[:, :, None, None], axis=1)
                last = float(unweighted_f1(matrices[:, -1].sum(axis=0)))
                for group in groupings[many]:
                    merged = np.zeros((many, *matrices.shape[1:]), dtype=np.int64)
                    np.add.at(merged, group, matrices)
                    best = running_best(accuracy(merged), "first")[:, -1]
                    found.append(float(unweighted_f1(merged[np.arange(many), best].sum(axis=0))) - last)
            lifts[many, looked] = float(np.mean(found))
    return lifts
