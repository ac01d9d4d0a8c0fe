"""Synthetic macro-expressions: other people than in the synthetic databases, with larger movements.

They are the auxiliary data of every method that pretrains, where the data is synthetic. Faces, action units, their
relation to emotions and the course in time are those of ``synthetic-small`` in the layout of CASME II, under other
seeds; displacements are `LARGER` times as long, and every third frame is kept.
"""

import ast
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from filelock import FileLock

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import MANIFEST, DatabaseCard, Reading, Source
from merbench.contracts.digests import digest, plain_syntax
from merbench.contracts.errors import DataError
from merbench.synthetic.clips import FPS, Clip, Film, draw_subject, plan
from merbench.synthetic.database import current_source
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.table import OBJECTIVE
from merbench.synthetic.trees import JPEG_QUALITY, read_manifest

LARGER = 3.0
_SEEDS = (101, 102)
_STEP = 3
_TEMPLATE = "casme2"


class _SyntheticMacro:
    """Reader of the database."""

    card = DatabaseCard(
        name="synthetic-macro",
        title="Synthetic macro-expressions for pretraining",
        holds="68 clips of 8 subjects",
        datasets={"synthetic-macro": "Synthetic macro"},
        licence="generated on this machine; scores on it say nothing about people",
        source="made on demand",
        synthetic=True,
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether `folder` holds the database."""
        try:
            return bool((read_manifest(folder) or {}).get("macro"))
        except DataError:
            return False

    def read(self, folder: Path, corrections: bool = True) -> Reading:
        """Read the clip table."""
        manifest = read_manifest(folder)
        if manifest is None or "macro" not in manifest:
            raise DataError(f"{folder} is not a copy of {self.card.name}: delete it, it is made again on demand")
        rows = pd.DataFrame(manifest["macro"]).assign(dataset=self.card.name, apex_source="annotated")
        rows["aus"] = rows["aus"].map(read_coding)
        return Reading(clip_table(rows, str(folder)), "a folder a clip", made_with=manifest["generator"])

    def frames(self, folder: Path, path: str) -> dict[int, Path]:
        """Return the frames of a clip."""
        return {int(file.stem): file for file in sorted((folder / path).glob("*.jpg"))}


DATABASE = _SyntheticMacro()


def macro_source(progress: Callable[[int, int], None] | None = None) -> Source:
    """Open the database; generate it first if it is missing or of another version.

    ``progress(done, total)`` is called with numbers of clips.
    """
    code = plain_syntax(ast.parse(Path(__file__).read_bytes()))
    generator = digest([code, *(generator_digest(settings) for settings in _settings())])
    return current_source(DATABASE.card.name, generator, lambda folder: _make(folder, generator, progress))


def _settings() -> list[SyntheticSettings]:
    return [SyntheticSettings(size="small", seed=seed) for seed in _SEEDS]


def _make(folder: Path, generator: str, progress: Callable[[int, int], None] | None) -> None:
    """Write the database, completely or not at all; a second process waits for the first."""
    part = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(part.with_suffix(".lock")):
            if (folder / MANIFEST).exists():
                return
            shutil.rmtree(part, ignore_errors=True)
            clips = [(each, clip) for each in _settings() for clip in plan(each) if clip.dataset == _TEMPLATE]
            people = [list(own) for _, own in groupby(clips, lambda pair: (pair[0].seed, pair[1].subject))]
            rows: list[dict[str, Any]] = []
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for own in pool.map(lambda each: _write_person(each, part), people):
                    rows += own
                    if progress:
                        progress(len(rows), len(clips))
            (part / MANIFEST).write_text(json.dumps({"generator": generator, "macro": rows}), encoding="utf-8")
            part.rename(folder)
    except OSError as error:
        raise DataError(f"{folder}: synthetic data can't be written: {error.strerror or error}") from error


def _write_person(clips: Sequence[tuple[SyntheticSettings, Clip]], folder: Path) -> list[dict[str, Any]]:
    """Write the clips of one person; returns their rows of the table."""
    settings, first = clips[0]
    person, subject = draw_subject(settings, first.dataset, first.subject), f"m{settings.seed}-{first.subject[3:]}"
    films = [Film(settings, replace(clip, peak=LARGER * clip.peak), person) for _, clip in clips]
    return [_write_clip(film, f"{subject}/{film.clip.clip}", folder) | {"subject": subject} for film in films]


def _write_clip(film: Film, path: str, folder: Path) -> dict[str, Any]:
    """Write the frames of a clip, numbered from 1."""
    clip = film.clip
    (folder / path).mkdir(parents=True)
    kept = sorted({*range(clip.onset, clip.offset, _STEP), clip.apex, clip.offset})
    for number, original in enumerate(kept, start=1):
        coded = cv2.imencode(".jpg", film.frame(original), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / path / f"{number:04d}.jpg").write_bytes(coded.tobytes())
    return {
        "clip": clip.clip,
        "emotion": clip.emotion,
        "onset": 1,
        "apex": kept.index(clip.apex) + 1,
        "offset": len(kept),
        "fps": FPS[clip.dataset] / _STEP,
        "aus": "+".join(map(str, clip.units)),
        "objective_class": OBJECTIVE.get(clip.au_set, "VII"),
        "path": path,
    }
