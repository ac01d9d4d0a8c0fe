"""Synthetic databases: three generated trees, read by the readers of the real databases.

``synthetic-small`` and ``synthetic-full`` with default settings are generated into ``MERBENCH_HOME`` on demand; a copy
with other settings is in a folder of the user, and its name has the settings that differ.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, FrameDatabase, Reading, Source
from merbench.contracts.errors import DataError
from merbench.databases.readers import casme2, samm, smic_hs
from merbench.databases.registrations import home, open_source, register, registered
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.trees import read_manifest, write

_READERS: dict[str, FrameDatabase] = {"casme2": casme2.DATABASE, "samm": samm.DATABASE, "smic-hs": smic_hs.DATABASE}

Progress = Callable[[int, int], None]


class _SyntheticDatabase:
    """Reader of synthetic databases of one size, ``small`` or ``full``."""

    def __init__(self, size: str, title: str, holds: str) -> None:
        self._size = size
        self.card = DatabaseCard(
            name=f"synthetic-{size}",
            title=title,
            holds=holds,
            datasets={name: reader.card.datasets[name] for name, reader in _READERS.items()},
            licence="generated on this machine; scores on it say nothing about people",
            source="merbench data synthesize",
            synthetic=True,
        )

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` is a synthetic database of this size."""
        try:
            return _settings(folder)[0].size == self._size
        except DataError:
            return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the three trees, each as a copy of its database."""
        settings, generator = _settings(folder)
        if settings.size != self._size:
            raise DataError(f"{folder} is a synthetic database of size {settings.size}, not {self._size}")
        readings = {name: reader.read(folder / name, corrections) for name, reader in _READERS.items()}
        clips = pd.concat([r.clips.assign(path=name + "/" + r.clips.path) for name, r in readings.items()])
        return Reading(
            clip_table(clips, str(folder)),
            f"synthetic trees of {', '.join(_READERS)}",
            [n if n.about else replace(n, text=f"{name}: {n}") for name, r in readings.items() for n in r.notes],
            variant=_variant(settings),
            made_with=generator,
        )

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of a clip, as its database's reader finds them."""
        name, _, within = path.partition("/")
        return _READERS[name].frames(folder / name, within)


def _variant(settings: SyntheticSettings) -> str:
    """Name the settings that differ from the defaults, ``ambiguous-strength0.5-seed3``, but the size."""
    default = SyntheticSettings(size=settings.size)
    parts = {name: value for name, value in settings if value != getattr(default, name)}
    return "-".join(str(value) if isinstance(value, str) else f"{name}{value:g}" for name, value in parts.items())


SMALL_DATABASE = _SyntheticDatabase("small", "Synthetic data for first runs", "100 clips of 12 subjects")
FULL_DATABASE = _SyntheticDatabase(
    "full", "Synthetic data with the counts of MEGC 2019", "442 clips of 68 subjects, 164/145/133 per database"
)

SMALL = SMALL_DATABASE.card.name
SYNTHETIC = {SMALL: SyntheticSettings(size="small"), FULL_DATABASE.card.name: SyntheticSettings(size="full")}


def synthetic_source(name: str, progress: Progress | None = None) -> Source:
    """Open one of `SYNTHETIC`, with default settings; generate it first if it is missing or of another version.

    ``progress(done, total)`` is called with numbers of clips.
    """
    settings = SYNTHETIC[name]
    return current_source(name, generator_digest(settings), lambda folder: write(settings, folder, progress))


def current_source(name: str, generator: str, write_into: Callable[[Path], None]) -> Source:
    """Open the registered copy of a synthetic database if `generator` made it; else write and register one."""
    entry = registered().get(name)
    if entry is not None and _is_current(entry.folder, generator):
        return open_source(name, entry.folder, entry.corrections)
    made = home() / "synthetic"
    folder = made / f"{name}-{generator[:8]}"
    write_into(folder)
    source = register(name, folder)
    if entry is not None and entry.folder.parent == made.resolve():
        shutil.rmtree(entry.folder, ignore_errors=True)  # generated here by another version
    return source


def make(settings: SyntheticSettings, folder: Path, progress: Progress | None = None) -> Source:
    """Write synthetic data into `folder`, unless it is complete already, and open it; raises as `write`."""
    write(settings, folder, progress)
    return open_source(f"synthetic-{settings.size}", folder)


def _is_current(folder: Path, generator: str) -> bool:
    with suppress(DataError):
        return (read_manifest(folder) or {}).get("generator") == generator
    return False


def _settings(folder: Path) -> tuple[SyntheticSettings, str]:
    """Return the settings and the generator of a synthetic database; DataError if `folder` is not one."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} is not a complete synthetic database: merbench data synthesize --out {folder}")
    try:
        return SyntheticSettings.model_validate(manifest["settings"]), manifest["generator"]
    except (KeyError, ValidationError):
        raise DataError(f"{folder} was written by another version of merbench: delete it and write it again") from None
