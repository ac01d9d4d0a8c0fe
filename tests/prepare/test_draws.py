import numpy as np
import pytest

from merbench.prepare.draws import drawn_pairs, drawn_positions, windows


def test_windows_are_those_of_mmnets_code():
    for rise in range(400):
        onset, apex, offset = 17, 17 + rise, 17 + 2 * rise + 5
        first = int(0.15 * (apex - onset) / 4)
        found = windows(onset, apex, offset, (0, 0.15 / 4), (0.15 / 4, 0))
        assert found == (range(onset, onset + first + 1), range(apex - first, apex + 1)), rise
        # The script for three classes: a longer window of the onset, and apexes after the annotated one.
        after = int(0.15 * (offset - apex) / 4)
        found = windows(onset, apex, offset, (0, 0.2 / 4), (0.15 / 4, 0.15 / 4))
        assert found == (
            range(onset, onset + int(0.2 * (apex - onset) / 4) + 1), range(apex - first, apex + after + 1)
        ), rise  # fmt: skip
    assert [len(each) for each in windows(0, 26, 50, (0, 0.15 / 4), (0.15 / 4, 0))] == [1, 1]
    assert [len(each) for each in windows(0, 30, 50, (0, 0.15 / 4), (0.15 / 4, 0))] == [2, 2]
    assert windows(10, 40, 50, (0.1, 0.1), (0.1, 0.1)) == (range(7, 14), range(37, 42))
    assert windows(9, 9, 9, (0.4, 0.4), (0.4, 1)) == (range(9, 10), range(9, 10))
    assert windows(9, 4, 2, (0.4, 0.4), (0.4, 1)) == (range(9, 10), range(4, 5))  # odd annotation


def test_pairs_are_all_or_a_sample_that_depends_on_the_clip():
    onsets, apexes = range(10, 13), range(30, 33)
    found = drawn_pairs(onsets, apexes, (10, 32), 9, "casme2/sub01/a")
    assert found[0] == (10, 32)
    assert sorted(found) == [(onset, apex) for onset in onsets for apex in apexes]
    few = [drawn_pairs(onsets, apexes, (10, 32), 5, clip) for clip in ("a", "a", "b")]
    assert [len(set(each)) for each in few] == [5, 5, 5]
    assert few[0] == few[1] != few[2]
    assert all(set(each) < set(found) and each[0] == (10, 32) for each in few)
    assert drawn_pairs(range(10, 11), range(20, 21), (10, 20), 5, "a") == [(10, 20)]


def test_positions_are_drawn_within_their_steps():
    found = np.stack(drawn_positions(10, 45, 8, 400, "a"))
    np.testing.assert_array_equal(found[0], np.linspace(10, 45, 8))
    assert (found[:, 0] == 10).all()
    assert (np.diff(found) > 0).all()
    for place in range(1, 8):
        low, high = 10 + 5 * place - 2.5, min(10 + 5 * place + 2.5, 45)
        drawn = found[1:, place]
        assert low <= drawn.min() < low + 0.1 * (high - low), place
        assert high >= drawn.max() > high - 0.1 * (high - low), place
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.3), place
    assert not np.array_equal(found, np.stack(drawn_positions(10, 45, 8, 400, "b")))
    assert np.unique(drawn_positions(3, 3, 4, 5, "a")).tolist() == [3]
