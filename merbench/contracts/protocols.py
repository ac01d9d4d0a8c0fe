"""The protocol specification, a YAML file: clips, classes, folds and expected counts."""

from pathlib import Path
from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from merbench.contracts.cards import Task
from merbench.contracts.citations import Citation, Words, not_blank
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed
from merbench.contracts.fold_rules import FoldRule, Names, fold_rule
from merbench.contracts.names import checked_name
from merbench.contracts.notes import LONGEST_REMARK
from merbench.contracts.protocol_checks import check_consistent
from merbench.contracts.yamlfiles import keyed_error, load_yaml_model


class Exclusion(BaseModel, extra="forbid", frozen=True):
    """Clips of a database that the protocol excludes, with the reason."""

    dataset: str
    reason: Words
    emotions: Names = ()
    objective_classes: Names = ()
    clips: Names = ()
    subjects: Names = ()

    @field_validator("clips")
    @classmethod
    def _subject_and_clip(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            subject, _, clip = name.partition("/")
            if not subject or not clip:
                raise ValueError(f"{name!r} must be subject/clip, like sub01/EP02_01f")
        return value

    @model_validator(mode="after")
    def _names_something(self) -> "Exclusion":
        if not self.emotions and not self.objective_classes and not self.clips and not self.subjects:
            raise ValueError("name the emotions, objective_classes, clips (subject/clip) or subjects to exclude")
        return self


class DatasetRule(BaseModel, extra="forbid", frozen=True):
    """One dataset of a protocol: its display name and, per class, the emotions (or objective classes) mapped to it."""

    title: Words = Field(max_length=LONGEST_REMARK)
    classes: dict[str, tuple[str, ...]] = {}


#: Names of parts and columns of tables, in lower case: not allowed as a dataset's title.
_HEADS = {
    "#", "full", "mean", "mean of databases", "all", "part", "dataset", "subject", "method", "selection", "au", "aus",
    "uf1", "f1", "uar", "acc", "lift", "95 %", "clips", "shown", "always shown", "classes", "folds", "seeds", "epochs",
    "year", "notes",
}  # fmt: skip

#: Strict: neither `true` nor text is a count.
_Count = Annotated[int, Field(strict=True, ge=0)]


class _Expected(BaseModel, extra="forbid", frozen=True):
    """Counts that real data must have; on synthetic data differences are only reported. Unknown counts are omitted."""

    clips: _Count | None = None
    subjects: _Count | None = None
    datasets: dict[str, _Count] = {}
    classes: dict[str, _Count] = {}

    @model_validator(mode="after")
    def _counts_something(self) -> "_Expected":
        if self.clips is None and self.subjects is None and not self.datasets and not self.classes:
            raise ValueError("give counts of clips, subjects, datasets or classes")
        return self


def _each_once(values: tuple[int | str, ...], what: str) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"each {what} must be listed once")


class ProtocolSpec(BaseModel, extra="forbid", frozen=True):
    """A protocol."""

    name: Annotated[str, AfterValidator(lambda name: checked_name(name, "protocol"))]
    title: Words = Field(max_length=LONGEST_REMARK)
    summary: Words = Field(max_length=1000)
    source: Citation
    task: Task = "classification"  #: one class a clip; ``au-detection``: whether each of `units` is shown
    classes: tuple[str, ...] = ()  #: in the order of label numbers; scores are computed with all of them
    #: For AU detection, action units by number; clips whose coding leaves one open do not count for it.
    units: tuple[Annotated[int, Field(strict=True, ge=1, le=99)], ...] = ()
    #: The column that is mapped to classes: ``emotion``, the sheet's word, or ``objective_class``, I to VII.
    labels: Literal["emotion", "objective_class"] = "emotion"
    #: With the mapping of their emotions to classes. A class's own name always counts as it, so that a release which
    #: knows only classes can be used.
    datasets: dict[str, DatasetRule] = Field(min_length=1)
    left_out: tuple[Exclusion, ...] = ()  #: excluded clips, with reasons
    folds: Annotated[FoldRule, BeforeValidator(fold_rule)]
    #: Why people may be in both training and test under different datasets, which is otherwise prevented.
    shares_people: Annotated[str, AfterValidator(lambda reason: reason and not_blank(reason))] = Field(
        "", max_length=LONGEST_REMARK - 50
    )
    transductive: bool = False  #: methods whose card says so get the test clips, without labels, for training
    #: File beside the protocol with columns ``dataset, subject, clip, class``: the selected real clips must be exactly
    #: these, with these classes. Selection is by `datasets` and `left_out` alone.
    official_list: str | None = None
    expected: _Expected | None = None
    notes: str = ""

    _folder: Path | None = PrivateAttr(default=None)
    _known_as: str = PrivateAttr(default="")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _each_once(value, "class")
        if len(value) == 1:
            raise ValueError("name at least 2 classes")
        return tuple(checked_name(name, "class") for name in value)

    @field_validator("units")
    @classmethod
    def _distinct_units(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        _each_once(value, "action unit")
        return value

    @field_validator("datasets")
    @classmethod
    def _dataset_names(cls, value: dict[str, DatasetRule]) -> dict[str, DatasetRule]:
        for name in {"full", "mean"} & set(value):
            raise ValueError(f"{name!r} can't name a dataset: tables use it for a part")
        named: dict[str, str] = {}
        for name, rule in value.items():
            title = " ".join(rule.title.split()).casefold()
            if title in _HEADS:
                line = f"{rule.title!r} can't be a title: tables use it for a part or a column"
                raise keyed_error(line, name, "title")
            if title in named:
                both = f"{named[title]} and {name} have the same title {rule.title!r}"
                raise keyed_error(f"{both}: give each its own", name, "title")
            named[title] = name
        return {checked_name(name, "dataset"): rule for name, rule in value.items()}

    @model_validator(mode="after")
    def _consistent(self) -> "ProtocolSpec":
        check_consistent(self)
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """The predicted classes, or the action units as text."""
        return self.classes if self.task == "classification" else tuple(map(str, self.units))

    @property
    def tested(self) -> tuple[str, ...]:
        """The datasets whose clips are tested."""
        return self.folds.test if self.folds.rule == "hold-out" else tuple(self.datasets)

    @property
    def known_as(self) -> str:
        """The argument of ``--protocol`` that gives it: its name, or the path or pattern that it came from."""
        return self._known_as or self.name

    def coming_from(self, origin: str) -> Self:
        """Return the protocol with the path or pattern that it came from."""
        found = self.model_copy()
        found._known_as = origin
        return found

    @property
    def warnings(self) -> list[str]:
        """Warnings in every table of this protocol."""
        said = []
        if self.folds.rule == "leave-one-video-out":
            said.append("subject-dependent: other clips of the tested person are in training")
        if self.shares_people:
            said.append(f"people are shared between training and test: {self.shares_people}")
        return [" ".join(text.split()) for text in said]

    @property
    def parts(self) -> dict[str, str]:
        """Reporting parts and their titles: ``full``, and each tested dataset where there are several.

        For AU detection over several, ``full`` pools all clips, and ``mean`` averages over the datasets.
        """
        datasets = {name: rule.title for name, rule in self.datasets.items() if name in self.tested}
        if len(datasets) < 2:
            return {"full": "Full"}
        mean = {"mean": "Mean of databases"} if self.task == "au-detection" else {}
        return {"full": "Full"} | mean | datasets

    def spec_digest(self) -> str:
        """Digest the meaning of the protocol: all that can change a clip's selection, label, fold or score.

        Optional keys enter only where they are used, so that a new key does not change the digests of other protocols.
        """
        meaning = self.model_dump(mode="json", include={"task", "classes", "left_out", "folds", "transductive"})
        meaning["datasets"] = {
            name: {label: sorted(words) for label, words in rule.classes.items()}
            for name, rule in self.datasets.items()
        }
        for entry in meaning["left_out"]:
            del entry["reason"]
            for key in ("objective_classes", "subjects"):
                if not entry[key]:
                    del entry[key]
        if self.units:
            meaning["units"] = list(self.units)
        if self.labels != "emotion":
            meaning["labels"] = self.labels
        if self.shares_people:
            meaning["shares_people"] = True
        official = self.official()
        meaning["official_list"] = None if official is None else official.to_numpy().tolist()
        return digest(meaning)

    def official(self) -> pd.DataFrame | None:
        """Read the official clip list: ``dataset, subject, clip, class``, sorted by identity; None without a list.

        DataError where it is not readable, lists a clip twice, or has a class or dataset that the protocol has not.
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
        for column, known in (("class", self.classes), ("dataset", tuple(self.datasets))):
            strange = table[~table[column].isin(known)]
            if len(strange):
                row = strange.iloc[0]
                where = f"{path}, row {','.join(row)!r}"
                raise DataError(f"{where}: {column} {row[column]!r} is not in protocol {self.name}")
        twice = table[IDENTITY].duplicated()
        if twice.any():
            raise DataError(f"{path}: duplicate clips {listed(clip_names(table[twice]))}")
        return table.sort_values(IDENTITY, ignore_index=True)


def load_protocol(path: Path) -> ProtocolSpec:
    """Read a protocol from its YAML file; its official list and ``sources.bib`` are looked up beside it.

    MerbenchError names the file, the key and what was expected.
    """
    spec = load_yaml_model(path, ProtocolSpec)
    spec = spec.model_copy(update={"source": spec.source.resolved(path)})
    if spec.official_list is not None:
        target = (path.parent / spec.official_list).resolve()
        if not target.is_relative_to(path.parent.resolve()):
            raise MerbenchError(f"{path}: official_list must be in this folder, not {spec.official_list!r}")
    spec._folder = path.parent
    return spec
