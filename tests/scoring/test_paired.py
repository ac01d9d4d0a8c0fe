import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.errors import MerbenchError
from merbench.scoring.intervals import subject_draws, tail
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.paired import paired_difference, restricted
from merbench.scoring.table import part_scores, pooled_confusion, subject_confusions

CLASSES = ("negative", "positive", "surprise")


def made(right, seed=0, subjects=(16, 24, 28), clips=6, seeds=1, own=0.0):
    """Return predictions that are right by chance `right`, which a subject raises or lowers by up to `own`."""
    who = np.random.default_rng(99)
    rows = []
    for dataset, count in zip("abc", subjects, strict=True):
        for subject in range(count):
            shift = who.uniform(-own, own)
            truth = who.choice(CLASSES, clips, p=(0.6, 0.25, 0.15))
            rows += [(dataset, f"s{subject:02d}", f"c{i}", name, shift) for i, name in enumerate(truth)]
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "truth", "shift"])
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(seeds):
        guess = rng.choice(CLASSES, len(table))
        said = np.where(rng.random(len(table)) < right + table["shift"], table.truth, guess)
        tables.append(table.drop(columns="shift").assign(predicted=said))
    return tables


def test_the_difference_is_that_of_the_means_over_seeds():
    one, two = made(0.7, 1, seeds=3), made(0.4, 2, seeds=2)
    found = paired_difference(one, two, CLASSES)
    first, second = (part_scores(tables, CLASSES, {"full": "Full"})[0] for tables in (one, two))
    assert (found.uf1, found.uar) == pytest.approx((first.uf1 - second.uf1, first.uar - second.uar), abs=1e-12)
    assert found.clips == 68 * 6


def test_the_interval_equals_a_loop_over_draws_of_subjects():
    one, two = made(0.7, 1, seeds=2), made(0.5, 2, seeds=1)
    counts, datasets = subject_confusions([*one, *two], CLASSES)
    sizes = tuple(datasets.count(name) for name in "abc")
    values = []
    for draw in subject_draws(sizes):
        uf1 = [float(unweighted_f1(np.tensordot(draw, seed, axes=1))) for seed in counts]
        values.append((uf1[0] + uf1[1]) / 2 - uf1[2])
    found = paired_difference(one, two, CLASSES).uf1_interval
    assert (found.low, found.high) == pytest.approx(
        tuple(np.quantile(values, [tail(sizes), 1 - tail(sizes)])), abs=1e-12
    )


def test_a_planted_difference_has_an_interval_beyond_0():
    found = paired_difference(made(0.75, 3), made(0.45, 4), CLASSES)
    assert 0.1 < found.uf1_interval.low < found.uf1 < found.uf1_interval.high
    assert 0.1 < found.uar_interval.low < found.uar < found.uar_interval.high


def test_the_interval_of_equal_methods_mostly_covers_0():
    pairs = [(made(0.5, 2 * i + 10), made(0.5, 2 * i + 11)) for i in range(40)]
    found = [paired_difference(one, two, CLASSES).uf1_interval for one, two in pairs]
    covering = sum(interval.low <= 0 <= interval.high for interval in found)
    assert covering >= 34  # 38 are expected of 40; fewer than 34 have a chance below 2 %


def test_a_row_minus_itself_is_0_and_reversal_changes_the_sign():
    one = made(0.6, 5, seeds=2)
    found = paired_difference(one, [table.sample(frac=1, random_state=1) for table in one], CLASSES)
    assert (found.uf1, found.uf1_interval.low, found.uf1_interval.high) == (0, 0, 0)
    assert (found.uar, found.uar_interval.low, found.uar_interval.high) == (0, 0, 0)
    one, two = made(0.7, 1), made(0.5, 2)
    there, back = paired_difference(one, two, CLASSES), paired_difference(two, one, CLASSES)
    assert (back.uf1, back.uf1_interval.low, back.uf1_interval.high) == pytest.approx(
        (-there.uf1, -there.uf1_interval.high, -there.uf1_interval.low), abs=1e-12
    )


def test_common_subject_effects_do_not_widen_the_interval():
    one, two = made(0.5, 1, own=0.45, clips=20), made(0.5, 2, own=0.45, clips=20)
    paired = paired_difference(one, two, CLASSES).uf1_interval
    (first,), (second,) = (part_scores(tables, CLASSES, {"full": "Full"}) for tables in (one, two))
    apart = np.hypot(*(part.uf1_interval.high - part.uf1_interval.low for part in (first, second)))
    assert paired.high - paired.low < 0.8 * apart


def test_a_restriction_scores_its_clips_alone():
    one, two = made(0.7, 1), made(0.5, 2)
    only = {("a", f"s{i:02d}", "c1") for i in range(16)} | {("b", "s03", "c2"), ("c", "nobody", "c0")}
    found = paired_difference(one, two, CLASSES, only)
    kept = [restricted(table, only) for table in (*one, *two)]
    assert [len(table) for table in kept] == [17, 17]
    first, second = (float(unweighted_f1(pooled_confusion(table, CLASSES))) for table in kept)
    assert (found.clips, found.uf1) == (17, pytest.approx(first - second, abs=1e-12))
    found = paired_difference(one, two, CLASSES, set())
    assert found.clips == 0
    assert np.isnan([found.uf1, found.uar, found.uf1_interval.low, found.uar_interval.high]).all()


def test_rows_with_different_clips_or_classes_are_refused():
    (one,), (two,) = made(0.7, 1), made(0.5, 2)
    other = two.copy()
    other.loc[7, "truth"] = "surprise" if two.truth[7] != "surprise" else "negative"
    for rows, others, message in (
        ([one], [two.iloc[2:]], r"different clips .* a/s00/c0, a/s00/c1$"),
        ([one, one.iloc[1:]], [two], r"a/s00/c0$"),
        ([one], [other], r"different classes .* a/s01/c1$"),
    ):
        with pytest.raises(MerbenchError, match=message):
            paired_difference(rows, others, CLASSES)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 10_000))
def test_a_difference_and_its_interval_are_within_1(first, second, seed):
    sizes = (3, 1, 2)
    one, two = (made(0.5, seed + i, subjects=sizes, clips=4, seeds=n) for i, n in enumerate((first, second)))
    found = paired_difference(one, two, CLASSES)
    assert -1 <= found.uf1_interval.low <= found.uf1_interval.high <= 1
    assert -1 <= found.uf1 <= 1
