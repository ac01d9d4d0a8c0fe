"""A protocol applied to clip tables: which clips count, what each is labelled, and who is held out when."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import Coding
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.databases import persons
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, listed
from merbench.contracts.methods import Problem
from merbench.contracts.protocols import (
    HoldOut,
    LeaveOneDatabaseOut,
    LeaveOneSubjectOut,
    LeaveOneVideoOut,
    LeftOut,
    ProtocolSpec,
    SubjectKFold,
)
from merbench.records.model import units_text

People = npt.NDArray[Any]


@dataclass(frozen=True)
class Fold:
    """Who is trained on and who is tested, as row numbers of the split's clips."""

    name: str
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """A protocol's clips, labels and folds.

    Attributes
    ----------
    problem : Problem
        Task and outputs.
    clips : DataFrame
        The selected rows of the clip table, sorted by identity.
    labels : ndarray
        Classification: int, shape (n_clips,), indices of classes. AU detection: float, shape (n_clips, n_units), 1
        shown, 0 not, NaN where the clip's coding does not say.
    folds : tuple of Fold
        Sorted by name.
    differences : list of str
        What differs from the protocol's official list and expected counts; empty when all agree.
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
        """Return the fold called `name`; KeyError if there is none."""
        return {fold.name: fold for fold in self.folds}[name]

    def truth(self) -> pd.DataFrame:
        """Return ``dataset, subject, clip, truth, fold`` of tested clips: what recorded predictions must agree with.

        The truth of AU detection is text, see :func:`merbench.records.model.units_text`.
        """
        table = self._labelled()
        return table[table.fold != ""].reset_index(drop=True)

    def _labelled(self) -> pd.DataFrame:
        """Return what `truth` does, of all clips; those that are only trained on have no fold."""
        table = self.clips[IDENTITY].copy()
        if self.problem.task == "classification":
            table["truth"] = np.array(self.problem.outputs, dtype=object)[self.labels]
        else:
            table["truth"] = units_text(self.labels, self.problem.outputs)
        folds = np.full(len(table), "", dtype=object)
        for fold in self.folds:
            folds[fold.test] = fold.name
        return table.assign(fold=folds)

    def digest(self) -> str:
        """Digest the identity, label and fold of every clip, and who is trained on in each fold."""
        names = clip_names(self.clips)
        trained = {fold.name: digest([names[row] for row in fold.train]) for fold in self.folds}
        return digest([self._labelled().to_numpy().tolist(), trained])


def make_split(
    protocol: ProtocolSpec,
    clips: pd.DataFrame,
    synthetic: bool = False,
    person_of: Mapping[str, str] | None = None,
) -> Split:
    """Apply `protocol` to a clip table.

    Parameters
    ----------
    protocol : ProtocolSpec
        What to apply.
    clips : DataFrame
        A clip table with all the protocol's datasets; rows of other datasets are passed over.
    synthetic : bool
        The clips were made by a program: the official list says nothing of them, and expected counts do not bind,
        differences are only reported.
    person_of : mapping of str to str, optional
        Datasets that share their people (SMIC's cameras) -> a name in common: who is tested is not trained on, under
        whatever dataset.

    Raises
    ------
    DataError
        A clip's emotion is neither a class nor left out; a dataset has no clip; or the real clips differ from the
        official list or the expected counts, each clip being named.
    """
    kept = selected(protocol, clips)
    check_datasets(protocol, clips, kept)
    labels = labels_of(protocol, kept)
    differences = split_differences(protocol, kept, list(protocol.datasets), listed_clips=not synthetic)
    if differences and not synthetic:
        step = f"; {show_clips(protocol)}" if protocol.official_list is None else ""  # the list names the clips already
        raise DataError(f"the data differs from protocol {protocol.name}: {'; '.join(differences)}{step}")
    kept = kept.drop(columns="class")
    problem = Problem(protocol.task, protocol.outputs)
    return Split(problem, kept, labels, folds_of(protocol, kept, person_of), differences)


def show_clips(protocol: ProtocolSpec) -> str:
    """Say how to see the clips that a protocol takes, and what its ``left_out`` takes away: what counts don't tell."""
    return f"merbench check-protocol {shlex.quote(protocol.known_as)} --clips lists what is taken and what is left out"


def check_datasets(protocol: ProtocolSpec, clips: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Refuse a protocol of whose datasets one has no clip in the data, or none left among the selected ones.

    Fewer databases would be held out, or trained on, than the protocol says.
    """
    absent = sorted(set(protocol.datasets) - set(clips.dataset))
    if absent:
        raise DataError(f"protocol {protocol.name} needs clips of {listed(absent)}, and the data has none")
    emptied = [dataset for dataset in protocol.datasets if not (kept.dataset == dataset).any()]
    if emptied:
        fewer = "map a word of it" if protocol.task == "classification" else "leave fewer of its clips out"
        step = f"take it out of the protocol, or {fewer}" if len(protocol.datasets) > 1 else fewer
        raise DataError(f"protocol {protocol.name} leaves out every clip of {emptied[0]}: {step}")


def folds_of(
    protocol: ProtocolSpec, kept: pd.DataFrame, person_of: Mapping[str, str] | None = None
) -> tuple[Fold, ...]:
    """Return the folds of selected clips; who is tested is not trained on, unless the protocol says otherwise.

    Raises
    ------
    DataError
        A fold has no clip to be tested or trained on.
    """
    people = persons(kept, person_of or {})
    whole = FOLD_RULES[type(protocol.folds)](protocol.folds, kept, people)
    apart = not (protocol.shares_people or isinstance(protocol.folds, LeaveOneVideoOut))
    folds = tuple(_without_tested(fold, people) for fold in whole) if apart else whole
    for fold, before in zip(folds, whole, strict=True):
        if not len(fold.train) or not len(fold.test):
            side = "tested" if len(fold.train) else "trained on"
            why = ": all the others are of people who are tested" if len(before.train) > len(fold.train) else ""
            raise DataError(f"protocol {protocol.name}: fold {fold.name} has no clip to be {side}{why}")
    return folds


def selected(protocol: ProtocolSpec, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that `protocol` uses, by identity, with a column ``class``; other datasets are passed over.

    For AU detection every class is empty.

    Raises
    ------
    DataError
        A clip's emotion, or objective class, is neither a class nor left out.
    """
    clips = clips[clips.dataset.isin(list(protocol.datasets))]
    kept = clips[~_left_out(protocol, clips)].sort_values(IDENTITY, ignore_index=True)
    return kept.assign(**{"class": _classes(protocol, kept) if protocol.task == "classification" else ""})


def labels_of(protocol: ProtocolSpec, kept: pd.DataFrame) -> npt.NDArray[Any]:
    """Return indices of classes, or what each clip's coding says of each action unit.

    Raises
    ------
    DataError
        A dataset has no action units at all, where these are asked for.
    """
    if protocol.task == "classification":
        return np.array([protocol.classes.index(name) for name in kept["class"]], dtype=np.int64)
    labels = _unit_labels(protocol, kept)
    for dataset in protocol.datasets:
        if np.isnan(labels[(kept.dataset == dataset).to_numpy()]).all():
            raise DataError(f"protocol {protocol.name} needs action units, and no clip of {dataset} has any")
    return labels


def _unit_labels(protocol: ProtocolSpec, kept: pd.DataFrame) -> npt.NDArray[np.float64]:
    nothing = np.full(len(protocol.units), np.nan)
    said = [coding.vector(protocol.units) if isinstance(coding, Coding) else nothing for coding in kept.aus]
    return np.array(said, dtype=np.float64).reshape(len(kept), len(protocol.units))


def output_counts(protocol: ProtocolSpec, kept: pd.DataFrame) -> list[int]:
    """Count the selected clips of each class, or those that show each action unit."""
    if protocol.task == "classification":
        return [int((kept["class"] == name).sum()) for name in protocol.classes]
    return [int(count) for count in (_unit_labels(protocol, kept) == 1).sum(axis=0)]


def _without_tested(fold: Fold, people: npt.NDArray[Any]) -> Fold:
    """Take clips of the people who are tested out of what is trained on."""
    return Fold(fold.name, fold.train[~np.isin(people[fold.train], list(set(people[fold.test])))], fold.test)


def _left_out(protocol: ProtocolSpec, clips: pd.DataFrame) -> "pd.Series[bool]":
    out = pd.Series(False, index=clips.index)
    for entry in protocol.left_out:
        out |= left_out_by(entry, clips)
    return out


def left_out_by(entry: LeftOut, clips: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each clip whether an entry of ``left_out`` takes it out."""
    named = clips.emotion.isin(entry.emotions) | clips.objective_class.isin(entry.objective_classes)
    named |= (clips.subject + "/" + clips["clip"]).isin(entry.clips)
    return (clips.dataset == entry.dataset) & named


def clips_by_name(entry: LeftOut, clips: pd.DataFrame) -> dict[str, int]:
    """Count the clips that each name of an entry of ``left_out`` stands for: none, where it is not of this data."""
    of = clips[clips.dataset == entry.dataset]
    said = (
        (of.emotion, entry.emotions),
        (of.objective_class, entry.objective_classes),
        (of.subject + "/" + of["clip"], entry.clips),
    )
    return {name: int((column == name).sum()) for column, names in said for name in names}


def clips_not_found(protocol: ProtocolSpec, clips: pd.DataFrame) -> list[str]:
    """Name the clips of ``left_out`` that the data does not have, where no count would show that a name is misspelt."""
    if protocol.official_list or (protocol.expected and protocol.expected.clips is not None):
        return []
    return [
        f"{entry.dataset}/{name}"
        for entry in protocol.left_out
        for name, count in clips_by_name(entry, clips).items()
        if name in entry.clips and not count
    ]


def _classes(protocol: ProtocolSpec, clips: pd.DataFrame) -> "pd.Series[str]":
    """Map emotions, or objective classes, to classes; a class's own name counts as it unless it is mapped."""
    mapping = {(dataset, name): name for dataset in protocol.datasets for name in protocol.classes}
    for dataset, rule in protocol.datasets.items():
        mapping |= {(dataset, word): name for name, words in rule.classes.items() for word in words}
    said = clips[protocol.labels]
    found = pd.Series(
        [mapping.get(pair) for pair in zip(clips.dataset, said, strict=True)], index=clips.index, dtype=object
    )
    if found.isna().any():
        unknown = clips[found.isna()]
        words = sorted({f"{d}: {e!r}" for d, e in zip(unknown.dataset, said[found.isna()], strict=True)})
        what = "emotions" if protocol.labels == "emotion" else "objective classes"
        raise DataError(
            f"protocol {protocol.name} neither maps nor leaves out the {what} {listed(words)} "
            f"({len(unknown)} clips, first {clip_names(unknown)[0]})"
        )
    return found


def split_differences(
    protocol: ProtocolSpec, clips: pd.DataFrame, datasets: Sequence[str], listed_clips: bool = True
) -> list[str]:
    """Compare clips with what a protocol expects, in sentences.

    Parameters
    ----------
    protocol : ProtocolSpec
        Its official list and expected counts.
    clips : DataFrame
        As :func:`selected` returns them.
    datasets : sequence of str
        The datasets to compare: all the protocol's, or those at hand; counts over all datasets are then left out.
    listed_clips : bool
        Compare with the official list clip by clip, besides the counts.
    """
    said: list[str] = []
    official = protocol.official() if listed_clips else None
    if official is not None:
        said += _differing_clips(official[official.dataset.isin(list(datasets))], clips)
    expected = protocol.expected
    if expected is None:
        return said
    counts = [(f"clips of {d}", int((clips.dataset == d).sum()), expected.datasets.get(d)) for d in datasets]
    if set(datasets) == set(protocol.datasets):
        whole = [
            ("clips", len(clips), expected.clips),
            ("subjects", len(clips[IDENTITY[:2]].drop_duplicates()), expected.subjects),
        ]
        classes = [(f"clips of class {c}", int((clips["class"] == c).sum()), n) for c, n in expected.classes.items()]
        counts = [*whole, *counts, *classes]
    return said + [f"{found} {what} instead of {n}" for what, found, n in counts if n is not None and found != n]


def _differing_clips(official: pd.DataFrame, clips: pd.DataFrame) -> list[str]:
    both = official.merge(
        clips[[*IDENTITY, "class"]], on=IDENTITY, how="outer", suffixes=("_listed", ""), indicator=True
    )
    missing, extra = both[both["_merge"] == "left_only"], both[both["_merge"] == "right_only"]
    other = both[(both["_merge"] == "both") & (both["class_listed"] != both["class"])]
    said = []
    if len(missing):
        said.append(f"{len(missing)} missing: {listed(clip_names(missing), most=len(missing))}")
    if len(extra):
        step = "the list selects nothing, left_out takes clips out"
        said.append(f"{len(extra)} not in the official list: {listed(clip_names(extra), most=len(extra))} ({step})")
    if len(other):
        names = [
            f"{n} ({a}, listed {b})"
            for n, a, b in zip(clip_names(other), other["class"], other.class_listed, strict=True)
        ]
        said.append(f"{len(other)} labelled otherwise: {listed(names, most=len(names))}")
    return said


def _leave_one_out(groups: "pd.Series[str]") -> tuple[Fold, ...]:
    group = groups.to_numpy(dtype=object)
    return tuple(
        Fold(name, np.flatnonzero(group != name), np.flatnonzero(group == name)) for name in sorted(set(group))
    )


def _leave_one_subject_out(rule: LeaveOneSubjectOut, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    return _leave_one_out(clips.dataset + "/" + clips.subject)


def _leave_one_database_out(rule: LeaveOneDatabaseOut, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    return _leave_one_out(clips.dataset)


def _leave_one_video_out(rule: LeaveOneVideoOut, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    return _leave_one_out(pd.Series(clip_names(clips)))


def _subject_k_fold(rule: SubjectKFold, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    from sklearn.model_selection import KFold

    names = np.array(sorted(set(people)), dtype=object)
    if len(names) < rule.k:
        raise DataError(f"subject-k-fold: {len(names)} people can't be dealt to {rule.k} folds: take a smaller k")
    dealt = KFold(rule.k, shuffle=True, random_state=rule.seed).split(names)
    held = [np.isin(people, names[tested].tolist()) for _, tested in dealt]
    return tuple(
        Fold(f"fold-{number:02d}", np.flatnonzero(~tested), np.flatnonzero(tested))
        for number, tested in enumerate(held, start=1)
    )


def _hold_out(rule: HoldOut, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    train, test = (np.flatnonzero(clips.dataset.isin(names)) for names in (rule.train, rule.test))
    return (Fold("+".join(rule.test), train, test),)


#: Rule of a protocol file -> ``f(rule, sorted clips, the person of each) -> folds``; a new one is a model in the
#: contract and a line here.
FOLD_RULES: dict[type[Any], Callable[[Any, pd.DataFrame, People], tuple[Fold, ...]]] = {
    LeaveOneSubjectOut: _leave_one_subject_out,
    LeaveOneDatabaseOut: _leave_one_database_out,
    SubjectKFold: _subject_k_fold,
    LeaveOneVideoOut: _leave_one_video_out,
    HoldOut: _hold_out,
}
