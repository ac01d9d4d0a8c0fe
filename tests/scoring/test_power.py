"""Power: differences are planted as told, false alarms keep their rate, and a textbook formula agrees."""

import numpy as np
import pytest
from scipy.stats import norm

from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.permutation import permutation_tests
from merbench.scoring.power import RowPair, corrected, find_power, made_up, p_value, sample, smallest_difference

COUNTS = np.array([[60, 25, 15], [30, 20, 10]])


def drawn(seeds=(2, 1)):
    """Two rows over 160 clips of 18 people in two datasets, with some seeds each."""
    rng = np.random.default_rng(3)
    pairs = [made_up(COUNTS, (10, 8))(np.random.default_rng(0)) for _ in seeds]
    truth, person = pairs[0].truth, pairs[0].person
    rows = [
        np.where(rng.random((many, len(truth))) < 0.6, truth, rng.integers(0, 3, (many, len(truth)))) for many in seeds
    ]
    return RowPair(3, truth, person, (10, 8), *rows)


def confusions(pair, row):
    """Count each person's clips by a loop."""
    counts = np.zeros((sum(pair.sizes), 3, 3))
    for seed in row:
        for person, truth, given in zip(pair.person, pair.truth, seed, strict=True):
            counts[person, truth, given] += 1 / len(row)
    return counts


@pytest.mark.parametrize("difference", [0.0, 0.03, 0.2])
def test_planted_difference_is_exact_to_a_clip(difference):
    pair, rng = drawn(), np.random.default_rng(1)
    better = corrected(pair.one, pair, difference, rng)
    uf1 = [unweighted_f1(confusions(pair, row).sum(axis=0)) for row in (pair.one, better)]
    assert uf1[1] - uf1[0] == pytest.approx(difference, abs=0.02)  # a clip of the rarest class moves UF1 by more
    changed = (better != pair.one).any(axis=0)
    assert (better[:, changed] == pair.truth[changed]).all()
    found = ((np.vstack([pair.one, pair.two]) == pair.truth).any(axis=0))[changed]
    wrong = (pair.one != pair.truth).any(axis=0) & (np.vstack([pair.one, pair.two]) == pair.truth).any(axis=0)
    assert found.all() or changed.sum() > wrong.sum()


def test_too_large_a_difference_is_never_planted():
    assert corrected(drawn().one, drawn(), 0.9, np.random.default_rng(0)) is None
    assert np.isnan(find_power(lambda _: drawn(), 0.9, samples=5).power)


def test_sample_has_whole_people_of_each_dataset():
    pair = drawn()
    rows = sample(pair, 0.0, 1, np.random.default_rng(5))
    assert rows.shape == (2, 18, 3, 3)
    of_one, of_two = (
        {confusions(pair, [seed])[person].tobytes() for seed in row for person in range(18)}
        for row in (pair.one, pair.two)
    )
    for first, second in zip(*rows, strict=True):
        exchanged = first.tobytes() in of_two and second.tobytes() in of_one
        assert exchanged or (first.tobytes() in of_one and second.tobytes() in of_two)
    people = confusions(pair, pair.two).sum(axis=(1, 2))
    assert set(rows[0][:10].sum(axis=(1, 2))) <= set(people[:10])
    assert set(rows[0][10:].sum(axis=(1, 2))) <= set(people[10:])


@pytest.mark.parametrize("seeds", [1, 4])
def test_equal_rows_differ_no_more_often_than_the_level(seeds):
    pair = drawn((3, 2))
    assert find_power(lambda _: pair, 0.0, seeds, samples=600).power < 0.08  # 3 standard errors above .05
    assert find_power(made_up(COUNTS, (10, 8)), 0.0, samples=600).power == pytest.approx(0.05, abs=0.03)


def test_power_agrees_with_the_formula_of_mcnemars_test():
    """One clip a person, two classes of equal size: UF1 is nearly the accuracy, the test one of paired proportions."""
    people, difference, recall, agreement = 200, 0.1, 0.6, 0.5
    counts = np.array([[people // 2, people // 2]])
    clips = (np.repeat([0, 1], people // 2), np.arange(people))
    source = made_up(counts, (people,), recall, agreement, clips)
    discordant = 2 * (1 - agreement) * recall * (1 - recall)
    one, two = discordant / 2, discordant / 2 - difference  # corrected are those that the other row has right
    both = one + two
    formula = norm.cdf((difference * np.sqrt(people) - norm.isf(0.025) * np.sqrt(both)) / np.sqrt(both - difference**2))
    assert find_power(source, difference, samples=800).power == pytest.approx(formula, abs=0.08)


def test_p_value_is_that_of_the_permutation_test():
    pair = drawn((1, 1))
    rows = sample(pair, 0.05, 1, np.random.default_rng(2))
    many = permutation_tests(rows, unweighted_f1)[0, 1]
    assert p_value(rows) == pytest.approx(many, abs=0.04)


@pytest.mark.slow
def test_smallest_difference_is_found_with_four_of_five():
    source = made_up(COUNTS, (10, 8))
    smallest = smallest_difference(source, samples=300)
    assert find_power(source, smallest, samples=300).power >= 0.8
    assert find_power(source, smallest - 0.02, samples=300).power < 0.8
