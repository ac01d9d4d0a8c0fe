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
    Frames,
    Inputs,
    InputSpec,
    Landmarks,
)

SPECS = [Flow(), Frames(), DynamicImage(), Landmarks(), ActionUnits(), ClipFacts(facts=("seconds",))]


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
    assert len({str(spec) for spec in [*SPECS, Flow(mask="face"), Frames(sampling="phase"), Flow(align="frame")]}) == 9


def test_contradictory_settings_are_refused():
    for kind, settings, why in each(
        (
            (Flow, {"normalise": "hsv"}, "channels u and v"),
            (Flow, {"channels": ()}, "at least one channel"),
            (Frames, {"sampling": "phase", "count": 2}, "at least 3"),
            (Frames, {"sampling": "phase", "span": "onset-apex"}, "span onset-offset"),
            (Frames, {"sampling": "interpolated", "count": None}, "need a count"),
            (Frames, {"onset_jitter": 1, "count": None}, "need a count"),
            (Frames, {"apex_jitter": 1}, "the span onset-offset"),
            (Frames, {"onset_jitter": 1, "span": "clip"}, "the span clip"),
            (Flow, {"apex_jitter": 1, "span": "onset-offset"}, "the span onset-offset"),
            (Flow, {"apex_jitter": 1, "span": "clip"}, "the span clip"),
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


def test_clips_of_several_lengths_are_copied_one_by_one():
    values = np.empty(2, dtype=object)
    values[:] = [np.zeros(3), np.zeros(5)]
    one = ArrayInput(Frames(count=None), values)
    for handed in (one.batch(), one.take(np.array([0, 1])).batch()):
        handed[0][:] = 9
    assert one.batch()[0].tolist() == [0, 0, 0]
    assert [len(clip) for clip in one.batch(np.array([1]))] == [5]
