import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from merbench.contracts.inputs import ActionUnits, ArrayInput, DynamicImage, Flow, Frames, Inputs, InputSpec, Landmarks

SPECS = [Flow(), Frames(), DynamicImage(), Landmarks(), ActionUnits()]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_a_specification_survives_being_written(spec):
    assert TypeAdapter(InputSpec).validate_python(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_a_specification_refuses_what_it_does_not_know(spec):
    with pytest.raises(ValidationError, match="Extra inputs"):
        TypeAdapter(InputSpec).validate_python(spec.model_dump(mode="json") | {"colour_space": "lab"})


def test_a_specification_is_named_by_its_kind_and_settings():
    assert str(Flow(size=56)) == "flow(onset-apex, 56, u/v/strain, tvl1, clip)"
    assert str(Flow(apex_jitter=2)) != str(Flow(apex_jitter=3)) != str(Flow())


def test_a_batch_holds_the_rows_asked_for_in_their_order():
    values = np.arange(12).reshape(4, 3)
    one = ArrayInput(Flow(), values)
    assert one.batch(np.array([2, 0])).tolist() == [[6, 7, 8], [0, 1, 2]]
    assert one.batch(slice(1, 3)).tolist() == values[1:3].tolist()
    assert one.batch().tolist() == values.tolist()


def test_what_is_taken_is_a_copy_that_holds_no_other_clip():
    values = np.arange(12).reshape(4, 3)
    inputs = Inputs({"flow": ArrayInput(Flow(), values)}, 4)
    taken = inputs.take(np.array([1, 2]))
    assert taken.clips == 2
    assert list(taken.names()) == ["flow"]
    array = taken["flow"].batch()
    assert not np.shares_memory(array, values)
    assert array.base is None or array.base.shape == array.shape
    array[:] = -1
    assert values.min() == 0


def test_a_method_may_take_clips_without_declaring_an_input():
    assert Inputs({}, 4).take(np.array([1, 2, 3])).clips == 3
