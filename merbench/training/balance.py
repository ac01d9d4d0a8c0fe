"""Balance: weights by which all classes count alike in a loss, or clips repeated."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Labels = npt.NDArray[np.integer[Any]]


def balanced_weights(labels: Labels, classes: int) -> Tensor:
    """Return a weight for each class: clips / (classes that occur x clips of the class), 0 for one without clips.

    float32, shape (classes,), with mean 1 over the clips; as scikit-learn's ``class_weight="balanced"``.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)) * (counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def oversampled(labels: Labels, times: float, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return rows of clips, ascending and repeated, until each class has `times` the clips of the smallest.

    Clips of a class are repeated alike, but for a remainder that `rng` draws; no clip is missing.
    """
    counts = np.bincount(labels)
    wanted = round(times * int(counts[counts > 0].min()))
    found = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        whole, rest = divmod(max(wanted, len(own)), len(own))
        found += [np.repeat(own, whole), rng.choice(own, rest, replace=False)]
    return np.sort(np.concatenate(found))
