"""Clips whose action units do not determine their class: the same exact set also occurs with another class.

On such clips a method that recognises only the action units has to guess, so they show whether a method uses other
information.
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
    """Return for each clip whether its exact set of action units occurs with several classes, shape (n_clips,).

    Sets are compared within a dataset, since coders and their rules differ between datasets. Sides and intensities are
    dropped, and doubtful action units are excluded (:meth:`Coding.shown`). Clips whose action units are not annotated,
    unknown, or all doubtful, are never included.

    `clips` has ``dataset, subject, clip, aus``; action units as in the clip table, or as text (``""``: not annotated);
    `classes` is the class of each. Raises DataError for action units that cannot be parsed; names the clip.
    """
    groups = [(row.dataset, _shown(row)) for row in clips.itertuples()]
    found = defaultdict(set)
    for group, name in zip(groups, classes, strict=True):
        found[group].add(name)
    return np.array([bool(group[1]) and len(found[group]) > 1 for group in groups], dtype=bool)


def coding_of(aus: object) -> Coding | None:
    """Return the action units of a cell or a text; None if not annotated, ValueError with the reason if unreadable."""
    return aus if isinstance(aus, Coding) else read_coding(aus)


def _shown(row: object) -> frozenset[int]:
    aus = row.aus  # type: ignore[attr-defined]
    try:
        coding = coding_of(aus)
    except ValueError as error:
        raise DataError(
            f"action units {aus!r} of {clip_name(row)} can't be read: {error}; correct the sheet"
        ) from error
    return coding.shown() if coding else frozenset()
