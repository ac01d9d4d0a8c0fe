import numpy as np
import pytest
from support.cases import each

from merbench.scoring.intervals import RESAMPLES, bootstrap_intervals, subject_draws, tail
from merbench.scoring.metrics import accuracy, unweighted_f1, unweighted_recall


@pytest.fixture
def ordinary():
    """Return the confusions of 3 seeds and 12 subjects of two datasets, right in most cases."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 3, (3, 12, 3, 3)) + 4 * np.eye(3, dtype=int) * rng.integers(0, 2, (3, 12, 1, 1)), (7, 5)


def bootstrap_interval(*given):
    return bootstrap_intervals(*given)[0]


def _plain_uf1(matrix) -> float:
    """Compute UF1 class by class."""
    found = []
    for c in range(len(matrix)):
        hits, missed = matrix[c][c], sum(matrix[c]) - matrix[c][c]
        wrong = sum(row[c] for row in matrix) - matrix[c][c]
        if hits + missed:
            found.append(2 * hits / (2 * hits + wrong + missed))
    return sum(found) / len(found)


def test_an_interval_equals_a_loop_over_resamples(ordinary):
    by_subject, sizes = ordinary
    values = []
    for draw in subject_draws(sizes):
        of_seeds = []
        for seed in by_subject:
            pooled = [[0] * 3 for _ in range(3)]
            for times, matrix in zip(draw.tolist(), seed.tolist(), strict=True):
                pooled = [
                    [a + times * b for a, b in zip(*rows, strict=True)] for rows in zip(pooled, matrix, strict=True)
                ]
            of_seeds.append(_plain_uf1(pooled))
        values.append(sum(of_seeds) / len(of_seeds))
    assert len(values) == RESAMPLES
    found = bootstrap_interval(by_subject, sizes, unweighted_f1)
    assert (found.low, found.high) == pytest.approx(
        tuple(np.quantile(values, [tail(sizes), 1 - tail(sizes)])), abs=1e-12
    )


# 12 subjects of 2 datasets have 10 degrees of freedom: sqrt(12/10) * 2.2281 = 2.4408, and a normal variable is below
# -2.4408 with probability .00733; so sqrt(68/65) * 1.9971 = 2.0427 and .02054.
def test_the_fewer_subjects_the_further_out_are_the_ends():
    for sizes, expected in each(
        [((7, 5), 0.00733), ((16, 24, 28), 0.02054), ((16,), 0.01385), ((1, 7, 1, 5), 0.00733), ((90_000,), 0.0250)]
    ):
        assert tail(sizes) == pytest.approx(expected, abs=1e-5)
    assert tail((2,)) < 1 / RESAMPLES**2  # of two subjects the ends are the outermost draws


def test_draws_keep_the_number_of_subjects_of_each_dataset():
    sizes = (3, 1, 5)
    draws = subject_draws(sizes)
    assert draws.shape == (RESAMPLES, 9)
    assert draws.min() == 0
    for part, size in zip(np.split(draws, [3, 4], axis=1), sizes, strict=True):
        assert set(part.sum(axis=1).tolist()) == {size}
    draws = subject_draws((16, 24, 28)).copy()
    assert np.abs(draws.mean(axis=0) - 1).max() < 0.12  # 5 standard errors of a mean of 2000 draws
    assert len(np.unique(draws, axis=0)) == RESAMPLES
    subject_draws.cache_clear()
    np.testing.assert_array_equal(subject_draws((16, 24, 28)), draws)
    assert not np.array_equal(subject_draws((16, 24, 28), seed=1), draws)


def test_an_interval_holds_its_figure_and_is_the_same_each_time(ordinary):
    for figure in each((unweighted_f1, unweighted_recall, accuracy)):
        by_subject, sizes = ordinary
        found = bootstrap_interval(by_subject, sizes, figure)
        point = figure(by_subject.sum(axis=1)).mean()
        assert 0 <= found.low < point < found.high <= 1
        subject_draws.cache_clear()
        assert bootstrap_interval(by_subject, sizes, figure) == found


def test_subjects_that_are_all_alike_leave_nothing_open():
    one = np.array([[3, 1, 0], [0, 2, 1], [1, 0, 4]])
    found = bootstrap_interval(np.tile(one, (2, 6, 1, 1)), (4, 2), unweighted_f1)
    assert (found.low, found.high) == pytest.approx((_plain_uf1(one.tolist()),) * 2, abs=1e-12)


def test_one_subject_a_dataset_or_none_gives_no_interval(ordinary):
    none = np.zeros((2, 0, 3, 3), dtype=int)
    for by_subject, sizes in ((ordinary[0][:, :2], (1, 1)), (none, ())):
        found = bootstrap_interval(by_subject, sizes, unweighted_f1)
        assert np.isnan([found.low, found.high]).all(), sizes


def test_datasets_do_not_lend_each_other_subjects():
    # Everybody of the first dataset is right, nobody of the second: within datasets every draw has the same accuracy.
    right, wrong = np.diag([2, 2]), np.array([[0, 2], [2, 0]])
    by_subject = np.array([[right] * 3 + [wrong] * 3])
    apart, together = (bootstrap_interval(by_subject, sizes, accuracy) for sizes in ((3, 3), (6,)))
    assert (apart.low, apart.high) == (0.5, 0.5)
    assert together.low < 0.5 < together.high


def test_all_seeds_of_a_subject_are_drawn_together():
    # What one seed gets right the other gets wrong: drawn together, the mean over seeds is always a half.
    right, wrong = np.diag([2, 2]), np.array([[0, 2], [2, 0]])
    both = np.array([[right, wrong, right, wrong], [wrong, right, wrong, right]])
    found, single = bootstrap_interval(both, (4,), accuracy), bootstrap_interval(both[:1], (4,), accuracy)
    assert (found.low, found.high) == (0.5, 0.5)
    assert single.low < 0.5 < single.high


def test_more_subjects_make_a_narrower_interval(ordinary):
    by_subject, sizes = ordinary
    few = bootstrap_interval(by_subject, sizes, unweighted_f1)
    many = bootstrap_interval(np.tile(by_subject, (1, 4, 1, 1)), (7, 5) * 4, unweighted_f1)
    assert many.high - many.low < 0.7 * (few.high - few.low)
