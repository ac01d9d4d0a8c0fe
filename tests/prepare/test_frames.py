"""A frame is read as it is, or refused by name."""

import cv2
import numpy as np
import pytest

from merbench.contracts.errors import DataError
from merbench.prepare.frames import ClipFrames


@pytest.fixture
def clip_of(tmp_path):
    """Return what makes a clip of one frame from a file's name and content."""

    def make(name, content):
        (tmp_path / name).write_bytes(content)
        return ClipFrames("samm/006/006_1_2", 1, 1, 1, {1: tmp_path / name})

    return make


def encoded(suffix, picture):
    return cv2.imencode(suffix, picture)[1].tobytes()


PICTURE = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)


def test_frames_have_three_channels(clip_of):
    for suffix, stored, expected in (
        (".png", PICTURE, PICTURE),
        (".bmp", PICTURE, PICTURE),
        (".png", PICTURE[:, :, 0], np.repeat(PICTURE[:, :, :1], 3, axis=2)),
        (".png", np.dstack([PICTURE, PICTURE[:, :, 0]]), PICTURE),  # transparent
    ):
        np.testing.assert_array_equal(clip_of(f"1{suffix}", encoded(suffix, stored)).image(1), expected)


def test_unreadable_frames_are_refused_with_their_clip(clip_of):
    for name, content, expected in (
        ("1.png", b"", "is not a readable picture"),
        ("1.jpg", b"no picture at all", "is not a readable picture"),
        ("1.png", encoded(".png", PICTURE)[:200], "is not a readable picture"),
        ("1.png", encoded(".png", PICTURE.astype(np.uint16) * 4), "has 16 bits per channel"),
    ):
        with pytest.raises(DataError, match=rf"{name}, a frame of samm/006/006_1_2, {expected}"):
            clip_of(name, content).image(1)


def test_the_nearest_frame_or_the_earlier_of_two(tmp_path):
    clip = ClipFrames("a/b/c", 10, 15, 20, {number: tmp_path / str(number) for number in (10, 14, 16, 20)})
    assert [clip.nearest(number) for number in (1, 12, 13, 15, 15.1, 99)] == [10, 10, 14, 14, 16, 20]
