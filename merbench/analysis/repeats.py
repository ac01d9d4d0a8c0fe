"""Runs of several seeds of a method whose card says that the seed changes nothing."""

from collections.abc import Iterable, Iterator

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.records.read import RecordedRun

_SAME_SCORE = 1e-5


def unlike(one: RecordedRun, repeats: Iterable[RecordedRun]) -> Iterator[str]:
    """Say which whole runs of further seeds predict otherwise, a line each."""
    for other in repeats:
        if one.mark is None or other.mark is None or other.mark.sha256 == one.mark.sha256:
            continue
        pair = [run.predictions.sort_values(IDENTITY, ignore_index=True) for run in (one, other)]
        columns = [name for name in pair[0].columns if name == "predicted" or name.startswith("score_")]
        if pair[0][IDENTITY].equals(pair[1][IDENTITY]) and (clips := _otherwise(*(each[columns] for each in pair))):
            seeds = f"{one.file.key.seed} and {other.file.key.seed}"
            yield f"its card says deterministic, but seeds {seeds} differ in the predictions for {clips} clips"


def _otherwise(one: pd.DataFrame, two: pd.DataFrame) -> int:
    """Count the clips with another class, or a score that differs by more than rounding and other machines explain."""
    scores = [name for name in one.columns if name != "predicted"]
    differ = (one[scores] - two[scores]).abs().gt(_SAME_SCORE).any(axis=1)
    return int((differ | (one.predicted != two.predicted if "predicted" in one.columns else False)).sum())
