import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.action_units import ActionUnit
from merbench.synthetic import motion
from merbench.synthetic.face import Anatomy
from merbench.synthetic.table import SETS

FACE = Anatomy(0.95, 1.35, 0.2, (0.41, 0.0), (0.18, 0.075), -0.26, (0.15, 0.54), (0.32, 0.9), (0.06, 0.08), 0.0)
X, Y = np.meshgrid(np.linspace(-1.6, 1.6, 161, dtype=np.float32), np.linspace(-1.6, 1.6, 161, dtype=np.float32))
LATENESS = st.floats(-3, 3)


def _at(field, x, y):
    """Return the movement of the point (x, y): to the right, and down."""
    row, column = np.unravel_index(np.argmin((x - X) ** 2 + (y - Y) ** 2), X.shape)
    return field[:, row, column]


def _fields(*units):
    """Return the movements on the left and on the right of the picture."""
    return motion.fields(FACE, tuple(ActionUnit(*unit) for unit in units), X, Y)


def test_action_units_move_the_face_by_1_on_both_sides():
    drawn = {int(number) for units in SETS for number in units.split("+")}
    assert drawn | {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25} <= set(motion.MOVES)
    for number in sorted(motion.MOVES):
        left, right = _fields((number, "", "B"))
        length = np.hypot(*(left + right))
        assert length.max() == pytest.approx(1, abs=1e-5), number
        row, column = np.unravel_index(length.argmax(), length.shape)
        assert abs(X[row, column]) < FACE.width, number
        assert -0.9 < Y[row, column] < FACE.chin, number
        np.testing.assert_allclose(right, left[:, :, ::-1] * np.array([-1, 1])[:, None, None], atol=1e-6)
    for side, own, other in (("L", 1, -1), ("R", -1, 1)):  # the person's left is the picture's right
        field = sum(_fields((12, side, "B")))
        assert np.hypot(*_at(field, own * 0.32, 0.9)) > 0.9
        assert np.hypot(*_at(field, other * 0.32, 0.9)) < 0.01
    weak, even = (sum(_fields((1, "", intensity), (12, "", "C"))) for intensity in "AC")
    assert abs(_at(weak, 0.21, -0.26)[1]) < 0.8 * abs(_at(even, 0.21, -0.26)[1])


def test_action_units_move_the_way_facs_says():
    for number, place, across, down in (
        (1, (0.21, -0.26), 0, -1),  # inner brow up
        (2, (0.58, -0.26), 0, -1),  # outer brow up
        (4, (0.21, -0.24), -1, 1),  # brow together and down
        (5, (0.41, -0.08), 0, -1),  # upper lid up
        (6, (0.53, 0.33), 0, -1),  # cheek up
        (7, (0.41, 0.075), 0, -1),  # lower lid up
        (9, (0.13, 0.44), 0, -1),  # nose up
        (10, (0.14, 0.82), 0, -1),  # upper lip up
        (12, (0.32, 0.9), 1, -1),  # corner out and up
        (14, (0.32, 0.9), 1, 0),  # corner out
        (15, (0.32, 0.93), 0, 1),  # corner down
        (17, (0.08, 1.15), 0, -1),  # chin up
        (20, (0.32, 0.93), 1, 0),  # corner out
        (24, (0.1, 0.85), 0, 1),  # upper lip down on the lower one
        (25, (0.07, 0.96), 0, 1),  # lower lip down,
    ):
        right, below = _at(sum(_fields((number, "", "B"))), *place)
        assert np.hypot(right, below) > 0.3, (number, place, across, down)
        for moved, direction in ((right, across), (below, down)):
            assert moved * direction > 0.2 if direction else abs(moved) < 0.4, (number, place, across, down)


@given(LATENESS, LATENESS)
def test_a_movement_is_0_at_onset_and_offset_and_1_at_the_apex(rise, decay):
    times = np.array([-1, 0, motion.REST / 2, 1 - motion.REST / 2, 1, 1 + motion.REST / 2, 2 - motion.REST / 2, 2, 3])
    assert motion.amplitude(times, rise, decay).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0]
    steps = np.diff(motion.amplitude(np.linspace(0, 2, 201), rise, decay))
    assert (steps[:100] >= 0).all()
    assert (steps[100:] <= 0).all()


@given(st.floats(-2, 2), st.floats(0.44, 0.56))
def test_a_balanced_decay_keeps_the_mean_of_an_even_course(lateness, rising):
    def mean(rise, decay):
        up = motion.amplitude(np.linspace(0, 1, 4001), rise, 0).mean()
        down = motion.amplitude(np.linspace(1, 2, 4001), 0, decay).mean()
        return rising * up + (1 - rising) * down

    assert mean(lateness, motion.balanced(lateness, rising)) == pytest.approx(mean(0, 0), abs=2e-3)


def test_flicker_is_0_at_the_labels_and_on_average():
    near = motion.REST / 2
    assert not motion.flickering(np.array([-1, 0, near, 1 - near, 1, 1 + near, 2 - near, 2, 3])).any()
    for start in (0, 1):
        phase = motion.flickering(np.linspace(start, start + 1, 4001))
        assert phase.mean() == pytest.approx(0, abs=1e-3)
        assert np.abs(phase).max() > 0.5
    rings = motion.rings(FACE, X, Y)  # opposite at the two eyes
    assert abs(rings[:, :80].mean()) < 0.05 * np.abs(rings[:, :80]).mean()
    np.testing.assert_allclose(rings, -rings[:, ::-1], atol=1e-6)
    assert _at(rings[None], 0.41, 0.0)[0] == pytest.approx(1, abs=0.05)


def test_strength_scales_means_and_draws_no_more_numbers():
    weak_courses = set()
    for emotion, cue in motion.CUES.items():
        streams = [np.random.default_rng(5) for _ in range(2)]
        weak, strong = (motion.draw_course(streams[strength], emotion, strength, 0.5) for strength in (0, 1))
        assert streams[0].random() == streams[1].random(), emotion
        assert np.mean(strong.rise) - np.mean(weak.rise) == pytest.approx(cue.lateness), emotion
        assert strong.flicker / weak.flicker == pytest.approx(1 + cue.flicker), emotion
        weak_courses.add(weak)
    assert len(weak_courses) == 1
    # The side that lags is drawn at random.
    lags = [np.subtract(*motion.draw_course(np.random.default_rng(n), "surprise", 1.0, 0.5).rise) for n in range(60)]
    assert 15 < sum(lag > 0 for lag in lags) < 45
    assert np.mean(np.abs(lags)) == pytest.approx(motion.CUES["surprise"].lag, abs=0.2)


def test_the_head_wanders_and_a_blink_moves_the_upper_lid_only():
    for frames in (5, 40, 120):
        path = np.array([motion.walk(np.random.default_rng(n), frames, 2) for n in range(50)])
        assert not path[:, 2].any(), frames
        assert 0.2 < np.abs(path[:, -1]).mean() < 2, frames
    lids = motion.lids(FACE, X, Y)
    assert _at(lids[None], 0.41, 0.0)[0] > FACE.eye_size[1]
    assert not lids[Y > 0.2].any()
