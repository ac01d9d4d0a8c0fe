"""A protocol applied to clip tables: the clips, what each is labelled, and who is held out when."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names, clip_table
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, listed
from merbench.contracts.methods import Problem
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.predictions import units_text
from merbench.splits.expected import split_differences
from merbench.splits.folds import Fold, folds_of
from merbench.splits.labels import labels_of, selected


@dataclass(frozen=True)
class Split:
    """A protocol's clips, sorted by identity, their labels and folds, sorted by name.

    The labels of classification are int, shape (n_clips,), indices of classes; of AU detection float, shape (n_clips,
    n_units), 1 shown, 0 not, NaN where the clip's coding leaves it open. `differences` are those from the protocol's
    official list and expected counts.
    """

    problem: Problem
    clips: pd.DataFrame
    labels: npt.NDArray[Any]
    folds: tuple[Fold, ...]
    differences: list[str] = field(default_factory=list)

    @cached_property
    def datasets(self) -> npt.NDArray[Any]:
        """The dataset of each clip."""
        return self.clips.dataset.to_numpy(dtype=object)

    @cached_property
    def subjects(self) -> npt.NDArray[Any]:
        """The subject of each clip, with its dataset: ``samm/006``."""
        return (self.clips.dataset + "/" + self.clips.subject).to_numpy(dtype=object)

    def fold(self, name: str) -> Fold:
        """Return the fold called `name`; KeyError for an unknown name."""
        return {fold.name: fold for fold in self.folds}[name]

    def named_labels(self) -> npt.NDArray[Any]:
        """Return the class of each clip; for AU detection text, see :func:`merbench.records.predictions.units_text`."""
        if self.problem.task == "classification":
            names: npt.NDArray[Any] = np.array(self.problem.outputs, dtype=object)[self.labels]
            return names
        return np.array(units_text(self.labels, self.problem.outputs), dtype=object)

    def truth(self) -> pd.DataFrame:
        """Return ``dataset, subject, clip, truth, fold`` of tested clips, with which recorded predictions must agree.

        The truth of AU detection is text, see :func:`merbench.records.predictions.units_text`.
        """
        table = self._labelled()
        return table[table.fold != ""].reset_index(drop=True)

    def _labelled(self) -> pd.DataFrame:
        """Return the same columns for all clips; the fold of clips that are never tested is empty."""
        table = self.clips[IDENTITY].assign(truth=self.named_labels())
        folds = np.full(len(table), "", dtype=object)
        for fold in self.folds:
            folds[fold.test] = fold.name
        return table.assign(fold=folds)

    def digest(self) -> str:
        """Digest the identity, label and fold of every clip, and the training clips of each fold."""
        names = clip_names(self.clips)
        trained = {fold.name: digest([names[row] for row in fold.train]) for fold in self.folds}
        return digest([self._labelled().to_numpy().tolist(), trained])


def make_split(
    protocol: ProtocolSpec,
    clips: pd.DataFrame,
    synthetic: bool = False,
    same_people: Mapping[str, str] | None = None,
) -> Split:
    """Apply `protocol` to a clip table with all its datasets; rows of other datasets are ignored.

    Clips that are `synthetic` are not compared with the official list, and their differences from expected counts are
    only reported. `same_people` gives datasets with the same people (SMIC's cameras) a common name: tested people are
    not in training under any dataset. DataError, with some of the clips and the command that lists every one, if a
    clip's emotion is neither mapped nor excluded, a dataset has no clip, or the real clips differ from the official
    list or the expected counts.
    """
    kept = selected(protocol, clips)
    check_datasets(protocol, clips, kept)
    labels = labels_of(protocol, kept)
    differences = split_differences(protocol, kept, list(protocol.datasets), listed_clips=not synthetic)
    if differences and not synthetic:
        found = "; ".join(differences)
        raise DataError(f"the data differs from protocol {protocol.name}: {found}; {show_clips(protocol)}")
    kept = kept.drop(columns="class")
    problem = Problem(protocol.task, protocol.outputs)
    return Split(problem, kept, labels, folds_of(protocol, kept, same_people), differences)


def listed_split(protocol: ProtocolSpec, same_people: Mapping[str, str]) -> Split | None:
    """Split the clips of a protocol's official list; None without a list. Their annotations and files are not known.

    `same_people` is as for :func:`make_split`.
    """
    official = protocol.official()
    if official is None:
        return None
    clips = clip_table(official.rename(columns={"class": protocol.labels}), f"the official list of {protocol.name}")
    return make_split(protocol, clips, same_people=same_people)


def show_clips(protocol: ProtocolSpec) -> str:
    """Return the command that lists the clips, exclusions and differences of a protocol, as the tail of a line."""
    return f"merbench check-protocol {shlex.quote(protocol.known_as)} --clips lists every clip"


def check_datasets(protocol: ProtocolSpec, clips: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Refuse data without a clip of one of the protocol's datasets, before or after its exclusions.

    Otherwise fewer databases would be trained on or held out than the protocol says.
    """
    absent = sorted(set(protocol.datasets) - set(clips.dataset))
    if absent:
        raise DataError(f"protocol {protocol.name} needs clips of {listed(absent)}, but the data has none")
    emptied = [dataset for dataset in protocol.datasets if not (kept.dataset == dataset).any()]
    if emptied:
        fewer = "map a word of it" if protocol.task == "classification" else "leave fewer of its clips out"
        step = f"take it out of the protocol, or {fewer}" if len(protocol.datasets) > 1 else fewer
        raise DataError(f"protocol {protocol.name} leaves out every clip of {emptied[0]}: {step}")
