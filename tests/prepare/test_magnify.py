import cv2
import numpy as np
import pytest

from merbench.prepare import magnify
from merbench.prepare.magnify import magnified

FPS = 200


def _waving(hertz, seconds=4.0, fps=FPS, swing=2.0, size=48):
    """Return frames in which one half of a smooth pattern swings by `swing` grey levels, so many times a second."""
    still = 100 + 40 * np.sin(np.arange(size) / 9)[:, None, None] * np.ones((size, size, 3))
    times = np.arange(int(seconds * fps)) / fps
    moved = np.zeros((size, size, 1))
    moved[:, : size // 2] = 1
    waves = swing * np.sin(2 * np.pi * hertz * times)
    return [np.rint(still + wave * moved).astype(np.uint8) for wave in waves]


def _swing(frames, fps=FPS, last=2.0):
    """Return the half range of the mean grey of the swinging half, in the last two seconds."""
    greys = np.array([frame[8:-8, 4:16].mean() for frame in frames])[-int(last * fps) :]
    return (greys.max() - greys.min()) / 2


def _magnify(frames, fps=FPS, first=1):
    return [frame for _, frame in magnified(enumerate(frames, first), fps)]


def test_movement_within_the_band_is_amplified_and_other_left():
    for hertz, fps, swing, low, high in (
        (2, 200, 2, 6, 12),
        (1, 200, 2, 5, 12),
        (0.03, 20, 40, 0.9, 1.3),
        (90, 200, 9, 0.5, 2),
    ):
        frames = _waving(hertz, 2 + 1 / hertz, fps, swing)
        gain = _swing(_magnify(frames, fps), fps, 1 + 1 / hertz) / _swing(frames, fps, 1 + 1 / hertz)
        assert low < gain < high, (hertz, gain)
    frames = _waving(2.0)
    still = slice(36, 48)  # the other half of the picture, away from the edge
    for before, after in zip(frames, _magnify(frames), strict=True):
        assert abs(after[:, still].astype(int) - before[:, still]).max() <= 1
    # The same movement at half the frame rate, and with every second frame missing, is amplified alike.
    gains = [_swing(_magnify(_waving(2.0, fps=fps), fps), fps) for fps in (100, 200)]
    numbered = [each for each in enumerate(_waving(2.0)) if each[0] % 2 == 0]
    gains.append(_swing([frame for _, frame in magnified(numbered, FPS)], FPS / 2))
    assert gains == pytest.approx([gains[0]] * 3, rel=0.1)


def test_a_still_clip_and_the_first_frame_are_left_as_they_are():
    frame = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    for after in _magnify([frame] * 20):
        np.testing.assert_array_equal(after, frame)
    other = 255 - frame
    first, second = _magnify([frame, other], first=7)
    np.testing.assert_array_equal(first, frame)
    assert second.dtype == np.uint8
    assert (second != other).any()


def test_magnified_frames_are_those_of_a_straight_loop():
    frames = np.random.default_rng(1).integers(0, 256, (5, 24, 30, 3), dtype=np.uint8)
    numbers, fps = [3, 4, 5, 8, 9], 30.0
    found = list(magnified(zip(numbers, frames, strict=True), fps))
    assert [number for number, _ in found] == numbers
    low = high = cv2.pyrDown(cv2.pyrDown(frames[0].astype(np.float64)))
    for index in range(1, 5):
        level = cv2.pyrDown(cv2.pyrDown(frames[index].astype(np.float64)))
        seconds = (numbers[index] - numbers[index - 1]) / fps
        low = low + (1 - np.exp(-2 * np.pi * magnify.LOW * seconds)) * (level - low)
        high = high + (1 - np.exp(-2 * np.pi * magnify.HIGH * seconds)) * (level - high)
        large = cv2.pyrUp(cv2.pyrUp(high - low, dstsize=(15, 12)), dstsize=(30, 24))
        expected = np.clip(frames[index] + 10 * large, 0, 255)
        np.testing.assert_allclose(found[index][1], expected, atol=0.51)
