"""The share of training clips with each class or action unit: all that floor methods learn."""

from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.contracts.methods import Problem


def shares(labels: npt.NDArray[Any], problem: Problem) -> npt.NDArray[np.float64]:
    """Return the share of clips that show each output, shape (n_outputs,).

    `labels` are as in :class:`merbench.contracts.methods.TrainingData`. For an action unit it is the share among clips
    for which it is annotated; NaN if there are none.
    """
    if problem.task == "classification":
        return np.asarray(np.bincount(labels, minlength=len(problem.outputs)) / len(labels))
    known = (~np.isnan(labels)).sum(axis=0)
    found = np.full(len(known), np.nan)
    np.divide(np.nansum(labels, axis=0), known, out=found, where=known > 0)
    return found
