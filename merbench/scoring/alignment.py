"""Similarity of two features: linear centred kernel alignment, CKA (Kornblith et al., ICML 2019).

A fold's diagnostics (``Method.diagnose``) are a mapping of names to arrays; an empty one is a fold without any, and is
skipped. Every fold has its own network, so features are never compared across folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Fold = Mapping[str, Array]

#: Minimum number of clips for the unbiased estimate.
LEAST_CLIPS = 4


@dataclass(frozen=True)
class Alignment:
    """Linear CKA over held-out clips.

    1: one feature is a rotation of the other, up to scale; near 0, of either sign: unrelated. Mean over seeds; NaN if a
    feature does not vary. `folds` were used, those `left_out` have fewer than four test clips; over all seeds.
    """

    cka: float
    folds: int
    left_out: int


def unbiased_hsic(first: Array, second: Array) -> float:
    """Estimate the Hilbert-Schmidt independence criterion of two features without bias, with linear kernels.

    HSIC_1 of Song et al. (JMLR 13, 2012), of at least four clips; shapes (n_clips, d), (n_clips, e). It may be
    negative; its mean is 0 for independent features.
    """
    n = len(first)
    if n < LEAST_CLIPS:
        raise ValueError(f"the unbiased estimate needs at least {LEAST_CLIPS} clips, not {n}")
    one, two = _gram(first), _gram(second)
    products = np.vdot(one, two)
    sums = one.sum() * two.sum() / ((n - 1) * (n - 2))
    rows = 2 / (n - 2) * (one.sum(axis=0) @ two.sum(axis=0))
    return float((products + sums - rows) / (n * (n - 3)))


def pooled_cka(seeds: Sequence[Sequence[Fold]], first: str, second: str) -> Alignment:
    """Compute linear CKA of two features over the held-out clips of all folds.

    The estimates of the folds are summed before they are divided, as for minibatches in Nguyen, Raghu and Kornblith
    (ICLR 2021), so small folds add no bias; the usual estimate is biased upwards, strongly with fewer clips than
    dimensions: about .2 for independent features of rank 8 on 32 clips::

        CKA = sum_f HSIC_1(K_f, L_f) / sqrt(sum_f HSIC_1(K_f, K_f) * sum_f HSIC_1(L_f, L_f))

    If each fold is one subject, CKA compares clips of the same person only. `seeds` are the diagnostics of the folds,
    one list per seed; `first` and `second` are names of features, ``motion`` for ``feature/motion``.
    """
    values, used, left_out = [], 0, 0
    for folds in seeds:
        pairs = [(fold[f"test/feature/{first}"], fold[f"test/feature/{second}"]) for fold in folds if fold]
        whole = [pair for pair in pairs if len(pair[0]) >= LEAST_CLIPS]
        used, left_out = used + len(whole), left_out + len(pairs) - len(whole)
        across, one, two = (sum(unbiased_hsic(pair[i], pair[j]) for pair in whole) for i, j in ((0, 1), (0, 0), (1, 1)))
        values.append(across / np.sqrt(one * two) if one > 0 and two > 0 else float("nan"))
    return Alignment(float(np.mean(values)), used, left_out)


def _gram(feature: Array) -> npt.NDArray[np.float64]:
    """Return the products of all pairs of different clips of the centred feature."""
    x = np.asarray(feature, dtype=np.float64)
    x = x - x.mean(axis=0)
    gram = x @ x.T
    np.fill_diagonal(gram, 0.0)
    return np.asarray(gram)
