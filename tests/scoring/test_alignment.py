from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.scoring.alignment import pooled_cka, unbiased_hsic


def feature(rng, clips=32, dimensions=256, rank=8):
    """Draw a feature of low rank, and a little noise."""
    low = rng.normal(size=(clips, rank)) @ rng.normal(size=(rank, dimensions))
    return low + 0.1 * rng.normal(size=(clips, dimensions))


def rotation(rng, dimensions):
    return np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0]


def ordinary_cka(one, two):
    x, y = one - one.mean(axis=0), two - two.mean(axis=0)
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def unbiased_cka(one, two):
    return unbiased_hsic(one, two) / np.sqrt(unbiased_hsic(one, one) * unbiased_hsic(two, two))


def folds_of(*pairs):
    return [{"test/feature/motion": one, "test/feature/emotion": two} for one, two in pairs]


def test_the_estimate_ignores_rotation_and_needs_variation():
    rng = np.random.default_rng(0)
    one = feature(rng)
    turned = 3 * one @ rotation(rng, 256) + 5
    assert unbiased_cka(one, turned) == pytest.approx(1)
    for clips in (0, 2, 8):
        constant, other = np.ones((clips, 4)), feature(rng, clips)
        assert np.isnan(pooled_cka([folds_of((constant, other))], "motion", "emotion").cka)
    with pytest.raises(ValueError, match="at least 4 clips, not 3"):
        unbiased_hsic(np.ones((3, 2)), np.ones((3, 2)))


def test_only_the_ordinary_estimate_is_biased():
    rng = np.random.default_rng(1)
    pairs = [(feature(rng), feature(rng)) for _ in range(60)]
    assert np.mean([ordinary_cka(*pair) for pair in pairs]) == pytest.approx(0.2, abs=0.03)
    assert np.mean([unbiased_cka(*pair) for pair in pairs]) == pytest.approx(0, abs=0.03)


def test_the_unbiased_estimate_is_the_mean_over_quadruples():
    """Song et al.: the U-statistic of the kernel h over all ordered quadruples of different clips."""
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    k, m = one @ one.T, two @ two.T
    terms = [k[a, b] * (m[a, b] + m[c, d] - 2 * m[a, c]) for a, b, c, d in permutations(range(6), 4)]
    assert unbiased_hsic(one, two) == pytest.approx(np.mean(terms), rel=1e-10)


@given(st.integers(4, 20), st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_cka_is_symmetric_and_invariant(clips, d, e, seed):
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(clips, d)), rng.normal(size=(clips, e))
    moved = 7 * one @ rotation(rng, d) - 100
    assert unbiased_hsic(two, one) == pytest.approx(unbiased_hsic(one, two), abs=1e-9)
    assert unbiased_hsic(moved, two) == pytest.approx(49 * unbiased_hsic(one, two), abs=1e-9)


def test_folds_are_summed_first_and_seeds_averaged():
    rng = np.random.default_rng(4)
    pairs = [(feature(rng, n), feature(rng, n)) for n in (4, 5, 9)]
    across, one, two = (sum(unbiased_hsic(pair[i], pair[j]) for pair in pairs) for i, j in ((0, 1), (0, 0), (1, 1)))
    found = pooled_cka([folds_of(*pairs)], "motion", "emotion")
    assert found.cka == pytest.approx(across / np.sqrt(one * two))
    tiny = [(feature(rng, n), feature(rng, n)) for n in (1, 3)]
    counted = pooled_cka([[*folds_of(*pairs, *tiny), {}]], "motion", "emotion")  # {}: without diagnostics
    assert (counted.cka, counted.folds, counted.left_out) == (found.cka, 3, 2)
    other = pooled_cka([folds_of(*pairs[:2])], "motion", "emotion")
    both = pooled_cka([folds_of(*pairs), folds_of(*pairs[:2])], "motion", "emotion")
    assert both.cka == pytest.approx(np.mean([found.cka, other.cka]))
    assert both.folds == 5


def test_small_folds_each_with_a_net_of_its_own_add_no_bias():
    rng = np.random.default_rng(5)
    sizes = rng.integers(4, 14, size=68)
    apart = [(feature(rng, n, 64), feature(rng, n, 64)) for n in sizes]
    turned = [(one, one @ rotation(rng, 64)) for one, _ in apart]
    assert abs(pooled_cka([folds_of(*apart)], "motion", "emotion").cka) < 0.1
    assert pooled_cka([folds_of(*turned)], "motion", "emotion").cka == pytest.approx(1)
    assert np.mean([ordinary_cka(*pair) for pair in apart]) > 0.4
