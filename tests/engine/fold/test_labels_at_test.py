"""Inputs that are labels are for training: test clips come without them, unless the card admits it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from merbench.contracts.clips import clip_table
from merbench.contracts.inputs import ActionUnits, ArrayInput, Flow, Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split


class Seeing:
    """Notes which inputs it is handed in training and in testing."""

    Config = MethodConfig

    def __init__(self, config, problem):
        pass

    def fit(self, train, run):
        self.trained = sorted(train.inputs.names())

    def predict(self, inputs):
        given = len(list(inputs.names()))
        return Prediction(np.tile([float(len(self.trained)), float(given)], (inputs.clips, 1)))


@pytest.fixture
def task():
    rows = pd.DataFrame({"dataset": "d", "subject": list("abc"), "clip": "x", "emotion": ["no", "yes", "no"]})
    spec = ProtocolSpec(
        name="toy", title="Toy", summary="A toy.", source={"text": "tests"}, classes=("no", "yes"),
        datasets={"d": {"title": "D", "classes": {}}}, folds="leave-one-subject-out",
    )  # fmt: skip
    arrays = {
        "flow": ArrayInput(Flow(), np.zeros((3, 28, 28, 3), dtype=np.uint8)),
        "units": ArrayInput(ActionUnits(vocabulary=(1, 2)), np.zeros((3, 2))),
    }
    return FoldTask(Seeing, MethodConfig(), make_split(spec, clip_table(rows, "here")), Inputs(arrays, 3), 0)


@pytest.mark.parametrize(("admitted", "given"), [(False, 1.0), (True, 2.0)])
def test_test_clips_lack_action_units_unless_disclosed(task, admitted, given):
    found = run_fold(replace(task, au_labels_at_test=admitted), "d/a")
    assert found.failure is None, found.failure.traceback
    assert found.predictions.score_no.tolist() == [2.0]  # in training both are there
    assert found.predictions.score_yes.tolist() == [given]


def test_unlabelled_clips_lack_action_units(task):
    class Curious(Seeing):
        def fit(self, train, run):
            self.trained = sorted(train.unlabelled.names())

    found = run_fold(replace(task, method=Curious, transductive=True), "d/a")
    assert found.predictions.score_no.tolist() == [1.0]
