"""The synthetic stand-in as databases: three made trees, read by the readers of the real ones.

``synthetic-small`` and ``synthetic-full`` of default settings are made into ``MERBENCH_HOME`` when they are asked for;
a copy with other settings lies where the user had it written, and its name says what differs.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, FrameDatabase, Reading, Source
from merbench.contracts.errors import DataError
from merbench.databases.readers import casme2, samm, smic_hs
from merbench.databases.registrations import home, open_source, register, registered
from merbench.synthetic.settings import Settings, generator_digest
from merbench.synthetic.trees import read_manifest, write

_READERS: dict[str, FrameDatabase] = {"casme2": casme2.DATABASE, "samm": samm.DATABASE, "smic-hs": smic_hs.DATABASE}

Told = Callable[[int, int], None]


class Synthetic:
    """Reader of a stand-in of one size.

    Parameters
    ----------
    size : str
        ``small`` or ``full``.
    """

    def __init__(self, size: str, title: str, holds: str) -> None:
        self._size = size
        self.card = DatabaseCard(
            name=f"synthetic-{size}",
            title=title,
            holds=holds,
            datasets={name: reader.card.datasets[name] for name, reader in _READERS.items()},
            licence="made here by a program; scores on it say nothing about people",
            source="merbench data synthesize",
            synthetic=True,
        )

    def recognises(self, folder: Path) -> bool:
        """Say whether `folder` holds a stand-in of this size."""
        try:
            return _settings(folder).size == self._size
        except DataError:
            return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the three trees, each as a copy of its database."""
        settings = _settings(folder)
        if settings.size != self._size:
            raise DataError(f"{folder} holds a stand-in of size {settings.size}, not {self._size}")
        readings = {name: reader.read(folder / name, corrections) for name, reader in _READERS.items()}
        clips = pd.concat([r.clips.assign(path=name + "/" + r.clips.path) for name, r in readings.items()])
        manifest = read_manifest(folder)
        assert manifest is not None  # _settings has seen to it
        return Reading(
            clip_table(clips, str(folder)),
            f"made trees of {', '.join(_READERS)}",
            [f"{name}: {note}" for name, r in readings.items() for note in r.notes],
            [remark for r in readings.values() for remark in r.remarks],
            variant=_variant(settings),
            made_with=manifest["generator"],
        )

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of a clip, as its database's reader finds them."""
        name, _, within = path.partition("/")
        return _READERS[name].frames(folder / name, within)


def _variant(settings: Settings) -> str:
    """Name what differs from the default settings, ``ambiguous-strength0.5-seed3``; the size is in the card's name."""
    default = Settings(size=settings.size)
    parts = {name: value for name, value in settings if value != getattr(default, name)}
    return "-".join(str(value) if isinstance(value, str) else f"{name}{value:g}" for name, value in parts.items())


SMALL_DATABASE = Synthetic("small", "Synthetic stand-in for first runs", "100 clips of 12 subjects")
FULL_DATABASE = Synthetic(
    "full", "Synthetic stand-in with the counts of MEGC 2019", "442 clips of 68 subjects, 164/145/133 a database"
)

SMALL = SMALL_DATABASE.card.name
STAND_INS = {SMALL: Settings(size="small"), FULL_DATABASE.card.name: Settings(size="full")}


def stand_in(name: str, progress: Told | None = None) -> Source:
    """Open a stand-in of default settings; make it first if it is not there, or if an older program made it.

    Parameters
    ----------
    name : str
        One of `STAND_INS`.
    progress : callable, optional
        ``progress(done, total)``, in clips.
    """
    settings = STAND_INS[name]
    entry = registered().get(name)
    if entry is not None and _is_current(entry.folder, settings):
        return open_source(name, entry.folder, entry.corrections)
    made = home() / "synthetic"
    source = make(settings, made / f"{name}-{generator_digest(settings)[:8]}", progress)
    register(name, source.folder)
    if entry is not None and entry.folder.parent == made.resolve():
        shutil.rmtree(entry.folder, ignore_errors=True)  # our own, which an older program made
    return source


def make(settings: Settings, folder: Path, progress: Told | None = None) -> Source:
    """Write a stand-in into `folder`, unless it is there already, and open it.

    Raises
    ------
    DataError
        The folder holds something else, or can't be written.
    """
    write(settings, folder, progress)
    return open_source(f"synthetic-{settings.size}", folder)


def _is_current(folder: Path, settings: Settings) -> bool:
    try:
        manifest = read_manifest(folder)
    except DataError:
        return False
    return manifest is not None and manifest["generator"] == generator_digest(settings)


def _settings(folder: Path) -> Settings:
    """Return the settings that a stand-in was made with; DataError if `folder` holds none."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} holds no finished stand-in: merbench data synthesize --out {folder}")
    try:
        return Settings.model_validate(manifest["settings"])
    except (KeyError, ValidationError):
        raise DataError(f"{folder} was made by another version of merbench: delete it and make it again") from None
