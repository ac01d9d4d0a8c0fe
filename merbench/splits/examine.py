"""A protocol looked at on data: what it takes and leaves, its folds, and the people of whom little can be learned."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import persons
from merbench.contracts.errors import DataError
from merbench.contracts.protocols import Exclusion, ProtocolSpec
from merbench.splits.expected import split_differences
from merbench.splits.folds import Fold, folds_of
from merbench.splits.labels import clips_by_name, labels_of, left_out_by, selected
from merbench.splits.split import check_datasets


@dataclass(frozen=True)
class LeftOutClips:
    """An entry of ``left_out``, how many clips it takes out, and how many each of its names does."""

    entry: Exclusion
    clips: int
    by_name: dict[str, int]

    @property
    def told(self) -> str:
        """The entry in a line; names have their counts where there are several."""
        counts = self.by_name.items()
        names = [f"{name} ({count})" if len(self.by_name) > 1 else name for name, count in counts]
        return f"left out ({self.clips}): {self.entry.dataset} {', '.join(names)}: {self.entry.reason}"


@dataclass(frozen=True)
class Examined:
    """What a protocol makes of clips.

    Attributes
    ----------
    clips : DataFrame
        The clips that are taken, with a column ``class``.
    left_out : list of LeftOutClips
        What each entry of ``left_out`` takes out.
    folds : tuple of Fold
        Empty where `problems` says why.
    one_clip, one_class : list of str
        Subjects with one clip, and with clips of one class.
    shared : list of str
        People who stand on both sides of a fold.
    differences, problems : list of str
        What differs from the expected counts and the official list, and what makes a run impossible.
    """

    clips: pd.DataFrame
    left_out: list[LeftOutClips]
    folds: tuple[Fold, ...]
    one_clip: list[str]
    one_class: list[str]
    shared: list[str]
    differences: list[str]
    problems: list[str]


def examine(spec: ProtocolSpec, clips: pd.DataFrame, aliases: Mapping[str, str], synthetic: bool = False) -> Examined:
    """Apply a protocol to data and tell what comes of it, also where a run would refuse the data.

    Parameters
    ----------
    spec : ProtocolSpec
        The protocol.
    clips : DataFrame
        A clip table with all its datasets.
    aliases : mapping of str to str
        Datasets that share their people, see :func:`merbench.contracts.databases.same_people`.
    synthetic : bool
        The clips are synthetic, and not held against the official list.

    Raises
    ------
    DataError
        A clip is neither mapped nor left out.
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
    return Examined(
        kept,
        [_taken_out(entry, clips) for entry in spec.left_out],
        folds,
        ["/".join(name) for name in sizes.index[sizes == 1]],
        ["/".join(name) for name in kinds.index[kinds == 1]] if several else [],
        sorted(shared),
        split_differences(spec, kept, list(spec.datasets), listed_clips=not synthetic),
        problems,
    )


def _taken_out(entry: Exclusion, clips: pd.DataFrame) -> LeftOutClips:
    return LeftOutClips(entry, int(left_out_by(entry, clips).sum()), clips_by_name(entry, clips))
