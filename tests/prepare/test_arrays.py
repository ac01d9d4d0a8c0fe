import numpy as np
import pandas as pd
import pytest

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading, Source
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ArrayInput, DynamicImage, Flow, Inputs, Landmarks
from merbench.databases.megc2019_flow28 import DATABASE, FLOW
from merbench.prepare.arrays import input_digests, missing_inputs, prepare_inputs


class Constant:
    """A release of one dataset, whose clips are called after the number that fills their values."""

    def __init__(self, dataset, offers=(FLOW,), short=0):
        self.card = DatabaseCard(
            name=dataset, title="x", datasets={dataset: "x"}, licence="x", source="x", offers=offers
        )
        self._short = short

    def recognises(self, folder):
        return False

    def read(self, folder):
        raise NotImplementedError

    def arrays(self, folder, clips, spec):
        values = np.array([int(name) for name in clips["clip"]], dtype=np.uint8)
        return np.tile(values[self._short :, None, None], (1, 2, 3))


def _source(database, tmp_path, numbers):
    rows = pd.DataFrame({"dataset": database.card.name, "subject": "s", "clip": [str(number) for number in numbers]})
    return Source(database, tmp_path, Reading(clip_table(rows, "test"), "none"))


@pytest.fixture
def sources(tmp_path):
    return [_source(Constant("mine"), tmp_path, [1, 2, 3]), _source(Constant("yours"), tmp_path, [4, 5])]


def _all_clips(sources):
    return pd.concat([source.clips for source in sources], ignore_index=True)


def test_values_of_several_sources_stay_with_their_clips_in_any_order(sources):
    clips = _all_clips(sources).sample(frac=1, random_state=2)
    inputs = prepare_inputs(sources, clips, {"flow": FLOW, "again": FLOW})
    assert inputs.clips == 5
    assert sorted(inputs.names()) == ["again", "flow"]
    for name in inputs.names():
        assert inputs[name].batch().shape == (5, 2, 3)
        assert inputs[name].batch()[:, 0, 0].tolist() == clips["clip"].astype(int).tolist()
        assert inputs[name].spec == FLOW


def test_some_of_the_clips_may_be_asked_for(sources):
    clips = _all_clips(sources).iloc[[4, 1]]
    assert prepare_inputs(sources, clips, {"flow": FLOW})["flow"].batch()[:, 0, 0].tolist() == [5, 2]


def test_a_method_without_inputs_is_served_by_anything(tmp_path):
    sources = [_source(Constant("mine", offers=None), tmp_path, [1, 2])]
    assert missing_inputs(sources, {}) == []
    assert prepare_inputs(sources, sources[0].clips, {}).clips == 2


def test_what_a_source_cannot_give_is_told_with_what_it_has(tmp_path):
    sources = [
        _source(Constant("mine"), tmp_path, [1]),
        _source(Constant("yours", offers=(FLOW, DynamicImage())), tmp_path, [2]),
        _source(Constant("frames", offers=None), tmp_path, [3]),
    ]
    wanted = {"image": DynamicImage(), "flow": Flow(size=56)}
    said = missing_inputs(sources, wanted)
    assert said == [
        f"input 'image', {DynamicImage()}: mine has only {FLOW}",
        f"input 'flow', {Flow(size=56)}: mine has only {FLOW}",
        f"input 'flow', {Flow(size=56)}: yours has only {FLOW}; {DynamicImage()}",
        f"input 'image', {DynamicImage()}: frames has no ready-made arrays",
        f"input 'flow', {Flow(size=56)}: frames has no ready-made arrays",
    ]
    with pytest.raises(MerbenchError, match="this data can't serve input 'image'") as caught:
        prepare_inputs(sources, _all_clips(sources), wanted)
    assert all(line in str(caught.value) for line in said)


def test_a_source_that_gives_too_few_arrays_is_named(tmp_path):
    sources = [_source(Constant("mine", short=1), tmp_path, [1, 2, 3])]
    with pytest.raises(MerbenchError, match=r"mine gave 2 arrays of flow.* for 3 clips"):
        prepare_inputs(sources, sources[0].clips, {"flow": FLOW})


def test_clips_that_no_source_holds_are_refused(sources):
    with pytest.raises(MerbenchError, match="yours"):
        prepare_inputs(sources[:1], _all_clips(sources), {"flow": FLOW})


def test_the_release_serves_its_own_input(small_release):
    source = Source(DATABASE, small_release, DATABASE.read(small_release))
    inputs = prepare_inputs([source], source.clips, {"flow": FLOW})
    np.testing.assert_array_equal(inputs["flow"].batch(), DATABASE.arrays(small_release, source.clips, FLOW))


def _digest(values, spec=FLOW):
    return input_digests(Inputs({"flow": ArrayInput(spec, values)}, len(values)))["flow"]


def test_a_digest_changes_with_values_order_type_shape_and_specification():
    values = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    changed = values.copy()
    changed[3, 1, 2] += 1
    digests = [
        _digest(values),
        _digest(changed),
        _digest(values[::-1]),
        _digest(values.view(np.int8)),
        _digest(values.reshape(4, 3, 2)),
        _digest(values, Flow(size=56)),
        _digest(values, Landmarks()),
    ]
    assert len(set(digests)) == len(digests)


def test_a_digest_does_not_depend_on_how_values_lie_in_memory():
    values = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    assert _digest(np.asfortranarray(values)) == _digest(np.repeat(values, 2, axis=0)[::2]) == _digest(values)


def test_each_input_has_its_own_digest():
    values = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    found = input_digests(Inputs({"b": ArrayInput(FLOW, values), "a": ArrayInput(FLOW, values + 1)}, 4))
    assert found == {"a": _digest(values + 1), "b": _digest(values)}
    assert input_digests(Inputs({}, 4)) == {}
