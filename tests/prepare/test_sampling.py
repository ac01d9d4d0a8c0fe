import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.prepare.sampling import ends, nearest, neighbours, phase, tim, within

NUMBERS = st.lists(st.integers(0, 300), min_size=1, max_size=40, unique=True).map(sorted)
POSITIONS = st.lists(st.floats(-50, 350), min_size=1, max_size=12)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(3, 40))
def test_phase_positions_hold_onset_apex_and_offset(onset, rise, decay, count):
    apex, offset = onset + rise, onset + rise + decay
    positions = phase(onset, apex, offset, count)
    assert len(positions) == count
    steps = count // 2  # of the rise; the odd one is its own
    assert (positions[0], positions[steps], positions[-1]) == (onset, apex, offset)
    np.testing.assert_allclose(np.diff(positions)[:steps], rise / steps, atol=1e-9)
    np.testing.assert_allclose(np.diff(positions)[steps:], decay / (count - 1 - steps), atol=1e-9)


@given(numbers=NUMBERS, positions=POSITIONS)
def test_nearest_is_the_nearest_existing_frame_and_neighbours_blend_to_the_position(numbers, positions):
    for position, found in zip(positions, nearest(numbers, positions), strict=True):
        assert found == min(numbers, key=lambda number: (abs(number - position), number))
    for position, (before, after, weight) in zip(positions, neighbours(numbers, positions), strict=True):
        assert {before, after} <= set(numbers)
        assert not [number for number in numbers if before < number < after]
        assert 0 <= weight <= 1
        inside = min(max(position, numbers[0]), numbers[-1])
        assert (1 - weight) * before + weight * after == pytest.approx(inside, abs=1e-6)


@given(numbers=NUMBERS, first=st.integers(0, 300), length=st.integers(0, 300))
def test_within_are_all_frames_between_the_ends(numbers, first, length):
    found = within(numbers, first, first + length)
    low, high = nearest(numbers, [first, first + length])
    assert (found[0], found[-1]) == (low, high)
    assert found == [number for number in numbers if number in range(low, high + 1)]


def test_examples_of_the_documents():
    assert phase(0, 8, 14, 8).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert neighbours([3, 4, 8], [4, 5, 8, 1]) == [(4, 4, 0.0), (4, 8, 0.25), (8, 8, 0.0), (3, 3, 0.0)]
    assert nearest([10, 11, 12], phase(10, 10, 12, 5)) == [10, 10, 10, 11, 12]
    for span, expected in (
        ("onset-apex", (12, 20)),
        ("onset-offset", (12, 31)),
        ("apex-offset", (20, 31)),
        ("clip", (3, 40)),
    ):
        assert ends(span, 12, 20, 31, [3, 4, 12, 40]) == expected


def test_temporal_interpolation_is_the_embedding_of_a_path_graph():
    """Against the algorithm of the paper: eigenvectors of the graph's Laplacian, and a linear map back by SVD."""
    frames, count = 7, 10
    clip = np.random.default_rng(0).uniform(0, 255, (40, frames))
    mean = clip.mean(axis=1, keepdims=True)
    path = np.eye(frames, k=1) + np.eye(frames, k=-1)
    known = np.linalg.eigh(np.diag(path.sum(axis=0)) - path)[1][:, 1:]
    order = np.arange(1, frames)

    def curve(time):
        return np.sin(np.pi * order * time + np.pi * (frames - order) / (2 * frames))

    scale = known[0] / curve(1 / frames)  # an eigenvector has any length and sign
    back = (clip - mean) @ np.linalg.pinv(known.T)
    times = 1 / frames + np.arange(count) / (count - 1) * (1 - 1 / frames)
    wanted = np.stack([back @ (scale * curve(time)) for time in times], axis=1) + mean
    np.testing.assert_allclose(clip @ tim(frames, count).T, wanted, atol=1e-9)
    np.testing.assert_allclose(tim(frames, frames), np.eye(frames), atol=1e-12)
    assert tim(1, 3).tolist() == [[1], [1], [1]]
