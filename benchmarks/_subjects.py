"""Simulated subjects with the clip counts and classes of real ones, and simulated predictions."""

from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = ("negative", "positive", "surprise")
LIST = Path(__file__).parents[1] / "protocols" / "lists" / "megc2019.csv"

#: Log odds of a method's predictions, (truth, prediction), without the effects of subjects.
#: They give a UF1 of about .86, .63 and .38.
METHODS = {
    "strong": 3.2 * np.eye(3) + np.array([0.6, 0, 0]),
    "middling": 1.6 * np.eye(3) + np.array([0.6, 0, 0]),
    "mostly negative": 0.4 * np.eye(3) + np.array([2.2, 0, 0]),
}
#: Standard deviations between subjects, in log odds: of the predicted classes, and of the accuracy.
BETWEEN = 0.8


def real_subjects() -> dict[str, np.ndarray]:
    """Return, by dataset, the clips of each class of each subject of MEGC 2019, shape (n_subjects, 3)."""
    clips = pd.read_csv(LIST, dtype=str)
    counted = pd.crosstab([clips.dataset, clips.subject], clips["class"])[list(CLASSES)]
    return {dataset: counted.loc[dataset].to_numpy() for dataset in counted.index.unique("dataset")}


def drawn(rng: np.random.Generator, pools: list[np.ndarray], sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Draw subjects: their clips by class, (n, 3), and their effects, (n, 3, 3), which methods share in part."""
    clips = np.concatenate([pool[rng.integers(len(pool), size=size)] for pool, size in zip(pools, sizes, strict=True)])
    return clips, _own(rng, len(clips))


def _own(rng: np.random.Generator, count: int) -> np.ndarray:
    return BETWEEN * (rng.normal(size=(count, 1, 3)) + rng.normal(size=(count, 1, 1)) * np.eye(3))


def answered(rng: np.random.Generator, clips: np.ndarray, own: np.ndarray, method: str, seeds: int = 1) -> np.ndarray:
    """Draw predictions of a method, (seeds, n, 3, 3); half of a subject's effect is common to all methods."""
    subjects = np.sqrt(0.5) * (own + _own(rng, len(clips)))
    odds = np.exp(METHODS[method] + subjects)
    chances = odds / odds.sum(axis=-1, keepdims=True)
    return np.stack([rng.multinomial(clips, chances) for _ in range(seeds)])
