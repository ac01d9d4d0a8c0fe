"""A protocol examined on data: clips, classes, folds, subjects with few clips, and deviations."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from merbench.contracts.errors import listed
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.report.numbers import range_text
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells

#: The folds of protocols with at most so many are named.
MOST_FOLDS = 12


def protocol_report(
    spec: ProtocolSpec,
    synthetic: bool,
    list_clips: bool,
    *,
    clips: pd.DataFrame,
    counts: Mapping[str, Sequence[int]],
    excluded: Sequence[tuple[str, bool]],
    folds: pd.DataFrame,
    subjects: Mapping[str, Sequence[str]],
    shared: Sequence[str],
    differences: Sequence[str],
    problems: Sequence[str],
) -> Report:
    """Build the table of clips by dataset and class, with notes on folds, subjects and deviations.

    The named arguments are the fields of what examined the protocol (:mod:`merbench.splits.examine`).
    """
    outputs = [name if spec.task == "classification" else f"AU{name}" for name in spec.outputs]
    lines = [text_cells(name, *numbers) for name, numbers in counts.items()]
    columns = [name_column("Dataset"), *map(Column, ("Clips", "Subjects", *outputs))]
    notes = [Note("note" if synthetic or used else "warning", line) for line, used in excluded]
    notes += [*_folds(folds, len(clips)), *_people(subjects, shared)]
    if list_clips:
        rows = clips.itertuples(index=False)
        notes += [Note("note", f"{row.dataset}/{row.subject}/{row.clip} {row[-1]}".rstrip()) for row in rows]
    if not problems and (synthetic or not differences):
        notes += _compared(spec, differences, synthetic)
    return Report([Table("", columns, [Section(lines)], notes=notes)])


def _folds(folds: pd.DataFrame, clips: int) -> Iterator[Note]:
    sizes, trained = folds.test.tolist(), folds.train.tolist()
    if not sizes:
        return
    most = f" (most in {folds.name.iloc[sizes.index(max(sizes))]})" if min(sizes) < max(sizes) else ""
    said = f"{len(sizes)} fold{'s' * (len(sizes) > 1)}"
    yield Note("note", f"{said}: {range_text(sizes)} test clips{most}, {range_text(trained)} training clips")
    if len(sizes) <= MOST_FOLDS:
        for fold in folds.itertuples():
            yield Note("note", f"  {fold.name}: {fold.test} test clips, {fold.train} training clips")
    unused = [clips - test - train for test, train in zip(sizes, trained, strict=True)]
    if any(unused):
        per_fold = " per fold" * (len(unused) > 1)
        text = f"other clips of tested people, excluded from training: {range_text(unused)}{per_fold}"
        yield Note("excluded", text)


def _people(subjects: Mapping[str, Sequence[str]], shared: Sequence[str]) -> Iterator[Note]:
    for content, names in subjects.items():
        if names:
            have = f"{len(names)} subject{'s have' if len(names) > 1 else ' has'}"
            yield Note("note", f"{have} {content}: {listed(names)}")
    if shared:
        yield Note("warning", f"{len(shared)} people are in both training and test: {listed(shared)}")


def _compared(spec: ProtocolSpec, differences: Sequence[str], synthetic: bool) -> Iterator[Note]:
    """Name the references of the comparison: the protocol's counts, and its list, which holds real clips."""
    for difference in differences:
        yield Note("warning", f"differs, as synthetic data may: {difference}")
    counted = [name for name, count in spec.expected or () if count not in (None, {})]
    against = [f"the protocol's counts of {listed(counted)}"] if counted else []
    if spec.official_list and not synthetic:
        against.append(f"every clip and class of {spec.official_list}")
    if against and not differences:
        yield Note("note", f"agrees with {' and '.join(against)}")
    if not against:
        yield Note("note", "the protocol expects no counts: nothing was compared")
    if spec.official_list and synthetic:
        yield Note("note", f"not compared with {spec.official_list}: it lists real clips, the data is synthetic")
