"""Known errors of annotation sheets, as data: ``corrections.yaml`` beside this file, each with reason and source."""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from merbench.contracts.yamlfiles import load_yaml_model


class Correction(BaseModel):
    """One cell of an annotation sheet that is known to be wrong.

    Attributes
    ----------
    dataset, subject, clip : str
        The clip, normalised.
    column : {"onset", "apex", "offset"}
        What is wrong.
    value : int
        What it should be, in the sheet's own counter.
    reason, source : str
        How one knows, and from whom.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    subject: str
    clip: str
    column: Literal["onset", "apex", "offset"]
    value: int
    reason: str
    source: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    corrections: tuple[Correction, ...]


@cache
def known_corrections() -> tuple[Correction, ...]:
    """Return all corrections that merbench knows."""
    return load_yaml_model(Path(__file__).with_name("corrections.yaml"), _File).corrections


def corrections_for(
    identity: tuple[str, str, str], numbers: Mapping[str, int | None], frames: Collection[int]
) -> list[Correction]:
    """Return the corrections that hold for one clip as it lies on disk.

    Parameters
    ----------
    identity : tuple of str
        ``(dataset, subject, clip)``, normalised.
    numbers : mapping of str to int or None
        The sheet's ``onset``, ``apex`` and ``offset``; None where it gives none.
    frames : collection of int
        The numbers of the frames on disk.

    Returns
    -------
    list of Correction
        Those whose value is a frame on disk that keeps onset, value and offset in order, where the sheet says
        something else; an apex only where the sheet's is missing, outside the clip, or within a frame of the onset,
        which is what is wrong with the known ones: a copy that somebody else corrected is left as it is.
    """
    found = []
    for known in known_corrections():
        if (known.dataset, known.subject, known.clip) != identity or known.value not in frames:
            continue
        mended = {**numbers, known.column: known.value}
        ordered = [mended[column] for column in dict.fromkeys(("onset", known.column, "offset"))]
        present = [number for number in ordered if number is not None]
        if numbers[known.column] == known.value or present != sorted(present):
            continue
        if known.column != "apex" or _is_doubtful(**numbers):
            found.append(known)
    return found


def _is_doubtful(onset: int | None, apex: int | None, offset: int | None) -> bool:
    return onset is None or apex is None or offset is None or not onset + 1 < apex <= offset
