"""Who is trained on and who is tested in every fold, as a table for training scripts outside merbench."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.databases import FrameDatabase, Source, persons, same_people
from merbench.engine.fold.selection import inner_fold, inner_seed
from merbench.prepare.arrays import clip_frames
from merbench.splits.split import Split

#: Frames of a clip that have columns of their own, by their names in the clip table.
_MARKS = ("onset", "apex", "offset")


def fold_table(split: Split, sources: Sequence[Source] = (), seed: int | None = None) -> pd.DataFrame:
    """List the clips of every fold: ``fold, role, dataset, subject, clip, class``, and the files of the clips.

    `role` is ``train`` or ``test``; with a `seed` also ``validation``, for training clips of the people that a run of
    this seed holds out within the fold under ``--select inner``. The class of AU detection is text, see
    :func:`merbench.records.predictions.units_text`. Clips of databases of frames among `sources` have the columns
    ``onset_frame, apex_frame, offset_frame``, those of releases ``image``: absolute paths. Clips that the protocol
    excludes are not listed.

    Raises
    ------
    MerbenchError
        A fold has too few people to hold out some of them.
    """
    clips = split.clips[IDENTITY].assign(**{"class": split.named_labels()}, **_files(split.clips, sources))
    people = persons(split.clips, same_people(sources))
    parts = []
    for fold in split.folds:
        roles = {"train": fold.train, "test": fold.test}
        if seed is not None:
            inner = inner_fold(split, fold, people, inner_seed(seed, fold.name))
            roles = {"train": inner.train, "validation": inner.test, "test": fold.test}
        parts += [clips.iloc[rows].assign(fold=fold.name, role=role) for role, rows in roles.items()]
    return pd.concat(parts, ignore_index=True)[["fold", "role", *clips.columns]]


def _files(clips: pd.DataFrame, sources: Sequence[Source]) -> dict[str, "np.ndarray[tuple[int], np.dtype[np.object_]]"]:
    """Return the columns of files; a cell is empty where the clip's database has no such file."""
    found: dict[str, np.ndarray[tuple[int], np.dtype[np.object_]]] = {}

    def column(name: str) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
        return found.setdefault(name, np.full(len(clips), "", dtype=object))

    for source in sources:
        rows = np.flatnonzero(clips.dataset.isin(list(source.database.card.datasets)))
        own = clips.iloc[rows]
        if not isinstance(source.database, FrameDatabase):
            column("image")[rows] = [str(source.folder / path) for path in own.path]
            continue
        frames = clip_frames(source, own)
        for mark in _MARKS:
            column(f"{mark}_frame")[rows] = [str(clip.files[clip.nearest(getattr(clip, mark))]) for clip in frames]
    return found
