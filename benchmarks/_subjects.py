"""Made-up subjects with the clip counts and classes of real ones, answered by a made-up method."""

from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = ("negative", "positive", "surprise")
LIST = Path(__file__).parents[1] / "protocols" / "lists" / "megc2019.csv"

#: Log odds of what a method says of a clip, (truth, said), beyond what is the subject's own.
#: They give a UF1 of about .86, .63 and .38.
METHODS = {
    "strong": 3.2 * np.eye(3) + np.array([0.6, 0, 0]),
    "middling": 1.6 * np.eye(3) + np.array([0.6, 0, 0]),
    "mostly negative": 0.4 * np.eye(3) + np.array([2.2, 0, 0]),
}
#: How far subjects differ, in log odds: in what is said of them, and in how well they are read.
BETWEEN = 0.8


def real_subjects() -> dict[str, np.ndarray]:
    """Return, by dataset, the clips of each class that each subject of MEGC 2019 has, shape (n_subjects, 3)."""
    clips = pd.read_csv(LIST, dtype=str)
    counted = pd.crosstab([clips.dataset, clips.subject], clips["class"])[list(CLASSES)]
    return {dataset: counted.loc[dataset].to_numpy() for dataset in counted.index.unique("dataset")}


def drawn(rng: np.random.Generator, pools: list[np.ndarray], sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Draw subjects: their clips by class, (n, 3), and what is their own, (n, 3, 3), which methods share in part."""
    clips = np.concatenate([pool[rng.integers(len(pool), size=size)] for pool, size in zip(pools, sizes, strict=True)])
    return clips, _own(rng, len(clips))


def _own(rng: np.random.Generator, count: int) -> np.ndarray:
    return BETWEEN * (rng.normal(size=(count, 1, 3)) + rng.normal(size=(count, 1, 1)) * np.eye(3))


def answered(rng: np.random.Generator, clips: np.ndarray, own: np.ndarray, method: str, seeds: int = 1) -> np.ndarray:
    """Let a method answer, (seeds, n, 3, 3); half of what is a subject's own is so for all methods."""
    subjects = np.sqrt(0.5) * (own + _own(rng, len(clips)))
    odds = np.exp(METHODS[method] + subjects)
    chances = odds / odds.sum(axis=-1, keepdims=True)
    return np.stack([rng.multinomial(clips, chances) for _ in range(seeds)])
