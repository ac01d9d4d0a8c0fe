"""Clips and their inputs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

from merbench.api.arguments import check_columns, text
from merbench.cli.display import PreparationDisplay
from merbench.contracts.clips import CLIP_COLUMNS, IDENTITY, clip_names, clip_table
from merbench.contracts.databases import FrameDatabase, Source
from merbench.contracts.errors import DataError, MerbenchError, listed
from merbench.contracts.inputs import InputSpec
from merbench.contracts.yamlfiles import validated
from merbench.databases.registrations import open_source
from merbench.engine.plan.data import named_data
from merbench.prepare.arrays import prepare_inputs
from merbench.report.write.terminal import terminal

#: Columns that a frame of clips has in addition to those of the clip table: the database, and the folder of its copy.
COPY = ("data", "folder")


class _Asked(BaseModel, extra="forbid", frozen=True):
    """The inputs of a call."""

    inputs: dict[str, InputSpec]


def clips(data: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Read the clip table of a database.

    Parameters
    ----------
    data : str
        A registered database; ``synthetic-small`` or ``synthetic-full``, which are generated first if they are missing;
        several, joined by ``+``; or a folder with a copy of one.
    path : path, optional
        The folder of a copy of the database `data`, registered or not.

    Returns
    -------
    pandas.DataFrame
        A row per clip: ``dataset, subject, clip, emotion, onset, apex, offset, fps, aus, objective_class, path,
        apex_source``, see `merbench.contracts.clips.CLIP_COLUMNS`; and ``data, folder``, the database and the folder
        below which ``path`` is. Rows may be dropped, and annotations and other columns changed.

    Raises
    ------
    MerbenchError
        The database is unknown or not registered, or the copy is incomplete.

    Examples
    --------
    >>> import merbench as mb
    >>> clips = mb.clips("synthetic-small")
    >>> len(clips), clips.dataset.unique().tolist()
    (100, ['casme2', 'samm', 'smic-hs'])
    """
    data = text(data, "data", "the name of a database or a folder")
    if path is not None:
        where = Path(text(path, "path", "a folder")).expanduser()
        sources: tuple[Source, ...] = (open_source(data, where),)
    else:
        with _display() as watcher:
            sources = named_data(data, watcher=watcher).sources
    tables = [
        source.clips.assign(data=source.database.card.name, folder=str(source.folder.resolve())) for source in sources
    ]
    return pd.concat(tables, ignore_index=True)


def inputs(clips: pd.DataFrame, **kinds: Any) -> dict[str, npt.NDArray[Any]]:
    """Prepare inputs of clips, or take them from the store, as for the methods of ``merbench run``.

    Parameters
    ----------
    clips : pandas.DataFrame
        Rows of :func:`clips`; their onset, apex and offset count, not those of the annotation sheet.
    **kinds
        An input each, by its kind with underscores (``flow``, ``frames``, ``dynamic_image``, ``landmarks``,
        ``action_units``, ``clip_facts``): its settings that are not the defaults, as a mapping, ``{}`` for none; or a
        specification of :mod:`merbench.contracts.inputs`. Under another name, the settings include ``kind``.

    Returns
    -------
    dict
        Name -> array of shape (n_clips, ...), in the order of `clips`; an array of arrays where clips have different
        lengths (``frames={"count": None}``).

    Raises
    ------
    MerbenchError
        A column is missing, a clip is not in its database, a setting is invalid, or the data does not have the input.

    Examples
    --------
    >>> import merbench as mb
    >>> clips = mb.clips("synthetic-small").query("dataset == 'casme2'")
    >>> made = mb.inputs(clips, flow={"size": 14}, frames={"span": "onset", "count": 1})
    >>> made["flow"].shape, made["frames"].shape
    ((34, 14, 14, 3), (34, 1, 112, 112, 1))
    """
    if not kinds:
        raise MerbenchError("mb.inputs: name at least one input, such as flow={}")
    settings = {
        name: {"kind": name.replace("_", "-"), **value} if isinstance(value, Mapping) else value
        for name, value in kinds.items()
    }
    specs = validated(_Asked, {"inputs": settings}, "mb.inputs").inputs
    check_columns(clips, (*CLIP_COLUMNS, *COPY), "clips")
    clip_table(clips[list(CLIP_COLUMNS)], "clips")
    sources = copies_of(clips)
    for source in sources:
        own = clips[clips.dataset.isin(list(source.database.card.datasets))]
        for column in ("onset", "apex", "offset") if isinstance(source.database, FrameDatabase) else ():
            if (lacking := own[column].isna()).any():
                some = listed(clip_names(own[lacking]))
                raise DataError(f"clips: {column} is missing in {some}: fill it, or drop these clips")
    with _display() as watcher:
        found = prepare_inputs(sources, clips, specs, watcher)
    return {name: found[name].batch() for name in specs}


def copies_of(clips: pd.DataFrame) -> tuple[Source, ...]:
    """Open the copies of databases that clips come from; none for a frame without the columns of `COPY`.

    DataError if a clip is not in its copy.
    """
    if not set(COPY) <= set(clips.columns):
        return ()
    sources = []
    for (name, folder), own in clips.groupby(list(COPY), sort=True, dropna=False):
        if not isinstance(name, str) or not isinstance(folder, str):
            raise DataError(f"clips: data and folder must be text in {listed(clip_names(own))}: use rows of mb.clips")
        sources.append(open_source(name, Path(folder)))
        known = pd.MultiIndex.from_frame(sources[-1].clips[IDENTITY])
        strange = own[~pd.MultiIndex.from_frame(own[IDENTITY]).isin(known)]
        if len(strange):
            raise DataError(f"clips: {name} in {folder} has no clips {listed(clip_names(strange))}")
    return tuple(sources)


def _display() -> PreparationDisplay:
    return PreparationDisplay(terminal(stderr=True))
