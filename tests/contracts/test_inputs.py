import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from support.cases import each

from merbench.contracts.inputs import (
    ActionUnits,
    ArrayInput,
    ClipFacts,
    DynamicImage,
    Flow,
    FlowSeries,
    Frames,
    FrameTimes,
    Inputs,
    InputSpec,
    Landmarks,
    MotionPositions,
)

SPECS = [Flow(), FlowSeries(), Frames(), DynamicImage(), Landmarks(), ActionUnits(), ClipFacts(facts=("seconds",))]
SPECS.append(MotionPositions())
SPECS.append(FrameTimes(frames=Frames(count=3)))


def test_a_specification_survives_being_written():
    read = TypeAdapter(InputSpec).validate_python
    for spec in SPECS:
        written = spec.model_dump(mode="json")
        assert read(written) == spec
        with pytest.raises(ValidationError, match="Extra inputs"):
            read(written | {"colour_space": "lab"})


def test_a_batch_has_the_rows_in_order_and_a_taken_input_is_a_copy():
    values = np.arange(12).reshape(4, 3)
    one = ArrayInput(Flow(), values)
    assert one.batch(np.array([2, 0])).tolist() == [[6, 7, 8], [0, 1, 2]]
    assert one.batch(slice(1, 3)).tolist() == values[1:3].tolist()
    assert one.batch().tolist() == values.tolist()
    taken = Inputs({"flow": one}, 4).take(np.array([1, 2]))
    assert (taken.clips, list(taken.names())) == (2, ["flow"])
    array = taken["flow"].batch()
    assert not np.shares_memory(array, values)
    assert array.base is None or array.base.shape == array.shape
    array[:] = -1
    assert values.min() == 0
    assert Inputs({}, 4).take(np.array([1, 2, 3])).clips == 3


def test_an_input_is_named_by_its_settings():
    assert str(Flow(size=56)) == "flow(onset-apex, 56, u/v/strain, tvl1, clip)"
    assert str(Flow(apex_jitter=2)) != str(Flow(apex_jitter=3)) != str(Flow())
    faces = str(Flow(faces="haar", face_size=96))
    assert faces == "flow(onset-apex, 28, u/v/strain, tvl1, clip, faces=haar, face_size=96)"
    assert str(Frames(count=None, span="clip")) == "frames(clip, None, 112, grey)"
    assert len({str(spec) for spec in [*SPECS, Flow(mask="face"), Frames(sampling="phase"), Flow(align="frame")]}) == 12
    assert str(FrameTimes(frames=Frames())) == f"frame-times({Frames()})"
    assert str(Frames(onset_draw=(0, 0.1))) == "frames(onset-offset, 8, 112, grey, onset_draw=0.0/0.1)"


def test_contradictory_settings_are_refused():
    for kind, settings, why in each(
        (
            (Flow, {"normalise": "hsv"}, "channels u and v"),
            (Flow, {"channels": ()}, "at least one channel"),
            (Frames, {"sampling": "phase", "count": 2}, "at least 3"),
            (Frames, {"sampling": "phase", "span": "onset-apex"}, "span onset-offset"),
            (Frames, {"sampling": "interpolated", "count": None}, "need a count"),
            (Frames, {"sampling": "tim", "count": None}, "need a count"),
            (Frames, {"onset_jitter": 1, "count": None}, "need a count"),
            (Frames, {"apex_jitter": 1}, "the span onset-offset"),
            (Frames, {"onset_jitter": 1, "span": "clip"}, "the span clip"),
            (Frames, {"onset_jitter": 1, "span": "apex", "count": 1}, "the span apex"),
            (Frames, {"span": "apex"}, "write span: apex, count: 1"),
            (Flow, {"apex_jitter": 1, "span": "onset-offset"}, "the span onset-offset"),
            (Flow, {"apex_jitter": 1, "span": "clip"}, "the span clip"),
            (Flow, {"onset_jitter": 1, "span": "apex-offset"}, "the span apex-offset"),
            (Frames, {"onset_draw": (0.1, 0), "span": "clip"}, "the span clip .* drawn frame"),
            (Frames, {"apex_draw": (0.1, 0)}, "the span onset-offset .* drawn frame"),
            (Frames, {"onset_draw": (0.1, 0), "count": None}, "need a count"),
            (Frames, {"sampling": "jittered", "count": None}, "need a count"),
            (Frames, {"onset_draw": (0, 0.6), "apex_draw": (0.4, 0), "span": "onset-apex"}, "from one window"),
            (Frames, {"onset_draw": (0, 1.0)}, "less than 1"),
            (Frames, {"onset_draw": (0.1, 0), "onset_jitter": 1}, "one of jitter, draws"),
            (Frames, {"onset_draw": (0.1, 0), "sampling": "jittered"}, "one of jitter, draws"),
            (Frames, {"versions": 4}, "versions needs"),
            (Frames, {"difference": "onset", "span": "clip"}, "needs a span from the onset"),
            (Frames, {"difference": "onset", "span": "onset", "count": 1}, "needs a span from the onset"),
            (FrameTimes, {"frames": {"count": 0}}, "greater than or equal to 1"),
        )
    ):
        with pytest.raises(ValidationError, match=why):
            kind.model_validate(settings)


def test_a_shifted_version_is_drawn_for_each_clip():
    values = np.arange(4 * 3).reshape(4, 3, 1)  # clip, version
    one = ArrayInput(Flow(apex_jitter=1), values)
    assert one.batch()[:, 0].tolist() == [0, 3, 6, 9]
    draws = [one.batch(rng=np.random.default_rng(seed))[:, 0] for seed in range(30)]
    assert {tuple(draw // 3) for draw in draws} == {(0, 1, 2, 3)}
    assert [set(column % 3) for column in np.transpose(draws)] == [{0, 1, 2}] * 4
    taken = one.take(np.array([2]))
    assert taken.batch()[:, 0].tolist() == [6]
    assert {int(taken.batch(rng=np.random.default_rng(seed))[0, 0]) for seed in range(30)} == {6, 7, 8}


PAIR = {"span": "onset-apex", "count": 2}


def _ragged(*counts):
    """Return clips with so many versions: the arrays [clip, version]."""
    found = np.empty(len(counts), dtype=object)
    for clip, count in enumerate(counts):
        found[clip] = np.array([[clip, version] for version in range(count)])
    return found


def test_draws_of_one_stream_stay_those_of_earlier_versions():
    one = ArrayInput(Flow(apex_jitter=1), np.arange(8 * 3).reshape(8, 3))
    drawn = one.batch(rng=np.random.default_rng(5))
    assert (drawn % 3).tolist() == [2, 2, 0, 2, 1, 1, 1, 0]


def test_clips_draw_among_their_own_versions():
    one = ArrayInput(Frames(onset_draw=(0, 0.1), **PAIR), _ragged(3, 1, 2))
    assert one.batch().tolist() == [[0, 0], [1, 0], [2, 0]]
    draws = np.array([one.batch(rng=np.random.default_rng(seed)) for seed in range(60)])
    assert [set(column) for column in draws[:, :, 1].T] == [{0, 1, 2}, {0}, {0, 1}]
    assert (draws[:, :, 0] == [0, 1, 2]).all()
    taken = one.take(np.array([2]))
    assert {int(taken.batch(rng=np.random.default_rng(seed))[0, 1]) for seed in range(30)} == {0, 1}
    taken.batch()[:] = 9
    assert taken.batch().tolist() == [[2, 0]]


def test_inputs_with_the_same_draws_draw_the_same_versions():
    frames = Frames(onset_draw=(0, 0.1), **PAIR)
    arrays = {
        "frames": ArrayInput(frames, _ragged(3, 1, 2, 3)),
        "flow": ArrayInput(Flow(apex_jitter=1), np.arange(12).reshape(4, 3)),
        "small": ArrayInput(frames.model_copy(update={"size": 8}), _ragged(3, 1, 2, 3)),
        "times": ArrayInput(FrameTimes(frames=frames), _ragged(3, 1, 2, 3)),
        "other": ArrayInput(frames.model_copy(update={"onset_draw": (0, 0.2)}), _ragged(3, 1, 2, 3)),
        "plain": ArrayInput(Flow(), np.arange(4)),
    }
    inputs, differ = Inputs(arrays, 4), 0
    for seed in range(20):
        found = inputs.batch(rng=np.random.default_rng(seed))
        assert list(found) == list(arrays)
        assert found["frames"].tolist() == found["small"].tolist() == found["times"].tolist()
        assert found["plain"].tolist() == [0, 1, 2, 3]
        differ += found["frames"].tolist() != found["other"].tolist()
        rng = np.random.default_rng(seed)  # those that draw do so in their order, each from the same stream
        assert found["frames"].tolist() == arrays["frames"].batch(rng=rng).tolist()
        assert found["flow"].tolist() == arrays["flow"].batch(rng=rng).tolist()
    assert differ
    rows = np.array([3, 0])
    assert {name: values[:, 0].tolist() for name, values in inputs.batch(rows).items() if values.ndim == 2} == {
        name: [3, 0] for name in ("frames", "small", "times", "other")
    }


def test_padded_frames_are_marked():
    values = np.empty(3, dtype=object)
    values[:] = [np.full((count, 2), 7 + count, np.uint8) for count in (3, 5, 4)]
    one = ArrayInput(Frames(count=None), values)
    padded, mask = one.padded(np.array([0, 2]))
    assert (padded.shape, padded.dtype, mask.dtype) == ((2, 4, 2), np.uint8, np.bool_)
    assert mask.tolist() == [[True, True, True, False], [True] * 4]
    assert padded[:, :, 0].tolist() == [[10, 10, 10, 0], [11] * 4]
    whole, mask = one.padded()
    for clip, count in enumerate((3, 5, 4)):
        np.testing.assert_array_equal(whole[clip][mask[clip]], values[clip])
        assert mask[clip].sum() == count
    whole, mask = ArrayInput(Flow(), np.ones((2, 3, 1))).padded()  # of one length already
    assert (whole.shape, mask.all()) == ((2, 3, 1), True)


def test_clips_of_several_lengths_are_copied_one_by_one():
    values = np.empty(2, dtype=object)
    values[:] = [np.zeros(3), np.zeros(5)]
    one = ArrayInput(Frames(count=None), values)
    for handed in (one.batch(), one.take(np.array([0, 1])).batch()):
        handed[0][:] = 9
    assert one.batch()[0].tolist() == [0, 0, 0]
    assert [len(clip) for clip in one.batch(np.array([1]))] == [5]
