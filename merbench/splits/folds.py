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
    """Training and test clips, as row numbers of the split's clips."""

    name: str
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def folds_of(
    protocol: ProtocolSpec, kept: pd.DataFrame, same_people: Mapping[str, str] | None = None
) -> tuple[Fold, ...]:
    """Return the folds of selected clips; tested people are not in training, unless the protocol says otherwise.

    DataError if a fold has no test clip or no training clip.
    """
    people = persons(kept, same_people or {})
    whole = FOLD_RULES[protocol.folds.rule](protocol.folds, kept, people)
    folds = whole
    if not (protocol.shares_people or protocol.folds.rule == "leave-one-video-out"):
        tested = [np.isin(people[fold.train], list(set(people[fold.test]))) for fold in whole]
        folds = tuple(Fold(f.name, f.train[~out], f.test) for f, out in zip(whole, tested, strict=True))
    for fold, before in zip(folds, whole, strict=True):
        if not len(fold.train) or not len(fold.test):
            side = "tested" if len(fold.train) else "trained on"
            why = ": all others are of tested people" if len(before.train) > len(fold.train) else ""
            raise DataError(f"protocol {protocol.name}: fold {fold.name} has no clip to be {side}{why}")
    return folds


def _leave_one_out(groups: "pd.Series[str]") -> tuple[Fold, ...]:
    group = groups.to_numpy(dtype=object)
    return tuple(
        Fold(name, np.flatnonzero(group != name), np.flatnonzero(group == name)) for name in sorted(set(group))
    )


def _subject_k_fold(rule: Any, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    from sklearn.model_selection import KFold

    names = np.array(sorted(set(people)), dtype=object)
    if len(names) < rule.k:
        raise DataError(f"subject-k-fold: {len(names)} people are too few for {rule.k} folds: use a smaller k")
    dealt = KFold(rule.k, shuffle=True, random_state=rule.seed).split(names)
    held = [np.isin(people, names[tested].tolist()) for _, tested in dealt]
    return tuple(
        Fold(f"fold-{number:02d}", np.flatnonzero(~tested), np.flatnonzero(tested))
        for number, tested in enumerate(held, start=1)
    )


def _hold_out(rule: Any, clips: pd.DataFrame, people: People) -> tuple[Fold, ...]:  # noqa: ARG001
    train, test = (np.flatnonzero(clips.dataset.isin(names)) for names in (rule.train, rule.test))
    return (Fold("+".join(rule.test), train, test),)


#: Rule of a protocol -> ``f(rule, sorted clips, person of each) -> folds``; a new rule also needs a model in the
#: contract.
FOLD_RULES: dict[str, Callable[[Any, pd.DataFrame, People], tuple[Fold, ...]]] = {
    "leave-one-subject-out": lambda _, clips, __: _leave_one_out(clips.dataset + "/" + clips.subject),
    "leave-one-database-out": lambda _, clips, __: _leave_one_out(clips.dataset),
    "subject-k-fold": _subject_k_fold,
    "leave-one-video-out": lambda _, clips, __: _leave_one_out(pd.Series(clip_names(clips))),
    "hold-out": _hold_out,
}
