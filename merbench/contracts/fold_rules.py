"""Fold rules of protocols: who is held out when.

A protocol file names one by its `rule`, with settings or without: ``leave-one-subject-out``,
``{rule: subject-k-fold, k: 5}``.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is listed twice")
    return names


#: Names, each listed once.
Names = Annotated[tuple[str, ...], AfterValidator(_each_once)]


class _LeaveOneSubjectOut(BaseModel, extra="forbid", frozen=True):
    """A fold a subject: test on the clips of one subject, train on those of all others in every database."""

    rule: Literal["leave-one-subject-out"]


class _LeaveOneDatabaseOut(BaseModel, extra="forbid", frozen=True):
    """A fold a database: test on the clips of one database, train on those of all others."""

    rule: Literal["leave-one-database-out"]


class _SubjectKFold(BaseModel, extra="forbid", frozen=True, strict=True):
    """A fold a group of people, of `k` groups of nearly equal size.

    People, sorted by dataset and subject, are split by scikit-learn's ``KFold(k, shuffle=True, random_state=seed)``:
    the same on every machine.
    """

    rule: Literal["subject-k-fold"]
    k: int = Field(ge=2)
    seed: int = Field(1, ge=0, le=2**32 - 1)  # what random_state takes


class _LeaveOneVideoOut(BaseModel, extra="forbid", frozen=True):
    """A fold a clip. Subject-dependent: other clips of the tested person are in training."""

    rule: Literal["leave-one-video-out"]


class _HoldOut(BaseModel, extra="forbid", frozen=True):
    """One fold: train on the clips of some databases, test on those of others."""

    rule: Literal["hold-out"]
    train: Names = Field(min_length=1)
    test: Names = Field(min_length=1)

    @field_validator("train")
    @classmethod
    def _sorted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(value))  # digests must not depend on the order


FoldRule = Annotated[
    _LeaveOneSubjectOut | _LeaveOneDatabaseOut | _SubjectKFold | _LeaveOneVideoOut | _HoldOut,
    Field(discriminator="rule"),
]

#: Names of splits over clips elsewhere, ``KFold``, ``shuffle_split``, ``80/20``, and words of splits over people.
_RANDOM = re.compile(r"random|shuffl|fold|split|cross-?valid|\d+ *[/:-] *\d+", re.IGNORECASE)
_BY_PEOPLE = re.compile(r"subject|person|people|group|actor|participant|database|dataset", re.IGNORECASE)


def fold_rule(value: Any) -> Any:
    """Expand the name of a rule; ValueError without a name, or for a rule that splits clips at random."""
    value = {"rule": value} if isinstance(value, str) else value
    if not isinstance(value, BaseModel | dict) or (isinstance(value, dict) and not value.get("rule")):
        raise ValueError("must name a rule, like leave-one-subject-out or {rule: subject-k-fold, k: 5}")
    rule = str(value["rule"]) if isinstance(value, dict) else ""
    if _RANDOM.search(rule) and not _BY_PEOPLE.search(rule):
        raise ValueError(
            f"{rule!r} would put clips of one person into both training and test, which rewards recognising the "
            "person: use leave-one-subject-out, or {rule: subject-k-fold, k: 5}"
        )
    return value
