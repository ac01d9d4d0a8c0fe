"""The protocol specification, a YAML file: which clips, which classes, which folds, which figures."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from merbench.contracts.cards import Task
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed
from merbench.contracts.names import checked_name
from merbench.contracts.yamlfiles import KeyedError, load_yaml_model


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something")
    return text


#: What a reader is told: not left empty.
Words = Annotated[str, AfterValidator(_said)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that stands there twice: one of them is a slip."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} stands there twice")
    return names


Names = Annotated[tuple[str, ...], AfterValidator(_each_once)]


class LeaveOneSubjectOut(_Part):
    """A fold a subject: train on all others, of every database, test on this one's clips."""

    rule: Literal["leave-one-subject-out"]


class LeaveOneDatabaseOut(_Part):
    """A fold a database: train on all others, test on this one's clips."""

    rule: Literal["leave-one-database-out"]


class SubjectKFold(_Part):
    """The people in `k` groups as equal as can be, a fold a group.

    People, sorted by dataset and subject, are dealt by scikit-learn's ``KFold(k, shuffle=True, random_state=seed)``:
    the same on every machine.
    """

    model_config = ConfigDict(strict=True)

    rule: Literal["subject-k-fold"]
    k: int = Field(ge=2)
    seed: int = Field(1, ge=0, le=2**32 - 1)  # what random_state takes


class LeaveOneVideoOut(_Part):
    """A fold a clip: other clips of the person who is tested are trained on, so that it says little of new people."""

    rule: Literal["leave-one-video-out"]


class HoldOut(_Part):
    """One fold: train on the clips of some databases, test on those of others."""

    rule: Literal["hold-out"]
    train: Names = Field(min_length=1)
    test: Names = Field(min_length=1)

    @field_validator("train")
    @classmethod
    def _in_no_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(value))  # it means nothing, and digests are not to depend on it


FoldRule = Annotated[
    LeaveOneSubjectOut | LeaveOneDatabaseOut | SubjectKFold | LeaveOneVideoOut | HoldOut, Field(discriminator="rule")
]

#: Words by which clips are split at random elsewhere: ``KFold``, ``shuffle_split``, ``80/20``; but not by people.
_RANDOM = re.compile(r"random|shuffl|fold|split|cross-?valid|\d+ *[/:-] *\d+", re.IGNORECASE)
_BY_PEOPLE = re.compile(r"subject|person|people|group|actor|participant|database|dataset", re.IGNORECASE)


class LeftOut(_Part):
    """Clips that qualify by their database but not for this protocol; every one has a reason."""

    dataset: str
    reason: Words
    emotions: Names = ()
    objective_classes: Names = ()
    clips: Names = ()

    @field_validator("clips")
    @classmethod
    def _subject_and_clip(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            subject, _, clip = name.partition("/")
            if not subject or not clip:
                raise ValueError(f"{name!r} must be subject/clip, like sub01/EP02_01f")
        return value

    @model_validator(mode="after")
    def _names_something(self) -> "LeftOut":
        if not self.emotions and not self.objective_classes and not self.clips:
            raise ValueError("name the emotions, objective_classes or clips (subject/clip) that are left out")
        return self


class DatasetRule(_Part):
    """How one dataset enters: its display name and, per class, the emotions (or objective classes) that count as it."""

    title: Words
    classes: dict[str, tuple[str, ...]] = {}


#: What tables call their own parts and columns, in lower case: no dataset's title.
_HEADS = {
    "#", "full", "mean", "mean of databases", "all", "part", "dataset", "subject", "method", "selection", "au", "aus",
    "uf1", "f1", "uar", "acc", "lift", "95 %", "clips", "shown", "always shown", "classes", "folds", "seeds", "epochs",
    "year", "notes",
}  # fmt: skip

#: Strict: `true` is no number, nor is text.
Count = Annotated[int, Field(strict=True, ge=0)]


class Expected(_Part):
    """Counts that bind on real data; on synthetic data a difference is only reported. What is unknown is not named."""

    clips: Count | None = None
    subjects: Count | None = None
    datasets: dict[str, Count] = {}
    classes: dict[str, Count] = {}

    @model_validator(mode="after")
    def _counts_something(self) -> "Expected":
        if self.clips is None and self.subjects is None and not self.datasets and not self.classes:
            raise ValueError("name clips, subjects, datasets or classes that are expected")
        return self


class Citation(_Part):
    """Where the protocol was fixed."""

    text: Words
    url: str | None = None
    bibtex: str | None = None


class ProtocolSpec(_Part):
    """A protocol.

    Attributes
    ----------
    task : str
        ``classification``: one class a clip. ``au-detection``: each action unit of `units` is shown, or not.
    classes : tuple of str
        The class set, in the order of label numbers; every figure is computed with all of it. For classification.
    units : tuple of int
        Action units by number; a clip whose coding does not say of a unit counts neither way. For AU detection.
    labels : str
        What is mapped to classes: ``emotion``, the sheet's word, or ``objective_class``, I to VII.
    datasets : dict of str to DatasetRule
        Which datasets' clips are used, and what their emotions count as. A class's own name always counts as it, so
        that a release which knows only classes can serve.
    left_out : tuple of LeftOut
        What is excluded, with reasons.
    folds : FoldRule
        Who is held out.
    shares_people : str
        Why people may stand on both sides of a fold under different datasets, which is otherwise prevented.
    transductive : bool
        Test clips, without labels, may be handed to methods whose card says so.
    official_list : str, optional
        File beside the protocol with columns ``dataset, subject, clip, class``: real clips that are taken must be those
        and have those classes. It selects nothing and is only compared; `datasets` and `left_out` select.
    expected : Expected, optional
        Counts of clips, subjects, datasets and classes.
    """

    name: str
    title: Words
    summary: Words
    source: Citation
    task: Task = "classification"
    classes: tuple[str, ...] = ()
    units: tuple[Annotated[int, Field(strict=True, ge=1, le=99)], ...] = ()
    labels: Literal["emotion", "objective_class"] = "emotion"
    datasets: dict[str, DatasetRule] = Field(min_length=1)
    left_out: tuple[LeftOut, ...] = ()
    folds: FoldRule
    shares_people: str = ""
    transductive: bool = False
    official_list: str | None = None
    expected: Expected | None = None
    notes: str = ""

    _folder: Path | None = PrivateAttr(default=None)
    _known_as: str = PrivateAttr(default="")

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value, "protocol")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each class must be named once")
        if len(value) == 1:
            raise ValueError("name at least 2 classes")
        return tuple(checked_name(name, "class") for name in value)

    @field_validator("units")
    @classmethod
    def _distinct_units(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each action unit must be named once")
        return value

    @field_validator("datasets")
    @classmethod
    def _dataset_names(cls, value: dict[str, DatasetRule]) -> dict[str, DatasetRule]:
        for name in {"full", "mean"} & set(value):
            raise ValueError(f"a dataset can't be called {name!r}, which is a part of every table")
        named: dict[str, str] = {}
        for name, rule in value.items():
            title = " ".join(rule.title.split()).casefold()
            if title in _HEADS:
                raise KeyedError(f"the title {rule.title!r} is a part or a column of every table", (name, "title"))
            if title in named:
                both = f"{named[title]} and {name} have the same title {rule.title!r}"
                raise KeyedError(f"{both}: tables tell them apart by it", (name, "title"))
            named[title] = name
        return {checked_name(name, "dataset"): rule for name, rule in value.items()}

    @field_validator("shares_people")
    @classmethod
    def _says_why(cls, value: str) -> str:
        return _said(value) if value else value

    @field_validator("folds", mode="before")
    @classmethod
    def _rule_by_name(cls, value: Any) -> Any:
        value = {"rule": value} if isinstance(value, str) else value
        if not isinstance(value, BaseModel | dict) or (isinstance(value, dict) and not value.get("rule")):
            raise ValueError("name a rule: leave-one-subject-out, or {rule: subject-k-fold, k: 5}")
        rule = str(value["rule"]) if isinstance(value, dict) else ""
        if _RANDOM.search(rule) and not _BY_PEOPLE.search(rule):
            raise ValueError(
                f"{rule!r} would put clips of one person on both sides, and a method is then praised for "
                "knowing the person: take leave-one-subject-out, or {rule: subject-k-fold, k: 5}"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "ProtocolSpec":
        if self.task == "classification":
            self._check_classes()
        else:
            self._check_units()
        for index, entry in enumerate(self.left_out):
            if entry.dataset not in self.datasets:
                raise KeyedError(
                    f"left_out names the dataset {entry.dataset!r}, which the protocol does not use",
                    ("left_out", index, "dataset"),
                )
            self._check_not_mapped(index, entry)
        self._check_folds()
        self._check_expected()
        return self

    def _check_classes(self) -> None:
        """Refuse classes that are missing, mapped twice, or mapped from nothing."""
        if not self.classes:
            raise KeyedError("'classes' is missing")
        if self.units:
            raise KeyedError("units are for task: au-detection", ("units",))
        for dataset, rule in self.datasets.items():
            for name in rule.classes:
                if name not in self.classes:
                    raise KeyedError(
                        f"datasets.{dataset} maps to {name!r}, which is none of {', '.join(self.classes)}",
                        ("datasets", dataset, "classes", name),
                    )
            words = [(word, name) for name, words in rule.classes.items() for word in words]
            seen: dict[str, str] = {}
            for word, name in words:
                if word in seen:
                    twice = "to two classes" if seen[word] != name else f"to {name!r} twice"
                    raise KeyedError(
                        f"datasets.{dataset} maps the emotion {word!r} {twice}", ("datasets", dataset, "classes", name)
                    )
                seen[word] = name
        if all(rule.classes for rule in self.datasets.values()):  # without a map a class's own name is all there is
            mapped = {name for rule in self.datasets.values() for name, words in rule.classes.items() if words}
            for name in self.classes:
                if name not in mapped:
                    raise KeyedError(
                        f"no dataset maps anything to the class {name!r}: map an emotion to it, or leave it out",
                        ("classes",),
                    )

    def _check_not_mapped(self, index: int, entry: LeftOut) -> None:
        """Refuse a word that is mapped to a class and left out: one of them is a slip."""
        field, words = (
            ("emotions", entry.emotions) if self.labels == "emotion" else ("objective_classes", entry.objective_classes)
        )
        for name, mapped in self.datasets[entry.dataset].classes.items():
            for word in sorted(set(words) & set(mapped)):
                raise KeyedError(
                    f"left_out: {word!r} of {entry.dataset} is left out and mapped to {name!r}: one is a slip",
                    ("left_out", index, field),
                )

    def _check_units(self) -> None:
        """Refuse AU detection without units, or with what is for classes."""
        if not self.units:
            raise KeyedError("'units' is missing: task: au-detection needs the numbers of action units, like [1, 2, 4]")
        mapped = [name for name, rule in self.datasets.items() if rule.classes]
        if self.classes or mapped or self.official_list or (self.expected and self.expected.classes):
            raise KeyedError(
                "classes, their maps, counts and lists are for task: classification, au-detection has units",
                ("classes",) if self.classes else ("datasets", mapped[0], "classes") if mapped else (),
            )
        if self.labels != "emotion":
            raise KeyedError("labels are mapped to classes, which au-detection has none of", ("labels",))

    def _check_folds(self) -> None:
        """Refuse a hold-out that overlaps, or names or forgets a dataset; and shared people where there are none."""
        rule = self.folds
        if isinstance(rule, HoldOut):
            both = sorted(set(rule.train) & set(rule.test))
            if both:
                raise KeyedError(f"folds: {both[0]!r} is both trained on and tested", ("folds", "test"))
            for side, names in (("train", rule.train), ("test", rule.test)):
                for name in names:
                    if name not in self.datasets:
                        raise KeyedError(
                            f"folds.{side} names the dataset {name!r}, which is none of {', '.join(self.datasets)}",
                            ("folds", side),
                        )
            idle = sorted(set(self.datasets) - {*rule.train, *rule.test})
            if idle:
                raise KeyedError(f"folds: {idle[0]!r} is neither trained on nor tested", ("datasets", idle[0]))
        if isinstance(rule, LeaveOneDatabaseOut) and len(self.datasets) < 2:
            raise KeyedError("folds: leave-one-database-out needs two datasets", ("folds",))
        if self.shares_people and not isinstance(rule, HoldOut | LeaveOneDatabaseOut):
            raise KeyedError("shares_people is for hold-out and leave-one-database-out", ("shares_people",))

    def _check_expected(self) -> None:
        """Refuse counts of datasets and classes that the protocol does not have."""
        if self.expected is None:
            return
        for key, counts, known in (
            ("datasets", self.expected.datasets, tuple(self.datasets)),
            ("classes", self.expected.classes, self.classes),
        ):
            for name in counts:
                if name not in known:
                    raise KeyedError(
                        f"expected.{key} counts {name!r}, which is none of {', '.join(known)}", ("expected", key, name)
                    )

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is predicted of a clip: its class, or action units as text."""
        return self.classes if self.task == "classification" else tuple(map(str, self.units))

    @property
    def tested(self) -> tuple[str, ...]:
        """The datasets whose clips are tested."""
        return self.folds.test if isinstance(self.folds, HoldOut) else tuple(self.datasets)

    @property
    def known_as(self) -> str:
        """What ``--protocol`` takes to have it again: its name, or the path or pattern that it came from."""
        return self._known_as or self.name

    def coming_from(self, origin: str) -> Self:
        """Return it with the path or pattern that it came from."""
        found = self.model_copy()
        found._known_as = origin
        return found

    @property
    def warnings(self) -> list[str]:
        """What every table says of this protocol's figures."""
        said = []
        if isinstance(self.folds, LeaveOneVideoOut):
            said.append("subject-dependent: other clips of the person who is tested are trained on")
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
        """Digest what the protocol means: all that can change a clip's selection, label, fold or score.

        What only some protocols say enters where it is said, so that the digests of others stay as they were.
        """
        meaning = self.model_dump(mode="json", include={"task", "classes", "left_out", "folds", "transductive"})
        meaning["datasets"] = {
            name: {label: sorted(words) for label, words in rule.classes.items()}
            for name, rule in self.datasets.items()
        }
        meaning["left_out"] = [
            {
                name: value
                for name, value in entry.model_dump(mode="json", exclude={"reason"}).items()
                if name != "objective_classes" or value
            }
            for entry in self.left_out
        ]
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
        for column, known in (("class", self.classes), ("dataset", tuple(self.datasets))):
            strange = table[~table[column].isin(known)]
            if len(strange):
                row = strange.iloc[0]
                said = f"names {row[column]!r}, which protocol {self.name} does not know, in the row {','.join(row)!r}"
                raise DataError(f"{path} {said}")
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
