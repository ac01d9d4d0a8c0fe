import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merbench.prepare.kinds.dynamic_image import active_weights, dynamic_image, lab_weights, pooled, rank_weights


@given(count=st.integers(1, 60))
def test_rank_weights_are_those_of_bilen_et_al(count):
    # Their closed form: 2 (T - t + 1) - (T + 1) (H_T - H_(t-1)), H the harmonic numbers.
    harmonic = [sum(1 / i for i in range(1, n + 1)) for n in range(count + 1)]
    closed = [2 * (count - t + 1) - (count + 1) * (harmonic[count] - harmonic[t - 1]) for t in range(1, count + 1)]
    np.testing.assert_allclose(rank_weights(count), closed, atol=1e-9)


def test_a_dynamic_image_is_the_weighted_sum_scaled_to_bytes():
    frames = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)
    pooled = np.zeros((5, 4, 3))
    for t in range(1, 7):
        pooled += sum((2 * i - 6 - 1) / i for i in range(t, 7)) * frames[t - 1].astype(float)
    expected = np.rint(255 * (pooled - pooled.min()) / (pooled.max() - pooled.min()))
    image = dynamic_image(iter(frames), 6)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)
    for count in (1, 5):  # without movement
        assert (dynamic_image([frames[0]] * count, count) == 0).all()


def test_rank_weights_rank_the_running_means():
    # The definition: the sum over all pairs of times t > q of (mean of the first t) - (mean of the first q).
    frames = np.eye(7)
    means = np.cumsum(frames, axis=0) / np.arange(1, 8)[:, None]
    pairs = sum(means[t] - means[q] for t in range(7) for q in range(t))
    np.testing.assert_allclose(rank_weights(7), pairs, atol=1e-12)


def test_brightening_is_bright_and_darkening_dark():
    frames = np.full((9, 3, 3, 3), 100, dtype=np.uint8)
    frames[:, 0, 0] = np.linspace(80, 160, 9).astype(np.uint8)[:, None]
    frames[:, 2, 2] = np.linspace(160, 80, 9).astype(np.uint8)[:, None]
    image = dynamic_image(frames, 9)
    assert (image[0, 0] == 255).all()
    assert (image[2, 2] == 0).all()
    assert (abs(image[1, 1].astype(int) - 127) < 10).all()
    np.testing.assert_array_equal(dynamic_image(frames[::-1], 9)[0, 0], 0)  # time runs one way


def test_weights_of_the_other_routines_are_those_of_their_code():
    np.testing.assert_allclose(rank_weights(5), [-3.7, 0.3, 1.3, 1.3, 0.8], atol=1e-12)
    np.testing.assert_allclose(lab_weights(5), [-1.41667, 1.58333, 2.08333, 1.75, 1.0], atol=1e-5)
    assert active_weights(6).tolist() == [-4, -3, -1, 1, 3, 4]
    for count in range(1, 40):
        literal = [sum((2 * i - count) / i for i in range(t, count + 1)) for t in range(1, count + 1)]
        np.testing.assert_allclose(lab_weights(count), literal, atol=1e-9)
        sums = [weights(count).sum() for weights in (rank_weights, lab_weights, active_weights)]
        np.testing.assert_allclose(sums, [0, count, 0], atol=1e-9)


def test_a_still_clip_is_black_or_with_the_labs_weights_a_face():
    face = np.random.default_rng(2).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    spread = np.rint(255.0 * (face - face.min()) / np.ptp(face).astype(float))
    for weights, expected in (("exact", 0 * face), ("lab", spread), ("active", 0 * face)):
        np.testing.assert_array_equal(dynamic_image([face] * 7, 7, weights), expected, err_msg=weights)


def _rising(count=9):
    """Return frames of a face, some of whose pixels rise by up to 5 grey levels and back."""
    rng = np.random.default_rng(3)
    face, move = rng.integers(60, 180, (2, 16, 16, 3)) * np.array([1, 1 / 36])[:, None, None, None, None]
    return [np.rint(face + move * np.sin(np.pi * t / (count - 1))).astype(np.uint8) for t in range(count)]


def test_magnifying_about_the_onset_changes_only_the_labs_picture():
    frames = _rising()
    larger = [np.clip(frames[0] + 6.0 * (frame - frames[0].astype(float)), 0, 255).astype(np.uint8) for frame in frames]
    change = {
        weights: abs(dynamic_image(larger, 9, weights).astype(int) - dynamic_image(frames, 9, weights)).max()
        for weights in ("exact", "lab")
    }
    assert change["exact"] <= 2
    assert change["lab"] > 6


def test_reversed_frames_invert_the_active_picture():
    frames = [frame.mean(axis=-1, keepdims=True).astype(np.uint8) for frame in _rising()]
    frames = [frame + np.uint8(2 * index) for index, frame in enumerate(frames)]
    forth, back = (pooled(each, 9, "active") for each in (frames, frames[::-1]))
    np.testing.assert_array_equal(forth, -back)
    assert abs(forth).max() > 100
    np.testing.assert_array_equal(dynamic_image(frames, 9, "active"), np.clip(forth, 0, 255))
