"""The database contract: a folder on disk becomes a clip table; a release offers ready-made arrays besides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator

from merbench.contracts.inputs import InputSpec
from merbench.contracts.names import checked_name

#: The file at the top of every finished synthetic database.
MANIFEST = "synthetic.json"


class Download(BaseModel):
    """Where a public database can be had from the web, file by file.

    Attributes
    ----------
    address : str
        Where its publisher keeps the files, in one fixed version; the files' names are appended to it.
    checksums : Path
        The list of a copy's files with their SHA-256, see :mod:`merbench.databases.releases.checksums`.
    folders : dict of str to str
        Folders of a copy that are called otherwise under `address`, each with its name there.
    cite : tuple of str
        What those who use it should cite.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    checksums: Path
    folders: dict[str, str] = {}
    cite: tuple[str, ...] = ()


class DatabaseCard(BaseModel):
    """What is known of a database before anyone has it.

    Attributes
    ----------
    datasets : dict of str to str
        The datasets whose clips it holds (one, or several in a release), each with its display name.
    holds : str
        How many clips and subjects a whole copy has, in words, with what is uncertain.
    licence : str
        Where to get it, and on what terms.
    synthetic : bool
        Made by a program: its results carry that word and never rank with real ones.
    offers : tuple of InputSpec, optional
        A release of ready-made arrays offers these and nothing else; ``None`` for a database of frames.
    labels : dict
        Of a release that knows only classes: dataset -> class -> the emotions that were made it. It serves protocols
        that take the same for the same, or name no emotions.
    same_people : dict of str to str
        Datasets whose subjects are the same people under the same ids share a value, or name one another
        (``{"samm-lv": "samm"}``); adds to :data:`SAME_PEOPLE`.
    download : Download, optional
        A public database can be fetched; ``None`` where somebody has to be asked, or a program makes it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    datasets: dict[str, str]
    holds: str = ""
    licence: str
    source: str
    synthetic: bool = False
    offers: tuple[InputSpec, ...] | None = None
    labels: dict[str, dict[str, tuple[str, ...]]] = {}
    same_people: dict[str, str] = {}
    download: Download | None = None

    @property
    def commands(self) -> str:
        """The commands that register it here."""
        add = f"merbench data add {self.name} PATH"
        return add if self.download is None else f"merbench data fetch {self.name}, or {add}"

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return checked_name(value, "database")

    @field_validator("datasets")
    @classmethod
    def _datasets(cls, value: dict[str, str]) -> dict[str, str]:
        return {checked_name(name, "dataset"): title for name, title in value.items()}


@dataclass(frozen=True)
class Remark:
    """What a reader did to one clip, or found doubtful about it.

    Attributes
    ----------
    clip : str
        ``casme2/sub01/EP02_01f``, or the sheet's row where there is no such clip.
    kind : str
        ``left out``: not in the clip table; ``corrected``: a known error of the sheet; ``repaired``: by a stated rule,
        such as an apex outside the clip; ``noted``: left as it is.
    reason : str
        Why, alike for all clips with the same reason, so that they can be listed by it.
    detail : str
        What is this clip's alone: numbers, a file.
    """

    clip: str
    kind: Literal["left out", "corrected", "repaired", "noted"]
    reason: str
    detail: str = ""


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
        What a reader should know of the copy as a whole.
    remarks : list of Remark
        What was done to, or is doubtful about, single clips; nothing is dropped or changed without one.
    cropped : bool
        The frames are faces already, not whole pictures.
    variant : str
        Which of several made versions this copy is (a synthetic stand-in); part of the data's name in tables.
    made_with : str, optional
        Digest of the program and settings that made the copy; part of the data's digest.
    """

    clips: pd.DataFrame
    layout: str
    notes: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    cropped: bool = False
    variant: str = ""
    made_with: str | None = None


@runtime_checkable
class Database(Protocol):
    """A database: one object a file in ``merbench/databases/``, or in a plug-in."""

    card: DatabaseCard

    def recognises(self, folder: Path) -> bool:
        """Say by a cheap look whether `folder` is a copy of this database."""
        ...

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table; :class:`~merbench.contracts.errors.DataError` where something is missing or wrong.

        With `corrections`, known errors of the annotation sheet are mended, and each mended clip gets a remark.
        """
        ...


@runtime_checkable
class FrameDatabase(Database, Protocol):
    """A database of frames, from which any input can be prepared."""

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return number -> file of the frames of the clip at `path` (the clip table's column), in order of number.

        Numbers are the annotation sheet's own counters, parsed from the file names.
        """
        ...


@runtime_checkable
class Release(Database, Protocol):
    """A database that holds no frames but the arrays that its card offers."""

    def arrays(self, folder: Path, clips: pd.DataFrame, spec: InputSpec) -> npt.NDArray[Any]:
        """Return the values of `spec` for the rows of `clips`, in their order: shape (n_clips, ...)."""
        ...


#: Datasets that are recordings of the people of another, under the same ids, whatever cards say: SMIC's slower cameras
#: stood beside the fast one.
SAME_PEOPLE = {"smic-vis": "smic-hs", "smic-nir": "smic-hs"}


@dataclass(frozen=True)
class Source:
    """A database, where a copy of it lies, and what was read there."""

    database: Database
    folder: Path
    reading: Reading

    @property
    def name(self) -> str:
        """Name of the data in tables: the database's, and which of several made versions it is."""
        return "-".join(filter(None, [self.database.card.name, self.reading.variant]))

    @property
    def clips(self) -> pd.DataFrame:
        """The clip table."""
        return self.reading.clips


def same_people(sources: Iterable[Source]) -> dict[str, str]:
    """Return a name in common for datasets that share their people: of :data:`SAME_PEOPLE`, and as all cards add."""
    names: dict[str, str] = {}
    for said in (SAME_PEOPLE, *(source.database.card.same_people for source in sources)):
        for dataset, name in said.items():
            before, now = names.get(dataset, dataset), names.get(name, name)
            if before != now:  # all that shared a name with the dataset goes along: a card joins people, and parts none
                names = {each: now if kept == before else kept for each, kept in names.items()} | {before: now}
    return names


def persons(clips: pd.DataFrame, aliases: Mapping[str, str]) -> npt.NDArray[Any]:
    """Name the person behind each clip: the subject, under the name that its dataset shares with others, if any."""
    return np.array(
        [f"{aliases.get(d, d)}/{s}" for d, s in zip(clips.dataset, clips.subject, strict=True)], dtype=object
    )
