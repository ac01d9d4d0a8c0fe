"""Synthetic databases: generated trees, read by the readers of the real databases.

``synthetic-small`` and ``synthetic-full`` (CASME II, SAMM, SMIC-HS) and ``synthetic-layouts`` (every database that has
a reader) with default settings are generated into ``MERBENCH_HOME`` on demand; a copy with other settings is in a
folder of the user, and its name has the settings that differ.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import MANIFEST, DatabaseCard, Reading, Source
from merbench.contracts.errors import DataError
from merbench.databases.readers.identity import READERS
from merbench.databases.registrations import home, open_source, register, registered
from merbench.synthetic.copies import LayoutSettings, write_copies
from merbench.synthetic.layouts import LAYOUTS
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.table import DATASETS
from merbench.synthetic.trees import read_manifest, write

Progress = Callable[[int, int], None]


def _card(size: str, title: str, holds: str, datasets: Sequence[str]) -> DatabaseCard:
    return DatabaseCard(
        name=f"synthetic-{size}",
        title=title,
        holds=holds,
        datasets={name: READERS[name].card.datasets[name] for name in datasets},
        licence="generated on this machine; scores on it say nothing about people",
        source="merbench data synthesize",
        synthetic=True,
        same_people={own: other for name in datasets for own, other in READERS[name].card.same_people.items()},
    )


class _SyntheticDatabase:
    """Reader of synthetic databases of one size, ``small`` or ``full``."""

    def __init__(self, size: str, title: str, holds: str) -> None:
        self._size = size
        self.card = _card(size, title, holds, DATASETS)

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
        return _read_trees(folder, DATASETS, corrections, _variant(settings), generator)

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of a clip, as its database's reader finds them."""
        return _tree_frames(folder, path)


class _SyntheticLayouts:
    """Reader of synthetic copies in the layouts of some databases, or of all that have a reader."""

    card = _card(
        "layouts", "Synthetic copies in every layout", "two clips of every emotion of each database", tuple(LAYOUTS)
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` has such copies."""
        try:
            return "layouts" in (read_manifest(folder) or {})
        except DataError:
            return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read each tree as a copy of its database."""
        manifest = read_manifest(folder)
        try:
            settings = LayoutSettings.model_validate((manifest or {})["layouts"])
        except (KeyError, ValidationError):
            step = f"merbench data synthesize --layout all --out {folder}"
            raise DataError(f"{folder} has no complete synthetic copies: delete it, then {step}") from None
        default = LayoutSettings()
        variant = _words({name: value for name, value in settings if value != getattr(default, name)})
        return _read_trees(folder, settings.layouts, corrections, variant, (manifest or {})["generator"])

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of a clip, as its database's reader finds them."""
        return _tree_frames(folder, path)


def _read_trees(folder: Path, names: Sequence[str], corrections: bool, variant: str, generator: str) -> Reading:
    """Read the tree of each dataset as a copy of its database."""
    readings = {name: READERS[name].read(folder / name, corrections) for name in names}
    clips = pd.concat([r.clips.assign(path=name + "/" + r.clips.path) for name, r in readings.items()])
    return Reading(
        clip_table(clips, str(folder)),
        f"synthetic trees of {', '.join(names)}",
        [n if n.about else replace(n, text=f"{name}: {n}") for name, r in readings.items() for n in r.notes],
        variant=variant,
        made_with=generator,
    )


def _tree_frames(folder: Path, path: str) -> dict[int, Path]:
    name, _, within = path.partition("/")
    return READERS[name].frames(folder / name, within)


def _variant(settings: SyntheticSettings) -> str:
    """Name the settings that differ from the defaults, ``ambiguous-strength0.5-seed3``, but the size."""
    default = SyntheticSettings(size=settings.size)
    return _words({name: value for name, value in settings if value != getattr(default, name)})


def _words(parts: Mapping[str, Any]) -> str:
    """Join settings to a name; values that are words stand alone."""
    joined = {name: "-".join(value) if isinstance(value, tuple) else value for name, value in parts.items()}
    return "-".join(value if isinstance(value, str) else f"{name}{value:g}" for name, value in joined.items())


SMALL_DATABASE = _SyntheticDatabase("small", "Synthetic data for first runs", "100 clips of 12 subjects")
FULL_DATABASE = _SyntheticDatabase(
    "full", "Synthetic data with the counts of MEGC 2019", "442 clips of 68 subjects, 164/145/133 per database"
)

LAYOUTS_DATABASE = _SyntheticLayouts()

SMALL = SMALL_DATABASE.card.name
SYNTHETIC: dict[str, SyntheticSettings | LayoutSettings] = {
    SMALL: SyntheticSettings(size="small"),
    FULL_DATABASE.card.name: SyntheticSettings(size="full"),
    LAYOUTS_DATABASE.card.name: LayoutSettings(),
}


def synthetic_source(name: str, progress: Progress | None = None) -> Source:
    """Open one of `SYNTHETIC`, with default settings; generate it first if it is missing or of another version.

    ``progress(done, total)`` is called with numbers of clips.
    """
    settings = SYNTHETIC[name]
    return current_source(name, _generator(settings), lambda folder: _write(settings, folder, progress))


def _generator(settings: SyntheticSettings | LayoutSettings) -> str:
    return settings.generator if isinstance(settings, LayoutSettings) else generator_digest(settings)


def _write(settings: SyntheticSettings | LayoutSettings, folder: Path, progress: Progress | None) -> None:
    if isinstance(settings, LayoutSettings):
        write_copies(settings, folder, progress)
    else:
        write(settings, folder, progress)


def current_source(name: str, generator: str, write_into: Callable[[Path], None]) -> Source:
    """Open the registered copy of a synthetic database if `generator` made it, or the user added it; else write one."""
    entry, made = registered().get(name), home() / "synthetic"
    added = entry is not None and entry.folder.parent != made.resolve() and (entry.folder / MANIFEST).is_file()
    if entry is not None and (added or _is_current(entry.folder, generator)):
        return open_source(name, entry.folder, entry.corrections)
    folder = made / f"{name}-{generator[:8]}"
    write_into(folder)
    source = register(name, folder)
    if entry is not None and entry.folder.parent == made.resolve():
        shutil.rmtree(entry.folder, ignore_errors=True)  # generated here by another version
    return source


def make(settings: SyntheticSettings | LayoutSettings, folder: Path, progress: Progress | None = None) -> Source:
    """Write synthetic data into `folder`, unless it is complete already, and open it; raises as `write`."""
    _write(settings, folder, progress)
    return open_source(
        LAYOUTS_DATABASE.card.name if isinstance(settings, LayoutSettings) else f"synthetic-{settings.size}", folder
    )


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
