"""The database contract: a folder on disk becomes a clip table; a release offers ready-made arrays besides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator

from merbench.contracts.inputs import InputSpec
from merbench.contracts.names import checked_name


class DatabaseCard(BaseModel):
    """What is known of a database before anyone has it.

    Attributes
    ----------
    datasets : dict of str to str
        The datasets whose clips it holds (one, or several in a release), each with its display name.
    licence : str
        Where to get it, and on what terms.
    synthetic : bool
        Made by a program: its results carry that word and never rank with real ones.
    offers : tuple of InputSpec, optional
        A release of ready-made arrays offers these and nothing else; ``None`` for a database of frames.
    person_of : dict of str to str
        Datasets whose subjects are the same people under the same ids share a value (``smic-hs`` and ``smic-vis``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    datasets: dict[str, str]
    licence: str
    source: str
    synthetic: bool = False
    offers: tuple[InputSpec, ...] | None = None
    person_of: dict[str, str] = {}

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value, "database")

    @field_validator("datasets")
    @classmethod
    def _datasets(cls, value: dict[str, str]) -> dict[str, str]:
        return {checked_name(name, "dataset"): title for name, title in value.items()}


@dataclass(frozen=True)
class Reading:
    """What was found in a database's folder.

    Attributes
    ----------
    clips : DataFrame
        A clip table, see :func:`merbench.contracts.clips.clip_table`.
    layout : str
        Which of the known layouts the folder has, in words.
    notes : list of str
        What a reader should know: repaired, left out, doubtful.
    """

    clips: pd.DataFrame
    layout: str
    notes: list[str] = field(default_factory=list)


@runtime_checkable
class Database(Protocol):
    """A database: one object a file in ``merbench/databases/``, or in a plug-in."""

    card: DatabaseCard

    def recognises(self, folder: Path) -> bool:
        """Say by a cheap look whether `folder` is a copy of this database."""
        ...

    def read(self, folder: Path) -> Reading:
        """Read the clip table; :class:`~merbench.contracts.errors.DataError` where something is missing or wrong."""
        ...


@runtime_checkable
class Release(Database, Protocol):
    """A database that holds no frames but the arrays that its card offers."""

    def arrays(self, folder: Path, clips: pd.DataFrame, spec: InputSpec) -> npt.NDArray[Any]:
        """Return the values of `spec` for the rows of `clips`, in their order: shape (n_clips, ...)."""
        ...


@dataclass(frozen=True)
class Source:
    """A database, where a copy of it lies, and what was read there."""

    database: Database
    folder: Path
    reading: Reading

    @property
    def clips(self) -> pd.DataFrame:
        """The clip table."""
        return self.reading.clips


def person_of(sources: Iterable[Source]) -> dict[str, str]:
    """Return which datasets share their people, over all sources."""
    return {dataset: name for source in sources for dataset, name in source.database.card.person_of.items()}


def persons(clips: pd.DataFrame, aliases: Mapping[str, str]) -> npt.NDArray[Any]:
    """Name the person behind each clip: the subject, under the name that its dataset shares with others, if any."""
    return np.array(
        [f"{aliases.get(d, d)}/{s}" for d, s in zip(clips.dataset, clips.subject, strict=True)], dtype=object
    )
