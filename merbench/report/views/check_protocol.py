"""A protocol examined on data: clips, classes, folds, subjects with few clips, and deviations."""

from collections.abc import Iterator, Sequence

from merbench.contracts.errors import listed
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.report.numbers import range_text
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells
from merbench.splits.examine import Examined
from merbench.splits.labels import output_counts

#: The folds of protocols with at most so many are named.
MOST_FOLDS = 12


def protocol_report(spec: ProtocolSpec, found: Examined, synthetic: bool, list_clips: bool) -> Report:
    """Build the table of clips by dataset and class, with notes on folds, subjects and deviations."""
    outputs = [name if spec.task == "classification" else f"AU{name}" for name in spec.outputs]
    lines = []
    for dataset in (*spec.datasets, None) if len(spec.datasets) > 1 else spec.datasets:
        of = found.clips if dataset is None else found.clips[found.clips.dataset == dataset]
        subjects = len(of[["dataset", "subject"]].drop_duplicates())
        lines.append(text_cells(dataset or "all", len(of), subjects, *output_counts(spec, of)))
    columns = [name_column("Dataset"), *map(Column, ("Clips", "Subjects", *outputs))]
    notes = [Note("note" if synthetic or used else "warning", line) for line, used in found.excluded]
    notes += [*_folds(found), *_people(found)]
    if list_clips:
        notes += [
            Note("note", f"{row.dataset}/{row.subject}/{row.clip} {row[-1]}".rstrip())
            for row in found.clips.itertuples(index=False)
        ]
    if not found.problems and (synthetic or not found.differences):
        notes += _compared(spec, found.differences, synthetic)
    return Report([Table("", columns, [Section(lines)], notes=notes)])


def _folds(found: Examined) -> Iterator[Note]:
    sizes = [len(fold.test) for fold in found.folds]
    trained = [len(fold.train) for fold in found.folds]
    if not sizes:
        return
    largest = max(found.folds, key=lambda fold: len(fold.test))
    most = f" (most in {largest.name})" if min(sizes) < max(sizes) else ""
    folds = f"{len(sizes)} fold{'s' * (len(sizes) > 1)}"
    yield Note("note", f"{folds}: {range_text(sizes)} test clips{most}, {range_text(trained)} training clips")
    if len(sizes) <= MOST_FOLDS:
        for fold in found.folds:
            yield Note("note", f"  {fold.name}: {len(fold.test)} test clips, {len(fold.train)} training clips")
    unused = [len(found.clips) - len(fold.test) - len(fold.train) for fold in found.folds]
    if any(unused):
        per_fold = " per fold" * (len(unused) > 1)
        text = f"other clips of tested people, excluded from training: {range_text(unused)}{per_fold}"
        yield Note("excluded", text)


def _people(found: Examined) -> Iterator[Note]:
    for content, names in (("one clip", found.one_clip), ("clips of one class only", found.one_class)):
        if names:
            yield Note(
                "note", f"{len(names)} subject{'s have' if len(names) > 1 else ' has'} {content}: {listed(names)}"
            )
    if found.shared:
        yield Note("warning", f"{len(found.shared)} people are in both training and test: {listed(found.shared)}")


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
