"""The protocol specification, a YAML file: which clips, which classes, which folds, which figures."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed
from merbench.contracts.names import checked_name
from merbench.contracts.yamlfiles import load_yaml_model


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LeaveOneSubjectOut(_Part):
    """A fold a subject: train on all others, of every database, test on this one's clips."""

    rule: Literal["leave-one-subject-out"]


class LeaveOneDatabaseOut(_Part):
    """A fold a database: train on all others, test on this one's clips."""

    rule: Literal["leave-one-database-out"]


FoldRule = Annotated[LeaveOneSubjectOut | LeaveOneDatabaseOut, Field(discriminator="rule")]


class LeftOut(_Part):
    """Clips that qualify by their database but not for this protocol; every one has a reason."""

    dataset: str
    reason: str
    emotions: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_something(self) -> "LeftOut":
        if not self.emotions and not self.clips:
            raise ValueError("name the emotions or the clips (subject/clip) that are left out")
        return self


class DatasetRule(_Part):
    """How one dataset enters: its display name and, per class, the emotions that count as it."""

    title: str
    classes: dict[str, tuple[str, ...]]


class Expected(_Part):
    """Counts that bind on real data; on synthetic data a difference is only reported."""

    clips: int
    subjects: int
    datasets: dict[str, int] = {}
    classes: dict[str, int] = {}


class Citation(_Part):
    """Where the protocol was fixed."""

    text: str
    url: str | None = None
    bibtex: str | None = None


class ProtocolSpec(_Part):
    """A protocol.

    Attributes
    ----------
    task : str
        ``classification``. (AU detection shares all contracts below the split; protocols for it come with theirs.)
    classes : tuple of str
        The class set, in the order of label numbers; every figure is computed with all of it.
    datasets : dict of str to DatasetRule
        Which datasets' clips are used, and what their emotions count as. A class's own name always counts as it, so
        that a release which knows only classes can serve.
    left_out : tuple of LeftOut
        What is excluded, with reasons.
    folds : FoldRule
        Who is held out.
    transductive : bool
        Test clips, without labels, may be handed to methods whose card says so.
    official_list : str, optional
        File beside the protocol with columns ``dataset, subject, clip, class``; it then decides which clips count.
    expected : Expected, optional
        Counts of clips, subjects, datasets and classes.
    """

    name: str
    title: str
    summary: str
    source: Citation
    task: Literal["classification"] = "classification"
    classes: tuple[str, ...] = Field(min_length=2)
    datasets: dict[str, DatasetRule] = Field(min_length=1)
    left_out: tuple[LeftOut, ...] = ()
    folds: FoldRule
    transductive: bool = False
    official_list: str | None = None
    expected: Expected | None = None
    notes: str = ""

    _folder: Path | None = PrivateAttr(default=None)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value, "protocol")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each class must be named once")
        return tuple(checked_name(name, "class") for name in value)

    @field_validator("datasets")
    @classmethod
    def _dataset_names(cls, value: dict[str, DatasetRule]) -> dict[str, DatasetRule]:
        if "full" in value:
            raise ValueError("a dataset can't be called 'full', which is the part of all clips")
        return {checked_name(name, "dataset"): rule for name, rule in value.items()}

    @field_validator("folds", mode="before")
    @classmethod
    def _rule_by_name(cls, value: Any) -> Any:
        return {"rule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> "ProtocolSpec":
        for dataset, rule in self.datasets.items():
            strange = sorted(set(rule.classes) - set(self.classes))
            if strange:
                raise ValueError(
                    f"datasets.{dataset} maps to {strange[0]!r}, which is none of {', '.join(self.classes)}"
                )
            words = [word for emotions in rule.classes.values() for word in emotions]
            twice = sorted({word for word in words if words.count(word) > 1})
            if twice:
                raise ValueError(f"datasets.{dataset} maps the emotion {twice[0]!r} to two classes")
        for entry in self.left_out:
            if entry.dataset not in self.datasets:
                raise ValueError(f"left_out names the dataset {entry.dataset!r}, which the protocol does not use")
        return self

    @property
    def parts(self) -> dict[str, str]:
        """Reporting parts and their titles: ``full``, and each dataset where there are several."""
        datasets = {name: rule.title for name, rule in self.datasets.items()}
        return {"full": "Full"} | (datasets if len(datasets) > 1 else {})

    def spec_digest(self) -> str:
        """Digest what the protocol means: all that can change a clip's selection, label, fold or score."""
        meaning = self.model_dump(mode="json", include={"task", "classes", "left_out", "folds", "transductive"})
        meaning["datasets"] = {
            name: {label: sorted(words) for label, words in rule.classes.items()}
            for name, rule in self.datasets.items()
        }
        meaning["left_out"] = [entry.model_dump(mode="json", exclude={"reason"}) for entry in self.left_out]
        official = self.official()
        meaning["official_list"] = None if official is None else official.to_numpy().tolist()
        return digest(meaning)

    def official(self) -> pd.DataFrame | None:
        """Read the official clip list: ``dataset, subject, clip, class``, sorted by identity; None if there is none.

        Raises
        ------
        DataError
            The list is unreadable, lists a clip twice, or has a class or dataset that the protocol does not know.
        """
        if self.official_list is None:
            return None
        if self._folder is None:
            raise MerbenchError(f"protocol {self.name} has an official list but was not read from a file")
        path = self._folder / self.official_list
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"the official list {path} of protocol {self.name} can't be read: {reason}") from error
        if list(table.columns) != [*IDENTITY, "class"]:
            raise DataError(f"{path} must have the columns dataset,subject,clip,class, not {','.join(table.columns)}")
        strange = sorted(set(table["class"]) - set(self.classes)) + sorted(set(table["dataset"]) - set(self.datasets))
        if strange:
            raise DataError(f"{path} names {strange[0]!r}, which protocol {self.name} does not know")
        twice = table[IDENTITY].duplicated()
        if twice.any():
            raise DataError(f"{path} lists twice: {listed(clip_names(table[twice]))}")
        return table.sort_values(IDENTITY, ignore_index=True)


def load_protocol(path: Path) -> ProtocolSpec:
    """Read a protocol from its YAML file; its official list is looked for beside it.

    Raises
    ------
    MerbenchError
        One line that names the file, the key and what was expected.
    """
    spec = load_yaml_model(path, ProtocolSpec)
    if spec.official_list is not None:
        target = (path.parent / spec.official_list).resolve()
        if not target.is_relative_to(path.parent.resolve()):
            raise MerbenchError(f"{path}: official_list must lie beside the protocol, not at {spec.official_list!r}")
    spec._folder = path.parent
    return spec
