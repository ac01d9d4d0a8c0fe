"""Weights by which all classes count alike in a loss."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def balanced_weights(labels: npt.NDArray[np.integer[Any]], classes: int) -> Tensor:
    """Return a weight for each class: clips / (classes that occur x clips of the class), 0 for one without clips.

    float32, shape (classes,), with mean 1 over the clips; as scikit-learn's ``class_weight="balanced"``.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)) * (counts > 0)
    return torch.tensor(weights, dtype=torch.float32)
