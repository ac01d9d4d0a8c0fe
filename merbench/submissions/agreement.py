"""How the predictions of a row and those of its method, run again, agree."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.records.read import RecordedRun
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.table import pooled_confusion

#: Committed scores have six decimals.
SIX_DECIMALS = 5.1e-7
#: Of the labels of the clips that are run again, so many agree within tolerance.
AGREE = 0.95
#: UF1 may differ by the spread over seeds, at least by this: deterministic rows have none.
SPREAD = 0.005


class _Agreement(NamedTuple):
    """How many clips were compared, have another label, the largest difference of scores, and of the row's UF1."""

    clips: int
    differ: int
    largest: float
    uf1: float

    def outcome(self, exact: float, spread: float) -> Literal["bitwise", "within tolerance", "differs"]:
        """Judge: scores equal within `exact`, else labels and UF1 within tolerance, else it differs."""
        if not self.differ and self.largest <= exact:
            return "bitwise"
        alike = 1 - self.differ / self.clips >= AGREE and self.uf1 <= max(SPREAD, spread)
        return "within tolerance" if alike else "differs"


def agreement(run: RecordedRun, again: pd.DataFrame) -> _Agreement:
    """Compare the predictions of folds that were run again with those of a run; ValueError where clips differ.

    Differences of scores are relative to the largest of a clip, if that is above 1. UF1 is that of the whole run with
    these folds in their place.
    """
    claimed = run.predictions
    both = claimed.merge(again, on=IDENTITY, suffixes=("", "_again"), how="inner", validate="one_to_one")
    if len(both) != len(again):
        raise ValueError(f"{len(again) - len(both)} clips are not in the run")
    names = [f"score_{output}" for output in run.file.outputs]
    one, two = both[names].to_numpy(float), both[[f"{name}_again" for name in names]].to_numpy(float)
    gap = np.abs(one - two).max(axis=1) / np.maximum(1.0, np.abs(one).max(axis=1))
    other = decided(both) != decided(both, "_again")
    uf1 = 0.0
    if other.any() and run.file.task == "classification":
        marked = claimed.merge(again[[*IDENTITY, "predicted"]], on=IDENTITY, how="left", suffixes=("", "_again"))
        mixed = claimed.assign(predicted=marked.predicted_again.fillna(marked.predicted).to_numpy())
        uf1 = abs(uf1_of(mixed, run) - uf1_of(claimed, run))
    return _Agreement(len(both), int(other.sum()), float(gap.max(initial=0.0)), uf1)


def decided(table: pd.DataFrame, ending: str = "") -> npt.NDArray[np.object_]:
    """Return what a table decides of each clip: its class, or which action units it shows."""
    if f"predicted{ending}" in table:
        return table[f"predicted{ending}"].to_numpy(dtype=object)
    names = [name for name in map(str, table) if name.startswith("score_") and name.endswith("_again") == bool(ending)]
    return np.array(["".join(map(str, row)) for row in (table[names].to_numpy(float) > 0).astype(int)], dtype=object)


def uf1_of(table: pd.DataFrame, run: RecordedRun) -> float:
    """Return UF1 of all predictions of a classification, over the classes that have clips."""
    return float(unweighted_f1(pooled_confusion(table, run.file.outputs)))


def spread_of(runs: list[RecordedRun]) -> float:
    """Return the standard deviation of UF1 over the seeds of a row; 0 for one seed."""
    if len(runs) < 2 or runs[0].file.task != "classification":
        return 0.0
    return float(np.std([uf1_of(run.predictions, run) for run in runs], ddof=1))
