"""The card of a method, ``card.yaml`` in its folder: metadata, inputs, configurations, disclosures."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from merbench.contracts.inputs import InputSpec
from merbench.contracts.names import checked_name
from merbench.contracts.yamlfiles import KeyedError

Task = Literal["classification", "au-detection"]
#: Keys of earlier versions, and their names now.
_RENAMED = {"without_gpu": "cpu", "short": "quick"}


class Paper(BaseModel):
    """Where a method was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    authors: str
    year: int
    venue: str
    url: str | None = None
    bibtex: str


class Card(BaseModel):
    """Method metadata; disclosures are shown in tables and ranked separately.

    Attributes
    ----------
    implementation : str
        ``module:Class`` within the method's folder.
    configurations : dict
        Named settings.
    default : str
        The configuration that runs where the user names none.
    cpu : str, optional
        The configuration that runs instead on a machine without a GPU.
    quick : str, optional
        The configuration for a first look: it runs on the small synthetic database where the user names none.
    ablations : dict of str to dict
        Group -> row -> the settings that the row changes; ``merbench ablate`` compares each with the whole method.
    deterministic : bool
        No random stream is used, so that one seed is all there is.
    transductive : bool
        Test clips (without labels) are used in training.
    auxiliary : tuple of str
        Registered databases for pretraining, always without the held-out subjects.
    data_seen : tuple of str
        Data that its pretrained weights have seen.
    au_labels_at_test : bool
        Action-unit labels of the test clips are an input.
    sanity : bool
        A sanity row wherever it is run: it sees no motion. Shown beneath the other rows, not ranked.
    remark : str
        A note in tables, such as "reconstruction".
    stated, reconstructed : dict
        Choices that the paper states, and those filled in here, each with a reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    summary: str
    implementation: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    paper: Paper | None = None
    tasks: tuple[Task, ...] = ("classification",)
    inputs: dict[str, InputSpec] = {}
    configurations: dict[str, dict[str, Any]] = {"default": {}}
    default: str = "default"
    cpu: str | None = None
    quick: str | None = None
    ablations: dict[str, dict[str, dict[str, Any]]] = {}
    deterministic: bool = False
    transductive: bool = False
    auxiliary: tuple[str, ...] = ()
    data_seen: tuple[str, ...] = ()
    au_labels_at_test: bool = False
    sanity: bool = False
    remark: str = ""
    stated: dict[str, str] = {}
    reconstructed: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _renamed_keys(cls, content: Any) -> Any:
        for old, new in _RENAMED.items():
            if isinstance(content, dict) and old in content:
                raise KeyedError(f"unknown key {old!r} (did you mean {new!r}?)", (old,))
        return content

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value, "method")

    @field_validator("configurations")
    @classmethod
    def _configurations(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in value:
            checked_name(name, "configuration")
        return value

    @field_validator("ablations")
    @classmethod
    def _ablations(cls, value: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
        for group, rows in value.items():
            checked_name(group, "group of ablations")
            for row, changes in rows.items():
                checked_name(row, "ablation")
                if not changes:
                    raise ValueError(f"the ablation {row!r} of {group!r} changes nothing")
        return value

    @model_validator(mode="after")
    def _names_are_configurations(self) -> "Card":
        for field in ("default", "cpu", "quick"):
            name = getattr(self, field)
            if name is not None and name not in self.configurations:
                known = ", ".join(self.configurations)
                raise ValueError(f"{field} names {name!r}, which is not a configuration of the card: {known}")
        return self

    def disclosures(self, transductive: bool) -> list[str]:
        """Return in a few words each the facts that a reader of a table should know; empty for an ordinary method.

        Parameters
        ----------
        transductive : bool
            Whether the protocol allowed the transductive training that the card discloses.
        """
        facts = {
            "transductive": self.transductive and transductive,
            "AU labels at test": self.au_labels_at_test,
            f"weights have seen {', '.join(self.data_seen)}": bool(self.data_seen),
            f"pretrained on {', '.join(self.auxiliary)}": bool(self.auxiliary),
        }
        return [fact for fact, holds in facts.items() if holds]
