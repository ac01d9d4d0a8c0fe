"""Clips whose action units do not tell their class: the same exact set occurs with another class too.

On such clips a method that sees no more than which action units are shown can only guess, so they are where anything
that looks further has to prove itself.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import Coding, read_coding
from merbench.contracts.clips import clip_name
from merbench.contracts.errors import DataError


def same_units(clips: pd.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Say of each clip whether its exact set of action units occurs with several classes.

    Sets are compared within a dataset, since coders and their rules differ between datasets. Sides and intensities are
    dropped, and units that are only possible are left out (:meth:`Coding.shown`). A clip whose action units are not
    annotated, not known, or none of them certain, is never among them.

    Parameters
    ----------
    clips : DataFrame
        ``dataset, subject, clip, aus``; action units as the clip table has them, or as text (``""``: not annotated).
    classes : sequence of str
        The class of each clip.

    Returns
    -------
    ndarray of bool, shape (n_clips,)

    Raises
    ------
    DataError
        Action units that can't be read; names the clip.
    """
    groups = [(row.dataset, _shown(row)) for row in clips.itertuples()]
    found = defaultdict(set)
    for group, name in zip(groups, classes, strict=True):
        found[group].add(name)
    return np.array([bool(group[1]) and len(found[group]) > 1 for group in groups], dtype=bool)


def coding_of(aus: object) -> Coding | None:
    """Return the action units of a cell, from a clip table or as text; None where they are not annotated.

    Raises
    ------
    ValueError
        Text that can't be read; says why in a few words.
    """
    return aus if isinstance(aus, Coding) else read_coding(aus)


def _shown(row: object) -> frozenset[int]:
    aus = row.aus  # type: ignore[attr-defined]
    try:
        coding = coding_of(aus)
    except ValueError as error:
        raise DataError(f"action units {aus!r} of {clip_name(row)} can't be read: {error}; mend the sheet") from error
    return coding.shown() if coding else frozenset()
