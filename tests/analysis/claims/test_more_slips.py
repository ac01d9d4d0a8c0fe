"""Slips of more than three classes, and means over folds: what is drawn is found, and what is excluded is not there."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from support.cases import each

from merbench.analysis.claims.claim import Claim, read_figure
from merbench.analysis.claims.fold_means import means_over_folds
from merbench.analysis.claims.many_classes import (
    f1_of_means_of_many,
    linear_of_many,
    mean_over_runs_of_many,
    over_predicted_of_many,
)
from merbench.analysis.claims.matrices import deadline_in
from merbench.analysis.claims.scores import ACCURACY, F1, PRECISION, RECALL, WEIGHTED_F1
from merbench.analysis.claims.slips import try_slips

COUNTS = (6, 9, 4, 7, 5)


def printed(values, digits=3):
    return {name: (Fraction(round(value * 10**digits), 10**digits), digits) for name, value in values.items()}


def claim_of(counts, values, digits=3):
    return Claim({str(k): n for k, n in enumerate(counts)}, printed(values, digits))


def table(counts, rng, never=None):
    """Draw a matrix, and return what may be taken for its figures."""
    shares = [rng.dirichlet(np.where(np.arange(len(counts)) == k, 4, 0.6)) for k in range(len(counts))]
    for share in shares:
        if never is not None:
            share[never] = 0
    matrix = np.array([rng.multinomial(n, p / p.sum()) for n, p in zip(counts, shares, strict=True)])
    right, n, c = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1, recall, precision = 2 * right / (n + c), right / n, right / np.maximum(c, 1)
    both = precision.mean() + recall.mean()
    return {"uf1": f1.mean(), "uar": recall.mean(), "acc": right.sum() / n.sum(), "precision": precision.mean(),
            "weighted": (n * f1).sum() / n.sum(), "of_means": 2 * precision.mean() * recall.mean() / both}  # fmt: skip


def fits(slip, claim, seconds=20):
    return slip(claim, "rounded", deadline_in(seconds))


def test_computations_over_five_classes_are_found():
    slips = [
        (linear_of_many(uf1=F1, uar=PRECISION), "uf1", "precision"),
        (linear_of_many(uf1=WEIGHTED_F1, uar=RECALL), "weighted", "uar"),
        (linear_of_many(uf1=WEIGHTED_F1, uar=ACCURACY), "weighted", "acc"),
        (f1_of_means_of_many, "of_means", "uar"),
    ]
    rng = np.random.default_rng(1)
    for slip, one, two in each(slips):
        found = table(COUNTS, rng)
        assert fits(slip, claim_of(COUNTS, {"uf1": found[one], "uar": found[two]})) is True
    fewer = table(COUNTS, rng, never=2)
    assert fits(over_predicted_of_many, claim_of(COUNTS, {"uf1": fewer["uf1"] * 5 / 4, "uar": fewer["uar"]}))
    means = [np.mean([table(COUNTS, rng)[name] for _ in range(9)]) for name in ("uf1", "uar")]
    assert fits(mean_over_runs_of_many, claim_of(COUNTS, dict(zip(("uf1", "uar"), means, strict=True)), 6))


def test_what_no_bound_excludes_is_undecided():
    high, near = claim_of(COUNTS, {"uf1": 0.95, "uar": 0.5}), claim_of(COUNTS, {"uf1": 0.05, "uar": 0.99})
    slips = (linear_of_many(uf1=F1, uar=PRECISION), mean_over_runs_of_many, over_predicted_of_many,
             means_over_folds([(1, 2, 1, 2, 1), (5, 7, 3, 5, 4)]))  # fmt: skip
    for slip in each(slips[:2] + slips[3:]):
        assert fits(slip, high) is False  # UF1 is 2 R / (1 + R) at most
    for slip in each(slips):
        with pytest.raises(TimeoutError):
            fits(slip, near, 0.05)
    no_share = Claim(near.counts, near.printed | {"acc": read_figure("acc", ".5001")})
    assert fits(slips[0], no_share) is False  # no number of 31 clips
    answers = {slip.name: slip.fits for slip in try_slips(no_share, trials=0)}
    assert answers["weighted F1 in place of UF1"] is False
    assert answers["mean over the classes that are predicted, and one is not"] is False


def means_by_loop(folds, matrices, classes):
    """Compute UF1 and UAR of each fold by a straight loop, and return their means."""
    found = []
    for fold, matrix in zip(folds, matrices, strict=True):
        f1, recall = [], []
        for k, n in enumerate(fold):
            said = sum(row[k] for row in matrix)
            if classes == "all" or n or (classes == "seen" and said):
                f1.append(2 * matrix[k][k] / (n + said) if n + said else 0)
                recall.append(matrix[k][k] / n if n else 0)
        found.append((np.mean(f1), np.mean(recall)))
    return np.mean(found, axis=0)


def test_means_over_folds_are_found_in_each_way_to_count_classes():
    folds = [(2, 1, 0), (0, 3, 1), (1, 1, 1), (4, 0, 2)]
    rng = np.random.default_rng(3)
    slip = means_over_folds(folds)
    for classes, turn in each(product(("true", "seen", "all"), range(3))):
        matrices = [[rng.multinomial(n, (0.4, 0.3, 0.3)).tolist() for n in fold] for fold in folds]
        uf1, uar = means_by_loop(folds, matrices, classes)
        claim = claim_of((7, 5, 4), {"uf1": uf1, "uar": uar})
        assert fits(slip, claim) is True, (classes, turn)
        right = sum(matrix[k][k] for matrix in matrices for k in range(3))
        pooled = claim_of((7, 5, 4), {"uf1": uf1, "uar": uar, "acc": right / 16}, 2)
        assert fits(slip, pooled) is True, (classes, turn)
