import warnings

import cv2
import numpy as np
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from merbench.prepare.kinds import flow_field
from merbench.prepare.kinds.flow import channels, colour, damp_outside, face_mask, resize, strain, to_bytes

SIZE = 96
FIELDS = arrays(np.float32, (6, 7, 2), elements=st.floats(-8, 8, width=32))


INSIDE = slice(12, -12)


def test_flow_is_u_to_the_right_and_v_down():
    texture = cv2.cvtColor(skimage.data.astronaut()[:256, 96:352], cv2.COLOR_RGB2GRAY)
    still = cv2.resize(texture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    for algorithm in ("tvl1", "farneback", "dis"):
        for u, v in ((1.5, 0), (0, 1), (-1, 0.5)):
            shift = np.array([[1, 0, u], [0, 1, v]], dtype=np.float32)
            moved = cv2.warpAffine(still, shift, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            field = flow_field.flow(still, moved, algorithm)
            assert (field.shape, field.dtype) == ((SIZE, SIZE, 2), np.float32)
            np.testing.assert_allclose(np.median(field[INSIDE, INSIDE], axis=(0, 1)), [u, v], atol=0.15)
        assert (flow_field.flow(still, still, algorithm) == 0).all()


@given(field=FIELDS)
def test_strain_is_the_formula_point_by_point(field):
    def slope(line, at):
        low, high = max(at - 1, 0), min(at + 1, len(line) - 1)
        return (float(line[high]) - float(line[low])) / (high - low)

    expected = np.zeros(field.shape[:2])
    for y, x in np.ndindex(expected.shape):
        u_x, v_x = (slope(field[y, :, channel], x) for channel in (0, 1))
        u_y, v_y = (slope(field[:, x, channel], y) for channel in (0, 1))
        shear = (u_y + v_x) / 2
        expected[y, x] = (u_x**2 + v_y**2 + shear**2 + shear**2) ** 0.5
    np.testing.assert_allclose(strain(field), expected, atol=1e-4, rtol=1e-4)


@given(field=FIELDS, u=st.floats(-5, 5), v=st.floats(-5, 5), turn=st.floats(-0.1, 0.1))
def test_moving_the_whole_head_adds_no_strain(field, u, v, turn):
    rows, columns = np.indices(field.shape[:2])
    moved = field + np.stack([u - turn * rows, v + turn * columns], axis=-1).astype(np.float32)
    np.testing.assert_allclose(strain(moved), strain(field), atol=1e-3)


def test_stretching_by_a_tenth_strains_by_a_tenth():
    stretched = np.stack([0.1 * np.indices((SIZE, SIZE))[1], np.zeros((SIZE, SIZE))], axis=-1).astype(np.float32)
    np.testing.assert_allclose(strain(stretched), 0.1, rtol=1e-3)


def test_channels_come_in_the_order_asked_for():
    field = np.random.default_rng(0).normal(size=(9, 8, 2)).astype(np.float32)
    values = channels(field, ("magnitude", "v", "strain", "u"))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:, :, [3, 1]], field)
    np.testing.assert_array_equal(values[:, :, 2], strain(field))
    np.testing.assert_allclose(values[:, :, 0], (field**2).sum(axis=-1) ** 0.5, rtol=1e-5)


def test_a_smaller_field_has_the_averages():
    values = np.random.default_rng(0).normal(size=(12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(resize(values, 4), values.reshape(4, 3, 4, 3, 3).mean(axis=(1, 3)), atol=1e-6)
    assert resize(values[:, :, :1], 5).shape == (5, 5, 1)
    np.testing.assert_allclose(resize(np.full((8, 8, 2), 1.5, np.float32), 20), 1.5, rtol=1e-6)
    assert resize(values, 12) is values


@given(values=arrays(np.float32, (4, 5, 3), elements=st.floats(-100, 100, width=32)))
def test_each_channel_spans_0_to_255_and_keeps_its_order(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = to_bytes(values)
    assert written.dtype == np.uint8
    for channel in range(3):
        plain, low, high = written[:, :, channel], values[:, :, channel].min(), values[:, :, channel].max()
        if low == high:
            assert (plain == 0).all()
            continue
        assert (plain.min(), plain.max()) == (0, 255)
        exact = (values[:, :, channel].astype(float) - low) / (float(high) - low) * 255
        assert abs(plain - exact).max() <= 0.51


def _outline_points(size):
    """Return 68 points: a round jaw from ear to ear, brows above, the rest in the middle."""
    points = np.full((68, 2), 0.5)
    around = np.linspace(np.pi, 0, 17)
    points[:17] = np.column_stack([0.5 + 0.4 * np.cos(around), 0.5 + 0.4 * np.sin(around)])
    points[17:22] = np.column_stack([np.linspace(0.15, 0.45, 5), np.full(5, 0.4)])
    points[22:27] = np.column_stack([np.linspace(0.55, 0.85, 5), np.full(5, 0.4)])
    return points * size


def test_the_mask_is_between_jaw_and_lifted_brows():
    mask = face_mask(_outline_points(100), 100)
    assert mask.shape == (100, 100)
    assert mask[[50, 88], [50, 50]].all()  # 88 is just above the chin
    assert not mask[[93, 50, 50], [50, 5, 95]].any()
    assert mask[32, 20:80].all()  # brows at 40, lifted by 10
    assert not mask[28].any()
    beyond = face_mask(_outline_points(100) * 2 - 50, 100)  # cut off at the picture's edge
    assert beyond[20:].all()
    assert not beyond[:20].any()


def test_outside_the_mask_a_third_is_left():
    values = np.full((2, 2, 3), 6, dtype=np.float32)
    damped = damp_outside(values, np.array([[True, False], [False, True]]))
    assert damped.dtype == np.float32
    assert damped[:, :, 1].tolist() == [[6, 2], [2, 6]]


def test_the_hue_is_the_direction_and_the_value_the_length():
    for u, v, rgb in ((2, 0, (255, 0, 0)), (0, 2, (128, 255, 0)), (-2, 0, (0, 255, 255)), (0, -2, (128, 0, 255))):
        field = np.zeros((4, 4, 2), dtype=np.float32)
        field[1, 2] = u, v
        picture = colour(field)
        assert picture.dtype == np.uint8
        np.testing.assert_allclose(picture[1, 2].astype(int), rgb, atol=4)
        assert (picture[0] == 0).all()
    field = np.stack([np.arange(1, 6), np.zeros(5)], axis=-1)[None].astype(np.float32)
    assert colour(field)[0, :, 0].tolist() == [0, 64, 128, 191, 255]
    np.testing.assert_array_equal(colour(10 * field), colour(field))
    assert (colour(np.full((5, 5, 2), 3, dtype=np.float32), np.ones((5, 5), bool)) == 0).all()


def test_colours_outside_the_mask_are_capped():
    field = np.zeros((10, 10, 2), dtype=np.float32)
    field[:, :, 0] = np.linspace(0.01, 0.1, 100).reshape(10, 10)
    field[0, 0], field[9, 9] = (2, 0), (4, 0)
    mask = np.zeros((10, 10), dtype=bool)
    mask[5:] = True
    plain, capped = colour(field), colour(field, mask)
    np.testing.assert_array_equal(capped[5:], plain[5:])
    limit = int(3 * plain[:5].mean())
    assert plain[0, 0, 0] > limit
    np.testing.assert_array_equal(capped[:5], np.minimum(plain[:5], limit))
