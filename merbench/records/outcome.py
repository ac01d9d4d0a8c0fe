"""The outcome of one fold, wherever it was computed, before it is recorded."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.records.model import Failure


@dataclass(frozen=True)
class FoldOutcome:
    """The outcome of a fold: either predictions or a failure.

    `packages`, `hardware` and peaks of memory are those of the process that ran the fold, which may differ from the one
    that records it; `peak_gpu_memory_mb` is None on a CPU. `predictions` is a table of
    :func:`merbench.records.predictions.prediction_table`; `packed` the number of folds trained together, this one
    included; `isolated` that it was run without test labels, data and network in reach; `epochs_asked` that
    predictions after each epoch were requested; `undiagnosed` the reason for missing diagnostics; `read` the files that
    the method read from outside its folder -> SHA-256.

    `epochs`, (n_epochs, n_clips, n_outputs), are the scores of the test clips after each epoch, rows as in
    `predictions`; the last one is the end of training. `inner`, (n_epochs,), is the inner training by which the epoch
    was selected if it was: UF1 in 0..1 of the clips held out within the training fold after each epoch, pooled over
    their subjects; for AU detection the mean F1 of the action units. `diagnostics` has arrays ``test/<name>``, named as
    in :data:`merbench.contracts.diagnostics.DIAGNOSTIC_KINDS`, rows as in `predictions`; ``train/feature/<name>``, rows
    sorted by identity; and for either side, as text: ``<side>/dataset``, ``subject``, ``clip``, ``aus`` (empty if not
    annotated) and ``truth``.
    """

    fold: str
    clips: int
    train_clips: int
    seconds: dict[str, float]
    packages: dict[str, str] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    predictions: pd.DataFrame | None = None
    epochs: npt.NDArray[Any] | None = None
    inner: npt.NDArray[np.float64] | None = None
    diagnostics: dict[str, npt.NDArray[Any]] | None = None
    undiagnosed: str = ""
    failure: Failure | None = None
    packed: int = 1
    threads: int = 1
    device: str = "cpu"
    epochs_asked: bool = False
    isolated: bool = False

    @property
    def selected_epoch(self) -> int | None:
        """The first best epoch of the inner training, from 1."""
        return None if self.inner is None else int(np.argmax(self.inner)) + 1
