"""The floor and the classical baseline of AU detection."""

import numpy as np
import pytest

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.plan.catalogue import METHODS

PROBLEM = Problem("au-detection", ("4", "12", "20"))


def _inputs(rng, labels):
    """Make flow images in which unit 4 brightens the upper half and unit 12 the lower."""
    flow = rng.integers(0, 100, (len(labels), 28, 28, 3), dtype=np.uint8)
    flow[:, :14] += (np.nan_to_num(labels[:, :1, None, None]) * 120).astype(np.uint8)
    flow[:, 14:] += (np.nan_to_num(labels[:, 1:2, None, None]) * 120).astype(np.uint8)
    return Inputs({"flow": ArrayInput(Flow(), flow)}, len(labels))


@pytest.fixture
def train():
    rng = np.random.default_rng(0)
    labels = np.column_stack([rng.integers(0, 2, (40, 2)), np.zeros(40)]).astype(float)
    inputs = _inputs(rng, labels)
    labels[:10, 0] = np.nan  # these are not annotated
    names = np.array(["samm/1"] * 40, dtype=object)
    return TrainingData(inputs, labels, PROBLEM, names, names)


def _fitted(name, train):
    found = METHODS.get(name)
    method = found.cls(found.resolve(), PROBLEM)
    method.fit(train, RunContext(0))
    return method


def test_the_baseline_finds_what_brightens_the_image_and_never_what_was_never_shown(train):
    rng = np.random.default_rng(1)
    labels = np.column_stack([rng.integers(0, 2, (20, 2)), np.zeros(20)]).astype(float)
    prediction = _fitted("svm-flow-aus", train).predict(_inputs(rng, labels)).check(20, PROBLEM)
    assert np.array_equal(prediction.scores > 0, labels == 1)


def test_a_unit_that_every_training_clip_shows_is_always_shown(train):
    train.labels[:, 2] = 1
    assert (_fitted("svm-flow-aus", train).predict(train.inputs).scores[:, 2] > 0).all()


def test_the_floor_says_that_every_unit_is_shown(train):
    assert (_fitted("always-shown", train).predict(train.inputs).check(40, PROBLEM).scores > 0).all()


@pytest.mark.parametrize("name", ["always-shown", "svm-flow-aus"])
def test_they_detect_action_units_and_nothing_else(name):
    assert METHODS.get(name).card.tasks == ("au-detection",)
