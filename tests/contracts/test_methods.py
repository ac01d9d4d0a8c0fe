import numpy as np
import pytest

from merbench.contracts.errors import PredictionError
from merbench.contracts.inputs import Flow
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, declared_inputs

THREE = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("1", "4"))
GOOD = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])


def test_real_scores_become_float64():
    for kind in ("float64", "float32", "float16", "int64", "uint8"):
        checked = Prediction((GOOD * 10).astype(kind)).check(2, THREE)
        assert checked.scores.dtype == np.float64
        assert checked.scores.tolist() == (GOOD * 10).astype(kind).astype(float).tolist()
        assert checked.labels is None
    assert Prediction([[1, 2, 3], [3, 2, 1]], [0, 1]).check(2, THREE).labels.tolist() == [0, 1]


def test_scores_of_wrong_shape_or_type_are_refused():
    for scores in (GOOD[:1], GOOD[:, :2], GOOD.T, GOOD.ravel(), GOOD[None], None):
        with pytest.raises(PredictionError, match=r"scores have shape .*, expected \(2, 3\)"):
            Prediction(scores).check(2, THREE)
    for scores in (np.array(GOOD, dtype=str), np.array(GOOD, dtype=object), GOOD > 0.5, GOOD.astype(complex)):
        with pytest.raises(PredictionError, match=f"scores are {scores.dtype}, expected real numbers"):
            Prediction(scores).check(2, THREE)
    for value in (float("nan"), float("inf"), -float("inf")):
        scores = GOOD.copy()
        scores[1, :2] = value
        with pytest.raises(PredictionError, match="1 of 2 clips have NaN or infinite scores"):
            Prediction(scores).check(2, THREE)


def test_labels_are_classes_and_decide_before_the_first_maximum():
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(PredictionError, match=r"labels must be 0\.\.2 .*surprise"):
            Prediction(GOOD, np.array(labels)).check(2, THREE)
    for labels in ([0], [[0, 1]], [0.0, 1.0], ["0", "1"], GOOD):
        with pytest.raises(PredictionError, match=r"labels are .*, expected integers of shape"):
            Prediction(GOOD, np.array(labels)).check(2, THREE)
    scores = np.array([[1.0, -1.0]])
    assert Prediction(scores).check(1, UNITS).scores.tolist() == scores.tolist()
    with pytest.raises(PredictionError, match="AU detection"):
        Prediction(scores, np.array([0])).check(1, UNITS)
    assert Prediction(GOOD).decisions().tolist() == [1, 0]
    assert Prediction(GOOD, np.array([2, 1])).decisions().tolist() == [2, 1]


def test_stream_depends_on_seed_and_name_only():
    run = RunContext(seed=7)
    same = [run, run, RunContext(seed=7, device="cuda:0")]
    assert len({each.rng("shuffle").random() for each in same}) == 1
    seeds = {run.stream_seed("shuffle"), run.stream_seed("init"), RunContext(seed=8).stream_seed("shuffle")}
    assert len(seeds) == 3


def test_epochs_and_progress_reach_the_harness():
    reported = []
    run = RunContext(seed=0, on_epoch=lambda epoch, method: reported.append((epoch, method)) or epoch == 2)
    assert [run.epoch_end(epoch, "method") for epoch in (1, 2)] == [False, True]
    assert reported == [(1, "method"), (2, "method")]
    assert RunContext(seed=0).epoch_end(1, "method") is False
    run.progress(1, 5)
    run.progress(2, 5)
    assert (run.progress.done, run.progress.total) == (2, 5)
    with pytest.raises(LookupError, match=r"'samm-lv'.*not declared"):
        RunContext(seed=0).auxiliary("samm-lv")


def test_inputs_are_those_of_the_method_or_its_card():
    class Plain:
        pass

    class Sized:
        @classmethod
        def declare_inputs(cls, config):
            return {"flow": Flow(size=config.size)}

    class OfTasks(Sized):
        @classmethod
        def declare_inputs(cls, config, task):
            return super().declare_inputs(config) if task == "classification" else {}

    class Config(MethodConfig):
        size: int = 56

    card = {"flow": Flow()}
    for task, sized in (("classification", {"flow": Flow(size=56)}), ("au-detection", {})):
        assert declared_inputs(Plain, card, MethodConfig(), task) == card
        assert declared_inputs(Sized, card, Config(), task) == {"flow": Flow(size=56)}  # it does not know the task
        assert declared_inputs(OfTasks, card, Config(), task) == sized
    with pytest.raises(ValueError, match="size must be a number, not true"):
        Config(size=True)
