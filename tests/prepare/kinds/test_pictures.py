import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merbench.prepare.kinds.pictures import dynamic_image, rank_weights


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
