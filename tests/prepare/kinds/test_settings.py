"""Settings of pictures: draws, differences, times, magnification."""

from dataclasses import replace

import numpy as np
import pytest
from support.moving import APEX, FPS, NUMBERS, ONSET, moving_clip, plain_clip

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import DynamicImage, Flow, Frames, FrameTimes
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.dynamic_image import dynamic_image
from merbench.prepare.magnify import magnified


@pytest.fixture
def clip(tmp_path):
    return plain_clip(tmp_path)


@pytest.fixture
def moving(tmp_path):
    return moving_clip(tmp_path, step=0.7)


def _frames(clip, **settings):
    """Return the numbers of the frames that a specification takes, read off their grey values."""
    return (build(Frames(faces="delivered", size=8, **settings), clip)[..., 0, 0, 0] / 10).tolist()


PAIR = {"span": "onset-apex", "count": 2}


def test_onset_and_apex_are_drawn_within_their_windows(clip, monkeypatch):
    read, image = [], ClipFrames.image
    monkeypatch.setattr(ClipFrames, "image", lambda self, number: read.append(number) or image(self, number))
    drawn = _frames(clip, onset_draw=(0, 0.25), apex_draw=(0.25, 0.2), **PAIR)  # rise 4, decay 5
    assert drawn[0] == [ONSET, APEX]
    assert sorted(drawn) == [[onset, apex] for onset in (12, 13) for apex in (15, 16, 17)]
    assert sorted(read) == [12, 13, 15, 16, 17]  # each once
    assert _frames(clip, onset_draw=(0, 0.0375), apex_draw=(0.0375, 0), **PAIR) == [[ONSET, APEX]]  # a short rise
    assert sorted({onset for onset, _ in _frames(clip, onset_draw=(0.9, 0), **PAIR)}) == [10, 11, 12]  # on disk
    assert _frames(clip, span="onset", count=1, onset_draw=(0, 0.25)) == [[12], [13]]
    middle = {frames[2] for frames in _frames(clip, count=5, sampling="phase", apex_draw=(0.25, 0.25))}
    assert middle == {15, 16, 17}
    few = _frames(clip, onset_draw=(0, 0.25), apex_draw=(0.25, 0.2), versions=3, **PAIR)
    assert len(few) == 3
    assert few[0] == [ONSET, APEX]


def test_positions_are_drawn_within_their_steps(clip):
    drawn = _frames(clip, count=4, sampling="jittered", versions=30)
    assert drawn[0] == _frames(clip, count=4) == [12, 15, 17, 21]
    assert len(drawn) == 30
    columns = [set(column) for column in np.transpose(drawn)]
    assert columns[0] == {ONSET}
    for column, allowed in zip(columns[1:], ({14, 15, 16}, {17, 19}, {19, 20, 21}), strict=True):
        assert len(column) > 1
        assert column <= allowed
    assert drawn == _frames(clip, count=4, sampling="jittered", versions=30)
    assert drawn != _frames(replace(clip, name="casme2/sub01/other"), count=4, sampling="jittered", versions=30)


def test_differences_are_exact_and_drop_the_onset(moving):
    for settings in ({"count": 5}, {"count": None}, {"count": 4, "sampling": "jittered", "colour": "rgb"}):
        frames = build(Frames(faces="delivered", size=16, **settings), moving).astype(int)
        found = build(Frames(faces="delivered", size=16, difference="onset", **settings), moving)
        assert found.dtype == np.int16
        axis = frames.ndim - 4
        np.testing.assert_array_equal(found, np.diff(frames - frames.take([0], axis), axis=axis).cumsum(axis=axis))
        assert found.min() < 0 < found.max()


def test_times_are_those_of_the_frames_taken(clip):
    for settings in (
        {"count": 4},  # frame 18 is missing
        {"count": None},
        {"count": 5, "sampling": "phase"},
        {"count": 3, "span": "clip"},
        {"onset_jitter": 1, "apex_jitter": 1, **PAIR},
        {"onset_draw": (0, 0.25), "apex_draw": (0.25, 0.2), **PAIR},
        {"count": 4, "sampling": "jittered"},
        {"count": 7, "sampling": "interpolated"},
        {"count": 9, "sampling": "tim"},  # as many as there are: each is a frame
    ):
        frames = Frames(faces="delivered", size=8, **settings)
        numbers = np.array(build(frames, clip)[..., 0, 0, 0] / 10)
        onsets = numbers[..., :1] if frames.drawn is not None else ONSET
        times = build(FrameTimes(frames=frames), clip)
        assert times.dtype == np.float32
        np.testing.assert_allclose(times, 1000 * (numbers - onsets) / FPS, atol=1e-4, err_msg=str(settings))
        counted = build(FrameTimes(frames=frames, unit="frames"), replace(clip, fps=None))
        np.testing.assert_array_equal(counted, numbers - onsets)
        share = build(FrameTimes(frames=frames, unit="fraction"), clip)
        last = clip.offset if settings.get("sampling") == "jittered" else numbers[..., -1:]
        np.testing.assert_allclose(share, (numbers - onsets) / (last - onsets), atol=1e-6)
    assert build(FrameTimes(frames=Frames(count=4, difference="onset")), clip).tolist() == [60, 100, 180]


def test_pictures_are_magnified_before_anything_is_made_of_them(moving):
    settings, plain = (
        {"faces": "delivered", "magnify": "evm"},
        Frames(faces="delivered", span="clip", count=None, size=16),
    )
    faces = dict(zip(NUMBERS, build(plain.model_copy(update={"colour": "rgb"}), moving), strict=True))
    for fps, span, begin, numbers in (  # from a second before the onset on, or the whole clip
        (FPS, "onset-offset", 10, NUMBERS[2:-3]),
        (1, "onset-offset", 11, NUMBERS[2:-3]),
        (1, "clip", 10, NUMBERS),
    ):
        timed = replace(moving, fps=fps)
        expected = dict(magnified([each for each in faces.items() if each[0] >= begin], fps))
        frames = build(Frames(span=span, count=None, size=16, colour="rgb", **settings), timed)
        np.testing.assert_array_equal(frames, [expected[number] for number in numbers])
        image = build(DynamicImage(span=span, size=16, weights="lab", **settings), timed)
        np.testing.assert_array_equal(image, dynamic_image(frames, len(numbers), "lab"))
    flows = [
        build(Flow(channels=("u",), normalise="none", faces="delivered", size=16, face_size=64, magnify=how), moving)
        for how in ("none", "evm")
    ]
    assert abs(flows[1]).mean() > 1.5 * abs(flows[0]).mean()
    with pytest.raises(DataError, match="no frame rate"):
        build(Frames(**settings), replace(moving, fps=None))


def test_dynamic_images_have_the_declared_weights(moving):
    for weights, colour in (("exact", "rgb"), ("lab", "rgb"), ("active", "grey")):
        frames = build(Frames(faces="delivered", size=16, count=None, colour=colour), moving)
        image = build(DynamicImage(faces="delivered", size=16, weights=weights), moving)
        np.testing.assert_array_equal(image, dynamic_image(frames, len(frames), weights))
        assert image.shape == (16, 16, 3 if colour == "rgb" else 1)
