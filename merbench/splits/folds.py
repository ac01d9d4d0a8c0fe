"""Who is trained on and who is tested: fold rules applied to selected clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import clip_names
from merbench.contracts.databases import persons
from merbench.contracts.errors import DataError
from merbench.contracts.protocols import ProtocolSpec

People = npt.NDArray[Any]


@dataclass(frozen=True)
class Fold:
    """Who is trained on and who is tested, as row numbers of the split's clips."""

    name: str
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


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


def _without_tested(fold: Fold, people: npt.NDArray[Any]) -> Fold:
    """Take clips of the people who are tested out of what is trained on."""
    return Fold(fold.name, fold.train[~np.isin(people[fold.train], list(set(people[fold.test])))], fold.test)


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
