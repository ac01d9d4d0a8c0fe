import numpy as np
import pytest

from merbench.contracts.errors import PredictionError
from merbench.contracts.inputs import Flow
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, declared_inputs

THREE = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("1", "4"))
GOOD = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "uint8"])
def test_real_numbers_of_any_kind_become_float64_scores(kind):
    checked = Prediction((GOOD * 10).astype(kind)).check(2, THREE)
    assert checked.scores.dtype == np.float64
    assert checked.scores.tolist() == (GOOD * 10).astype(kind).astype(float).tolist()
    assert checked.labels is None


def test_lists_are_taken_too():
    assert Prediction([[1, 2, 3], [3, 2, 1]], [0, 1]).check(2, THREE).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    "scores",
    [
        GOOD[:1],
        GOOD[:, :2],
        GOOD.T,
        GOOD.ravel(),
        GOOD[None],
        None,
        np.array(GOOD, dtype=str),
        np.array(GOOD, dtype=object),
        GOOD > 0.5,
        GOOD.astype(complex),
    ],
    ids=["clips", "classes", "turned", "flat", "batched", "none", "text", "objects", "truths", "complex"],
)
def test_scores_of_the_wrong_shape_or_type_are_refused(scores):
    with pytest.raises(
        PredictionError, match=r"scores (have shape .*, expected \(2, 3\)|are .*, expected real numbers)"
    ):
        Prediction(scores).check(2, THREE)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_no_finite_number_are_counted_by_clip(value):
    scores = GOOD.copy()
    scores[1, :2] = value
    with pytest.raises(PredictionError, match="1 of 2 clips have NaN or infinite scores"):
        Prediction(scores).check(2, THREE)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 3]),
        np.array([-1, 0]),
        np.array([0]),
        np.array([[0, 1]]),
        np.array([0.0, 1.0]),
        np.array(["0", "1"]),
        GOOD,
    ],
    ids=["above", "below", "short", "nested", "floats", "text", "scores"],
)
def test_labels_that_are_no_class_of_each_clip_are_refused(labels):
    with pytest.raises(PredictionError, match="labels"):
        Prediction(GOOD, labels).check(2, THREE)


def test_labels_are_for_classification_only():
    scores = np.array([[1.0, -1.0]])
    assert Prediction(scores).check(1, UNITS).scores.tolist() == scores.tolist()
    with pytest.raises(PredictionError, match="AU detection"):
        Prediction(scores, np.array([0])).check(1, UNITS)


def test_the_decision_is_the_label_or_else_the_first_largest_score():
    assert Prediction(GOOD).decisions().tolist() == [1, 0]
    assert Prediction(GOOD, np.array([2, 1])).decisions().tolist() == [2, 1]


def test_a_stream_depends_on_the_seed_and_its_name_and_starts_afresh_at_each_call():
    run = RunContext(seed=7)
    assert (
        run.rng("shuffle").random()
        == run.rng("shuffle").random()
        == RunContext(seed=7, device="cuda:0").rng("shuffle").random()
    )
    seeds = {run.stream_seed("shuffle"), run.stream_seed("init"), RunContext(seed=8).stream_seed("shuffle")}
    assert len(seeds) == 3


def test_an_epoch_is_told_to_the_harness_and_its_answer_comes_back():
    told = []
    run = RunContext(seed=0, on_epoch=lambda epoch, method: told.append((epoch, method)) or epoch == 2)
    assert [run.epoch_end(epoch, "me") for epoch in (1, 2)] == [False, True]
    assert told == [(1, "me"), (2, "me")]
    assert RunContext(seed=0).epoch_end(1, "me") is False


def test_progress_keeps_the_last_word():
    run = RunContext(seed=0)
    run.progress(1, 5)
    run.progress(2, 5)
    assert (run.progress.done, run.progress.total) == (2, 5)


def test_auxiliary_data_that_no_card_declares_is_refused():
    with pytest.raises(LookupError, match="'samm-lv' is not declared"):
        RunContext(seed=0).auxiliary("samm-lv")


def test_a_method_asks_for_what_its_card_says_unless_it_declares_itself():
    class Plain:
        pass

    class Sized:
        @classmethod
        def declare_inputs(cls, config):
            return {"flow": Flow(size=config.size)}

    class Config(MethodConfig):
        size: int = 56

    assert declared_inputs(Plain, {"flow": Flow()}, MethodConfig()) == {"flow": Flow()}
    assert declared_inputs(Sized, {"flow": Flow()}, Config()) == {"flow": Flow(size=56)}
