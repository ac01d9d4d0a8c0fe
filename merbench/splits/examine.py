"""A protocol applied to data for inspection: selected and excluded clips, folds, and subjects with little data."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import persons
from merbench.contracts.errors import DataError
from merbench.contracts.protocols import Exclusion, ProtocolSpec
from merbench.splits.expected import split_differences
from merbench.splits.folds import Fold, folds_of
from merbench.splits.labels import clips_by_name, labels_of, left_out_by, output_counts, selected
from merbench.splits.split import check_datasets


@dataclass(frozen=True)
class _Examined:
    """A protocol applied to clips."""

    clips: pd.DataFrame  # the selected ones, with a column ``class``
    counts: dict[str, list[int]]  # dataset, or ``all`` -> clips, subjects, and clips of each output
    excluded: list[tuple[str, bool]]  # an entry of ``left_out`` in a line; whether each of its names excludes a clip
    folds: pd.DataFrame  # name, and number of ``test`` and ``train`` clips; none if `problems` says why
    subjects: dict[str, list[str]]  # those with ``one clip``, and those with ``clips of one class only``
    shared: list[str]  # people in both training and test of a fold
    differences: list[str]  # from the expected counts and the official list
    problems: list[str]  # reasons why a run is not possible


def examine(
    spec: ProtocolSpec, clips: pd.DataFrame, aliases: Mapping[str, str], synthetic: bool = False, every: bool = False
) -> _Examined:
    """Apply a protocol to data, also to data that a run would refuse; DataError if a clip is not mapped or excluded.

    `clips` and `synthetic` are as for :func:`merbench.splits.split.make_split`, `aliases` is its `same_people`;
    `every` clip that differs from the official list is named, else some.
    """
    kept = selected(spec, clips)
    problems: list[str] = []
    folds: tuple[Fold, ...] = ()
    try:
        check_datasets(spec, clips, kept)
        labels_of(spec, kept)
        folds = folds_of(spec, kept, aliases)
    except DataError as error:
        problems.append(str(error))
    people = persons(kept, aliases)
    shared = {name for fold in folds for name in set(people[fold.train]) & set(people[fold.test])}
    by_subject = kept.groupby(IDENTITY[:2], sort=True)
    sizes, kinds = by_subject.size(), by_subject["class"].nunique()
    several = spec.task == "classification"
    parts = {dataset: kept[kept.dataset == dataset] for dataset in spec.datasets}
    parts |= {"all": kept} if len(parts) > 1 else {}
    return _Examined(
        kept,
        {
            name: [len(of), of[IDENTITY[:2]].drop_duplicates().shape[0], *output_counts(spec, of)]
            for name, of in parts.items()
        },
        [_excluded(entry, clips) for entry in spec.left_out],
        pd.DataFrame(
            [(fold.name, len(fold.test), len(fold.train)) for fold in folds], columns=["name", "test", "train"]
        ),
        {
            "one clip": ["/".join(name) for name in sizes.index[sizes == 1]],
            "clips of one class only": ["/".join(name) for name in kinds.index[kinds == 1]] if several else [],
        },
        sorted(shared),
        split_differences(spec, kept, list(spec.datasets), listed_clips=not synthetic, every=every),
        problems,
    )


def _excluded(entry: Exclusion, clips: pd.DataFrame) -> tuple[str, bool]:
    counts = clips_by_name(entry, clips)
    names = ", ".join(f"{name} ({count})" if len(counts) > 1 else name for name, count in counts.items())
    line = f"excluded ({left_out_by(entry, clips).sum()}): {entry.dataset} {names}: {entry.reason}"
    return line, all(counts.values())
