import cv2
import numpy as np
import pytest
from support.moving import APEX, NUMBERS, OFFSET, ONSET, SIZE, moving_clip, plain_clip

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import ActionUnits, DynamicImage, Flow, FlowSeries, Frames, Landmarks
from merbench.prepare import sampling
from merbench.prepare.faces.find import find_face, landmarks_installed
from merbench.prepare.frames import ClipFrames
from merbench.prepare.jitter import shifted, variants
from merbench.prepare.kinds import flow, flow_field
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.dynamic_image import dynamic_image

with_dlib = pytest.mark.skipif(not landmarks_installed(), reason="dlib is not installed (the extra faces)")


@pytest.fixture
def clip(tmp_path):
    return plain_clip(tmp_path)


@pytest.fixture
def moving(tmp_path):
    return moving_clip(tmp_path)


def _frames(clip, **settings):
    """Return the numbers of the frames that a specification takes, read off their grey values."""
    values = build(Frames(faces="delivered", size=8, **settings), clip)
    assert values.dtype == np.uint8
    assert values.shape[-3:] == (8, 8, 1)
    assert (values == values[..., :1, :1, :]).all()
    return (values[..., 0, 0, 0] / 10).tolist()


def test_frames_are_sampled_in_the_declared_way(clip):
    for settings, expected in (
        ({"count": 5, "span": "onset-apex"}, [12, 13, 14, 15, 16]),
        ({"count": 4}, [12, 15, 17, 21]),  # 18 is missing
        ({"count": 3, "span": "clip"}, [10, 17, 24]),
        ({"count": 1, "span": "apex"}, [16]),
        ({"count": 4, "sampling": "interpolated"}, [12, 15, 18, 21]),
        ({"count": 9, "span": "onset-apex", "sampling": "interpolated"}, np.arange(12, 16.1, 0.5).tolist()),
        ({"count": 5, "sampling": "phase"}, [12, 14, 16, 19, 21]),  # 18.5 is half-way to the offset
        ({"count": None}, [12, 13, 14, 15, 16, 17, 19, 20, 21]),
        ({"count": None, "span": "clip"}, NUMBERS),
    ):
        assert _frames(clip, **settings) == expected, settings


def test_interpolated_frames_are_weighted_sums_of_all(clip):
    numbers = np.array([12, 13, 14, 15, 16, 17, 19, 20, 21])
    wanted = np.clip(np.rint(sampling.tim(9, 5) @ (10 * numbers)), 0, 255)
    np.testing.assert_array_equal(np.array(_frames(clip, count=5, sampling="tim")) * 10, wanted)


def test_flow_over_time_is_from_the_onset_or_step_by_step(moving):
    settings = {"faces": "delivered", "size": 32, "count": 4}
    frames = build(Frames(**settings), moving)[..., 0]
    for reference, pairs in (("onset", [(0, 1), (0, 2), (0, 3)]), ("previous", [(0, 1), (1, 2), (2, 3)])):
        for algorithm in ("farneback", "dis"):
            found = build(FlowSeries(reference=reference, algorithm=algorithm, **settings), moving)
            wanted = [flow_field.flow(frames[first], frames[last], algorithm) for first, last in pairs]
            np.testing.assert_array_equal(found, wanted)
    apex, offset = (moving.image(moving.nearest(number)) for number in (APEX, OFFSET))
    pair = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (apex, offset)]
    settings = {"size": 256, "face_size": 256, "faces": "delivered", "algorithm": "farneback"}
    decay = build(Flow(span="apex-offset", normalise="none", channels=("u", "v"), **settings), moving)
    np.testing.assert_array_equal(decay, flow_field.flow(*pair, "farneback"))


def test_colour_frames_are_red_green_blue(clip):
    cv2.imwrite(str(clip.files[ONSET]), np.full((SIZE, SIZE, 3), (10, 20, 30), np.uint8))  # OpenCV writes BGR
    values = build(Frames(faces="delivered", size=8, count=2, colour="rgb"), clip)
    assert values.shape == (2, 8, 8, 3)
    assert values[:, 0, 0].tolist() == [[30, 20, 10], [210, 210, 210]]


def test_flow_is_from_onset_to_apex_in_pixels_of_the_face(moving):
    settings = {"faces": "delivered", "size": 16, "face_size": 64}
    spec = Flow(channels=("u", "v", "strain", "magnitude"), normalise="none", **settings)
    values = build(spec, moving)
    assert (values.shape, values.dtype) == ((16, 16, 4), np.float32)
    u, v, strain, magnitude = np.median(values, axis=(0, 1))
    assert u == pytest.approx(2.5, abs=0.15)  # 10 picture pixels are 2.5 of a face of 64
    assert magnitude == pytest.approx(u, abs=0.1)
    assert max(abs(v), strain) < 0.2
    np.testing.assert_array_equal(build(spec.model_copy(update={"normalise": "clip"}), moving), flow.to_bytes(values))
    coloured = build(Flow(channels=("u", "v"), normalise="hsv", **settings), moving)
    np.testing.assert_array_equal(coloured, flow.colour(values[:, :, :2]))


def test_flow_over_the_other_spans_ends_elsewhere(moving):
    settings = {"faces": "delivered", "size": 16, "face_size": 64, "channels": ("u",), "normalise": "none"}
    assert abs(np.median(build(Flow(span="onset-offset", **settings), moving))) < 0.1  # it moves there and back
    onset_moved = ClipFrames(moving.name, 15, APEX, OFFSET, moving.files, cropped=True)
    assert np.median(build(Flow(**settings), onset_moved)) == pytest.approx(2.5 / 4, abs=0.15)
    assert np.median(build(Flow(span="clip", **settings), onset_moved)) == pytest.approx(0, abs=0.1)


@with_dlib
def test_a_mask_damps_the_flow_outside_the_face(moving):
    settings = {
        "faces": "landmarks",
        "size": 64,
        "face_size": 64,
        "normalise": "none",
        "channels": ("u", "v", "strain"),
    }
    plain, masked = build(Flow(**settings), moving), build(Flow(mask="face", **settings), moving)
    image = moving.image(ONSET)
    mask = flow.face_mask(find_face(image, "landmarks", "").points(64), 64)
    assert 0.1 < mask.mean() < 0.7
    np.testing.assert_array_equal(masked[mask], plain[mask])
    np.testing.assert_allclose(masked[~mask], plain[~mask] / 3, rtol=1e-6)
    settings |= {"channels": ("u", "v"), "normalise": "hsv"}
    np.testing.assert_array_equal(build(Flow(mask="face", **settings), moving), flow.colour(masked[:, :, :2], mask))


def test_a_dynamic_image_holds_every_frame_of_the_span(moving):
    for span, count in (("onset-apex", 5), ("onset-offset", 9), ("clip", 14)):
        rgb = build(Frames(faces="delivered", span=span, size=32, count=None, colour="rgb"), moving)
        assert len(rgb) == count
        values = build(DynamicImage(faces="delivered", span=span, size=32), moving)
        assert values.shape == (32, 32, 3), (span, count)
        assert values.dtype == np.uint8, (span, count)
        np.testing.assert_array_equal(values, dynamic_image(rgb, count))


@with_dlib
def test_landmarks_are_those_of_the_onset_frame(moving):
    for points in (5, 68):
        values = build(Landmarks(faces="landmarks", points=points, size=100), moving)
        assert values.shape == (points, 2)
        assert values.dtype == np.float32, points
        eyes = values[:2] if points == 5 else np.stack([values[36:42].mean(axis=0), values[42:48].mean(axis=0)])
        assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1e-3), points
        assert 0 < eyes[0, 0] < 50 < eyes[1, 0] < 100, points


@with_dlib
def test_frames_are_aligned_by_the_onset_or_each_alone(moving):
    settings = {"faces": "landmarks", "face_size": 64, "size": 16, "channels": ("u",), "normalise": "none"}
    moved = build(Flow(**settings), moving)
    followed = build(Flow(align="frame", **settings), moving)
    assert np.median(moved) > 4  # 10 pixels, in a face of 115, brought to 64
    assert abs(np.median(followed)) < 1
    pairs = [
        build(Frames(faces="landmarks", span="onset-apex", count=2, size=64, align=how), moving).astype(int)
        for how in ("onset", "frame")
    ]
    np.testing.assert_array_equal(pairs[0][0], pairs[1][0])
    assert abs(np.diff(pairs[1], axis=0)).mean() < 0.4 * abs(np.diff(pairs[0], axis=0)).mean()


def test_variants_are_all_shifts_and_the_first_is_none(clip):
    assert variants(Flow()) == variants(ActionUnits()) == variants(DynamicImage()) == [(0, 0)]
    found = variants(Frames(onset_jitter=1, apex_jitter=2, span="onset-apex"))
    assert found[0] == (0, 0)
    assert sorted(found) == [(onset, apex) for onset in (-1, 0, 1) for apex in (-2, -1, 0, 1, 2)]
    spec = Frames(count=2, span="onset-apex", onset_jitter=1, apex_jitter=1)
    taken = _frames(clip, count=2, span="onset-apex", onset_jitter=1, apex_jitter=1)
    assert taken == [list(shifted(clip, *shift)) for shift in variants(spec)]


def test_shifted_onset_and_apex_stay_in_order(clip):
    for shift, expected in (
        ((0, 0), (12, 16)),
        ((-1, 2), (11, 18)),
        ((-9, 0), (10, 16)),  # the first file
        ((9, 0), (15, 16)),  # before the apex
        ((0, 9), (12, 21)),  # the offset
        ((0, -9), (12, 13)),
        ((9, -9), (15, 16)),
    ):
        assert shifted(clip, *shift) == expected


def test_odd_annotation_is_kept_where_nothing_is_shifted(clip):
    for onset, apex, offset in ((14, 14, 14), (16, 14, 20), (2, 90, 99)):
        odd = ClipFrames(clip.name, onset, apex, offset, clip.files)
        assert shifted(odd, 0, 0) == (onset, apex)
        assert len(_frames(odd, count=3, span="onset-apex", onset_jitter=1, apex_jitter=1)) == 9, (onset, apex, offset)


def test_flow_with_jitter_holds_the_flow_of_each_pair(moving):
    settings = {"faces": "delivered", "size": 16, "face_size": 32, "normalise": "none"}
    values = build(Flow(onset_jitter=1, **settings), moving)
    assert values.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(values[0], build(Flow(**settings), moving))
    later = ClipFrames(moving.name, ONSET + 1, APEX, OFFSET, moving.files)
    np.testing.assert_array_equal(values[2], build(Flow(**settings), later))


def test_frames_are_read_and_pairs_computed_once(moving, monkeypatch):
    read, computed = [], []
    image, of_pair = ClipFrames.image, flow_field.flow
    monkeypatch.setattr(ClipFrames, "image", lambda self, number: read.append(number) or image(self, number))
    monkeypatch.setattr(flow_field, "flow", lambda *pair: computed.append(pair) or of_pair(*pair))
    build(Flow(faces="delivered", face_size=16, size=16, onset_jitter=2, apex_jitter=2), moving)
    assert sorted(read) == [10, 11, 12, 13, 14, 15, 16, 17]
    # Of 25 shifts the apexes 17 and 18 are one, as frame 18 is missing, and an apex at the onset 14 moves to 15.
    assert len(computed) == 19
    read.clear()
    build(Frames(faces="delivered", size=8, count=20, sampling="interpolated"), moving)
    assert sorted(read) == [12, 13, 14, 15, 16, 17, 19, 20, 21]


def test_a_missing_face_is_reported_with_clip_and_frame(clip):
    with pytest.raises(DataError, match=r"casme2/sub01/EP02_01f, frame 12 \(.*img12\.png\): no face"):
        build(Flow(faces="haar"), clip)


def test_a_frame_of_another_size_is_reported(clip):
    cv2.imwrite(str(clip.files[APEX]), np.zeros((30, 40, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"frame 16 \(.*img16\.png\): 40 x 30 pixels, .* 48 x 48"):
        build(Frames(faces="delivered", count=3), clip)
    assert build(Frames(faces="delivered", count=3, align="frame"), clip).shape == (3, 112, 112, 1)
