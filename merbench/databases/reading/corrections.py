"""Known errors of annotation sheets, as data: ``corrections.yaml`` in this folder, each with reason and source."""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from merbench.contracts.yamlfiles import load_yaml_model


class _Correction(BaseModel, extra="forbid", frozen=True):
    """One cell of an annotation sheet with a known error: the clip, normalised, the correct frame, the evidence."""

    dataset: str
    subject: str
    clip: str
    column: Literal["onset", "apex", "offset"]
    value: int
    reason: str
    source: str


class _File(BaseModel, extra="forbid", frozen=True):
    corrections: tuple[_Correction, ...]


@cache
def known_corrections() -> tuple[_Correction, ...]:
    """Return all known corrections."""
    return load_yaml_model(Path(__file__).with_name("corrections.yaml"), _File).corrections


def corrections_for(
    identity: tuple[str, str, str], numbers: Mapping[str, int | None], frames: Collection[int]
) -> list[_Correction]:
    """Return the corrections that apply to the clip ``(dataset, subject, clip)``, normalised, of a copy.

    `numbers` are the sheet's ``onset``, ``apex`` and ``offset``, None for missing ones; `frames` those on disk. A
    correction applies if its value differs from the sheet's, is a frame on disk, and keeps onset, value and offset in
    order; that of an apex only where the sheet's is missing, outside the clip, or within a frame of the onset, as in
    all known errors: copies that were corrected already are not changed.
    """
    found = []
    for known in known_corrections():
        if (known.dataset, known.subject, known.clip) != identity or known.value not in frames:
            continue
        corrected = {**numbers, known.column: known.value}
        ordered = [corrected[column] for column in dict.fromkeys(("onset", known.column, "offset"))]
        present = [number for number in ordered if number is not None]
        if numbers[known.column] == known.value or present != sorted(present):
            continue
        if known.column != "apex" or _is_doubtful(**numbers):
            found.append(known)
    return found


def _is_doubtful(onset: int | None, apex: int | None, offset: int | None) -> bool:
    return onset is None or apex is None or offset is None or not onset + 1 < apex <= offset
