import numpy as np
import pytest
from support.cases import each

from merbench.scoring.metrics import unweighted_f1, unweighted_recall
from merbench.scoring.permutation import (
    RESAMPLES,
    below_the_best,
    holm,
    permutation_tests,
    subject_swaps,
)


def made(rng, right, truth):
    """Return confusions (n_subjects, 3, 3) of a method that is right by chance `right`, else names any class."""
    chances = right * np.eye(3) + (1 - right) / 3
    return np.stack([rng.multinomial(clips, chances) for clips in truth])


@pytest.fixture
def truth():
    """Return how many clips of each class 20 subjects have."""
    return np.random.default_rng(3).integers(0, 5, (20, 3))


@pytest.fixture
def rows(truth):
    """Return three rows over the same clips, the first far better than the two others, which are alike."""
    rng = np.random.default_rng(4)
    return np.stack([made(rng, right, truth) for right in (0.85, 0.4, 0.4)])


def plainly(one, two, figure):
    """Count, resample by resample and subject by subject, how often swapped rows differ as much."""
    seen = abs(float(figure(one.sum(axis=0))) - float(figure(two.sum(axis=0))))
    extreme = 0
    for swaps in subject_swaps(len(one)):
        a, b = np.zeros_like(one[0]), np.zeros_like(two[0])
        for swapped, mine, yours in zip(swaps, one, two, strict=True):
            a = a + (yours if swapped else mine)
            b = b + (mine if swapped else yours)
        extreme += abs(float(figure(a)) - float(figure(b))) >= seen - 1e-9
    return (1 + extreme) / (1 + RESAMPLES)


def test_p_values_equal_a_loop_over_resamples_and_subjects(rows, monkeypatch):
    for figure in each((unweighted_f1, unweighted_recall)):
        monkeypatch.setattr("merbench.scoring.permutation.subject_swaps", lambda n, seed: fewer)  # noqa: B023
        monkeypatch.setitem(globals(), "subject_swaps", lambda n: fewer)  # noqa: B023
        monkeypatch.setitem(globals(), "RESAMPLES", 300)
        fewer = np.random.default_rng(8).integers(0, 2, (300, 20)).astype(float)
        found = permutation_tests(rows, figure)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert found[i, j] == found[j, i] == plainly(rows[i], rows[j], figure)
        assert found[1, 2] > 0.05 > found[0, 1]


def test_the_smallest_p_values_are_those_of_the_resamples(truth):
    rng = np.random.default_rng(1)
    right, wrong = made(rng, 1.0, truth), np.roll(made(rng, 1.0, truth), 1, axis=2)
    assert permutation_tests(np.stack([right, wrong]), unweighted_f1)[0, 1] == 1 / (1 + RESAMPLES)
    # All right against all wrong: of the 8 ways to swap, the one seen and its mirror image are as far from 0.
    rows = np.stack([np.diag([2, 2])] * 3 + [np.array([[0, 2], [2, 0]])] * 3).reshape(2, 3, 2, 2)
    assert permutation_tests(rows, unweighted_f1)[0, 1] == pytest.approx(0.25, abs=0.02)
    # One subject of twelve clips decides: whichever row has it is ahead, so that no swap is further from 0.
    one, two = np.zeros((2, 1, 2, 2), dtype=int)
    one[0], two[0] = np.diag([6, 6]), [[0, 6], [6, 0]]
    assert permutation_tests(np.stack([one, two]), unweighted_f1)[0, 1] == 1


def test_equal_rows_have_a_p_value_of_1(rows):
    assert permutation_tests(np.stack([rows[0], rows[0]]), unweighted_f1)[0, 1] == 1
    assert np.diagonal(permutation_tests(rows, unweighted_f1)).tolist() == [1, 1, 1]
    thirds = np.stack([rows[0] / 3, rows[1] / 3, rows[2] / 3])
    one, two = thirds[0] + thirds[1] + thirds[2], thirds[2] + thirds[1] + thirds[0]
    assert not np.array_equal(one, two)  # by rounding alone
    assert permutation_tests(np.stack([one, two]), unweighted_f1)[0, 1] == 1


def test_subjects_are_swapped_evenly_and_the_same_each_time():
    swaps = subject_swaps(20).copy()
    assert swaps.shape == (RESAMPLES, 20)
    assert set(np.unique(swaps)) == {0.0, 1.0}
    assert np.abs(swaps.mean(axis=0) - 0.5).max() < 0.025  # 5 standard errors
    assert np.abs(np.corrcoef(swaps.T) - np.eye(20)).max() < 0.06
    subject_swaps.cache_clear()
    np.testing.assert_array_equal(subject_swaps(20), swaps)


# Sorted: .01, .02, .03, .04; times 4, 3, 2, 1: .04, .06, .06, .04; never below the one before: .04, .06, .06, .06.
def test_holm_by_hand():
    for given, adjusted in each(
        [
            ([0.02, 0.04, 0.01, 0.03], [0.06, 0.06, 0.04, 0.06]),
            ([0.01, 0.01, 0.9], [0.03, 0.03, 0.9]),
            ([0.6, 0.7], [1.0, 1.0]),
            ([0.03], [0.03]),
            ([], []),
        ]
    ):
        assert holm(given).tolist() == pytest.approx(adjusted)


def test_the_best_row_is_adjusted_for_all_pairs(rows):
    p = permutation_tests(rows, unweighted_f1)
    pairs = holm([p[0, 1], p[0, 2], p[1, 2]])
    found = below_the_best(rows, 0, unweighted_f1)
    assert np.isnan(found[0])
    assert found[1:].tolist() == pairs[:2].tolist()
    assert np.nanmin(found) == pytest.approx(3 * min(p[0, 1], p[0, 2]))
    assert below_the_best(rows, 1, unweighted_f1)[[0, 2]].tolist() == pairs[[0, 2]].tolist()


def test_a_difference_can_be_significant_however_many_rows_there_are(truth):
    """33 rows have 528 pairs, and 528 / 10,001 is above .05: so pairs that may matter are drawn more often."""
    rng = np.random.default_rng(2)
    alike, far = made(rng, 0.6, truth), np.roll(made(rng, 1.0, truth), 1, axis=2)
    rows = np.stack([*[alike] * 32, far])
    p = permutation_tests(rows, unweighted_f1)
    assert (p[0, 1], p[0, 32]) == (1, 1 / 30_001)
    found = below_the_best(rows, 0, unweighted_f1)
    assert found[1:32].tolist() == [1] * 31
    assert found[32] == pytest.approx(528 / 30_001)
    assert found[32] < 0.05 < 528 / 10_001
    few = permutation_tests(rows[[0, 1, 32]], unweighted_f1)
    assert (few[0, 1], few[0, 2]) == (1, 1 / 10_001)


def test_equal_rows_differ_about_as_often_as_the_level_says(truth):
    rng = np.random.default_rng(6)
    found = [
        permutation_tests(np.stack([made(rng, 0.5, truth), made(rng, 0.5, truth)]), unweighted_f1)[0, 1]
        for _ in range(120)
    ]
    assert sum(p < 0.05 for p in found) <= 13  # 6 are expected; more than 13 have a chance below 1 in 300
    assert sum(p < 0.5 for p in found) >= 40  # 60 are expected
