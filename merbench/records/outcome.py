"""What came of one fold, wherever it was computed, before it is written down."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.records.model import Failure


@dataclass(frozen=True)
class InnerTraining:
    """What training on a part of the training fold told of its epochs.

    Attributes
    ----------
    uf1 : ndarray of float, shape (n_epochs,)
        Of the clips held out, after each epoch, pooled over their subjects; the mean F1 of the action units for AU
        detection. In 0..1.
    """

    uf1: npt.NDArray[np.float64]

    @property
    def epoch(self) -> int:
        """The first best epoch, from 1."""
        return int(np.argmax(self.uf1)) + 1


@dataclass(frozen=True)
class FoldOutcome:
    """What came of a fold: predictions, or a failure; never both.

    Attributes
    ----------
    packages, hardware, peak_memory_mb
        Of the process that ran the fold, which need not be the one that records it.
    peak_gpu_memory_mb : float, optional
        Of the fold on its GPU; none on a CPU.
    predictions : DataFrame, optional
        See :func:`merbench.records.predictions.prediction_table`.
    epochs : ndarray, optional
        Scores of the test clips after each epoch, shape (n_epochs, n_clips, n_outputs), rows as in `predictions`.
        Training ended with the last of them.
    inner : InnerTraining, optional
        What the epoch that counts was selected by, where it was.
    undiagnosed : str
        Why there are no diagnostics, though they were asked for.
    packed : int
        How many folds were trained together, this one among them.
    threads, device
        What the fold was computed with.
    epochs_asked : bool
        Predictions after each epoch were to be kept, if the method reports its epochs.
    diagnostics : dict of str to ndarray, optional
        ``test/<name>``: arrays named as in :data:`merbench.contracts.diagnostics.DIAGNOSTIC_KINDS`, rows
        as in `predictions`. ``train/feature/<name>``: rows sorted by identity. For either side, as text:
        ``<side>/dataset``, ``subject``, ``clip``, ``aus`` (empty where they are not annotated) and ``truth``.
    """

    fold: str
    clips: int
    train_clips: int
    seconds: dict[str, float]
    packages: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    predictions: pd.DataFrame | None = None
    epochs: npt.NDArray[Any] | None = None
    inner: InnerTraining | None = None
    diagnostics: dict[str, npt.NDArray[Any]] | None = None
    undiagnosed: str = ""
    failure: Failure | None = None
    packed: int = 1
    threads: int = 1
    device: str = "cpu"
    epochs_asked: bool = False
