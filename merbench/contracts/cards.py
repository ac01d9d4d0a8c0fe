"""The card of a method, ``card.yaml`` in its folder: metadata, inputs, configurations, disclosures."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from merbench.contracts.citations import Remark
from merbench.contracts.inputs import InputSpec
from merbench.contracts.names import checked_name
from merbench.contracts.notes import LONGEST_REMARK
from merbench.contracts.yamlfiles import keyed_error

Task = Literal["classification", "au-detection"]
#: What a method is: a net, a classical classifier, or a floor, which answers without a look at motion.
Family = Literal["net", "classical", "floor"]
Settings = dict[str, Any]
#: With which settings a fact holds: always, never, or with a mapping of settings to a value, or to a list of values,
#: any of them; of several mappings, with any of them.
When = bool | Settings | list[Settings]
#: Keys of earlier versions, and their names now.
_RENAMED = {"without_gpu": "cpu", "short": "quick"}


class _Paper(BaseModel):
    """Where a method was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    authors: str
    year: int
    venue: str
    url: str | None = None
    bibtex: str


class Card(BaseModel):
    """Method metadata; disclosures are shown in tables and ranked separately."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(lambda name: checked_name(name, "method"))]
    title: Remark
    summary: str = Field(max_length=1000)
    #: ``module:Class`` within the method's folder.
    implementation: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    family: Family | None = None  #: None if the card does not say
    paper: _Paper | None = None
    tasks: tuple[Task, ...] = ("classification",)
    inputs: dict[str, InputSpec] = {}
    configurations: dict[str, Settings] = {"default": {}}
    default: str = "default"  #: the configuration that runs where the user names none
    cpu: str | None = None  #: the one that runs instead on a machine without a GPU
    quick: str | None = None  #: for a first look: it runs on the small synthetic database where the user names none
    #: Group -> row -> the settings that the row changes; ``merbench ablate`` compares each with the whole method.
    ablations: dict[str, dict[str, Settings]] = {}
    deterministic: When = False  #: no random stream is used, so that one seed is all there is
    transductive: When = False  #: test clips (without labels) are used in training
    #: Whether it reports epochs, by which ``--select inner`` picks one; None if the card does not say.
    epochs: bool | None = None
    requires: tuple[str, ...] = ()  #: packages beyond merbench's own, such as ``timm>=1.0``; recorded with every fold
    #: Registered databases for pretraining, always without the held-out people; a configuration may use some of them.
    auxiliary: tuple[str, ...] = ()
    data_seen: tuple[str, ...] | dict[str, When] = ()  #: data that its pretrained weights have seen
    au_labels_at_test: bool = False  #: action-unit labels of the test clips are an input
    sanity: bool = False  #: it sees no motion: a sanity row wherever it is run, beneath the other rows, not ranked
    #: A note in tables, such as "reconstruction"; or several, and with which settings each holds.
    remark: Remark | dict[str, When] = ""
    #: Reason why a row gets no rank, such as "settings known from test clips" -> with which settings.
    not_ranked: dict[str, When] = {}
    stated: dict[str, str] = {}  #: choices that the paper states, each with a reason
    reconstructed: dict[str, str] = {}  #: choices that are filled in here, each with a reason

    @model_validator(mode="before")
    @classmethod
    def _renamed_keys(cls, content: Any) -> Any:
        for old, new in _RENAMED.items():
            if isinstance(content, dict) and old in content:
                raise keyed_error(f"unknown key {old!r} (did you mean {new!r}?)", old)
        return content

    @field_validator("configurations")
    @classmethod
    def _configurations(cls, value: dict[str, Settings]) -> dict[str, Settings]:
        return {checked_name(name, "configuration"): settings for name, settings in value.items()}

    @field_validator("requires")
    @classmethod
    def _requires(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:  # the library that reads requirements takes a moment to import
            from merbench.contracts.requirements import checked_requirement

            return tuple(map(checked_requirement, value))
        return value

    @field_validator("ablations")
    @classmethod
    def _ablations(cls, value: dict[str, dict[str, Settings]]) -> dict[str, dict[str, Settings]]:
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

    @model_validator(mode="after")
    def _disclosures_are_short(self) -> "Card":
        seen = self.data_seen
        said = list(seen) if isinstance(seen, dict) else self.disclosures(transductive=True)
        for fact in [*said, *self.facts("remark"), *self.facts("not_ranked")]:
            if len(fact) > LONGEST_REMARK:
                shown = f"{fact[:40]!r}… is shown with every row and has {len(fact)} characters"
                raise ValueError(f"{shown}: expected at most {LONGEST_REMARK}")
        return self

    @property
    def kind(self) -> str:
        """Its family for readers: ``sanity`` for a method that sees no motion, ``unknown`` if the card does not say."""
        return "sanity" if self.sanity else self.family or "unknown"

    def needs_gpu(self, configuration: str) -> bool:
        """Return whether a configuration is for a GPU: the default and ``default-*``, where one for CPUs is named."""
        return self.cpu not in (None, configuration) and f"{configuration}-".startswith(f"{self.default}-")

    def required_packages(self) -> tuple[str, ...]:
        """Return the names of the packages that the method requires."""
        if self.requires:
            from merbench.contracts.requirements import required_packages

            return required_packages(self.requires)
        return ()

    def facts(self, field: Literal["data_seen", "remark", "not_ranked"], config: object = None) -> list[str]:
        """Return what a field says under settings, an object with an attribute each; without them, all it may say."""
        said: str | tuple[str, ...] | dict[str, When] = getattr(self, field)
        if isinstance(said, dict):
            return [fact for fact, when in said.items() if config is None or holds(when, config)]
        return [said] * bool(said) if isinstance(said, str) else list(said)

    def conditions(self) -> dict[str, list[Settings]]:
        """Return the settings under which something on the card holds: field -> mappings."""
        found: dict[str, list[Settings]] = {}
        for field in ("deterministic", "transductive", "data_seen", "remark", "not_ranked"):
            said = getattr(self, field)
            facts = [said] if field in _WHEN else said.values() if isinstance(said, dict) else []
            found[field] = [each for when in facts for each in _mappings(when)]
        return found

    def disclosures(
        self, transductive: bool, auxiliary: Sequence[str] | None = None, config: object = None
    ) -> list[str]:
        """Return in a few words each the facts that a reader of a table should know; empty for an ordinary method.

        `transductive` says whether it trained on test clips, as the card discloses and the protocol allows; `auxiliary`
        are the databases that a configuration was pretrained on, by default all that the card lists; `config` are
        its settings, as for `facts`.
        """
        pretrained = self.auxiliary if auxiliary is None else list(dict.fromkeys(auxiliary))
        seen = self.facts("data_seen", config)
        facts = {
            "transductive": self.transductive and transductive,
            "AU labels at test": self.au_labels_at_test,
            f"weights have seen {', '.join(seen)}": seen,
            f"pretrained on {', '.join(pretrained)}": pretrained,
        }
        return [fact for fact, so in facts.items() if so]


#: Fields that say with which settings they hold, and no more.
_WHEN = ("deterministic", "transductive")


def holds(when: When, config: object) -> bool:
    """Return whether a condition holds under settings, an object with an attribute each."""
    if isinstance(when, bool):
        return when
    return any(all(_is(getattr(config, name), value) for name, value in each.items()) for each in _mappings(when))


def _mappings(when: When) -> list[Settings]:
    return [when] if isinstance(when, Mapping) else [] if isinstance(when, bool) else when


def _is(found: Any, wanted: Any) -> bool:
    return found == wanted or (isinstance(wanted, list) and found in wanted)
