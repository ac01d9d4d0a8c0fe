import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from merbench.contracts.errors import PredictionError
from merbench.contracts.inputs import Flow
from merbench.contracts.methods import (
    MethodConfig,
    Prediction,
    Problem,
    RunContext,
    check_diagnostics,
    declared_inputs,
)

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


# --- diagnostics ----------------------------------------------------------------------------------------------------


def told(clips=3):
    """Give one array of each kind, for some clips."""
    rng = np.random.default_rng(2)
    return {
        "feature/motion": rng.standard_normal((clips, 5)),
        "feature/emotion-2": rng.standard_normal((clips, 4)).astype(np.float16),
        "gate/motion": rng.random(clips),
        "gate/tokens": rng.random((clips, 6)).astype(np.float32),
        "kept/0": np.ones((clips, 2, 3), dtype=bool),
        "kept/0.25": rng.random((clips, 2, 3)) > 0.25,
        "au/4": rng.standard_normal(clips),
        "au/12": rng.standard_normal(clips),
        "face": rng.integers(0, 256, (clips, 8, 9), dtype=np.uint8),
    }


def test_diagnostics_of_every_kind_are_taken_floats_in_single_precision():
    given, checked = told(), check_diagnostics(told(), 3)
    assert list(checked) == list(given)
    for name, values in checked.items():
        expected = np.float32 if given[name].dtype.kind == "f" else given[name].dtype
        assert values.dtype == expected
        np.testing.assert_array_equal(values, given[name].astype(expected))


def test_diagnostics_are_copies_that_the_method_can_no_longer_reach():
    given = {"gate/a": np.zeros(2, np.float32), "face": np.zeros((2, 1, 1), np.uint8), "au/1": np.zeros(2, np.float32)}
    checked = check_diagnostics(given, 2)
    for values in given.values():
        values[...] = 1
    assert not any(values.any() for values in checked.values())


def test_a_method_may_have_nothing_to_tell():
    assert check_diagnostics({}, 3) == {}


@pytest.mark.parametrize("found", [None, [("face", 1)], np.zeros(3)], ids=["none", "pairs", "array"])
def test_diagnostics_that_are_no_dict_are_refused(found):
    with pytest.raises(PredictionError, match=f"^diagnose returned {type(found).__name__}, expected a dict of arrays$"):
        check_diagnostics(found, 3)


@pytest.mark.parametrize(
    "name",
    [
        "features/motion", "feature", "feature/", "feature/Motion", "feature/../x", "feature/a/b", "feature/a\n",
        "gates/motion", "kept/1", "kept/1.5", "kept/most", "kept/.5", "kept/0.", "au/x", "au/0", "au/012", "au/121",
        "face/onset", "Face", "", 12, None,
    ],
)  # fmt: skip
def test_a_name_of_no_known_kind_is_refused(name):
    with pytest.raises(PredictionError) as raised:
        check_diagnostics(told() | {name: np.zeros((3, 2))}, 3)
    assert str(raised.value).startswith(f"diagnose returned {name!r}, expected names of the form feature/<name>, ")


FEW = np.zeros((2, 5))
UNFIT = {
    "too few clips": ("feature/motion", FEW, r"float64 of shape \(2, 5\), expected float of shape \(3, d\)"),
    "turned": ("feature/motion", np.zeros((5, 3)), r"of shape \(5, 3\), expected float of shape \(3, d\)"),
    "flat feature": ("feature/motion", np.zeros(3), r"of shape \(3,\), expected float of shape \(3, d\)"),
    "maps as a feature": ("feature/motion", np.zeros((3, 2, 2)), r"expected float of shape \(3, d\)"),
    "empty feature": ("feature/motion", np.zeros((3, 0)), r"expected float of shape \(3, d\)"),
    "a number": ("feature/motion", np.float64(3), "is a float64, expected a NumPy array"),
    "no axis": ("gate/motion", np.array(0.5), r"of shape \(\), expected float of shape \(3,\) or \(3, d\)"),
    "list": ("au/12", [0.1, 0.2, 0.3], "is a list, expected a NumPy array"),
    "objects": ("au/12", np.array([0.1, 0.2, 0.3], dtype=object), r"object of shape \(3,\), expected float"),
    "text": ("au/12", np.array(["a", "b", "c"]), "expected float"),
    "whole numbers": ("feature/motion", np.zeros((3, 2), dtype=int), "is int64 .*expected float"),
    "truths as a gate": ("gate/motion", np.ones(3, dtype=bool), "is bool .*expected float"),
    "complex": ("au/12", np.zeros(3, dtype=complex), "expected float"),
    "scores as kept": ("kept/0.5", np.zeros((3, 2, 2)), r"expected bool of shape \(3, h, w\)"),
    "kept in a row": ("kept/0.5", np.ones((3, 4), dtype=bool), r"expected bool of shape \(3, h, w\)"),
    "bright face": ("face", np.zeros((3, 4, 4)), r"expected uint8 of shape \(3, h, w\)"),
    "coloured face": ("face", np.zeros((3, 4, 4, 3), np.uint8), r"expected uint8 of shape \(3, h, w\)"),
    "NaN": ("feature/motion", np.array([[0.0, np.nan], [1.0, 1.0], [np.nan, 0.0]]), "NaN .* for 2 of 3 clips"),
    "infinite": ("au/12", np.array([0.0, np.inf, 0.0]), "infinite values for 1 of 3 clips"),
    "too large": ("feature/motion", np.array([[0.0], [1e300], [0.0]]), "infinite values for 1 of 3 clips"),
    "gate above": ("gate/motion", np.array([0.0, 0.5, 1.25]), r"gate/motion lies in 0\.\.1\.25, expected 0\.\.1"),
    "gate below": ("gate/motion", np.array([[-0.5], [0.5], [1.0]]), r"lies in -0\.5\.\.1, expected 0\.\.1"),
}


@pytest.mark.parametrize("mistake", UNFIT)
def test_an_array_that_is_not_what_its_name_says_is_refused_in_a_line(mistake):
    name, array, message = UNFIT[mistake]
    with pytest.raises(PredictionError, match=message) as raised:
        check_diagnostics(told() | {name: array}, 3)
    assert str(raised.value).startswith(f"diagnose: {name} ")
    assert "\n" not in str(raised.value)


def test_a_gate_may_leave_its_bounds_by_rounding_only():
    checked = check_diagnostics({"gate/motion": np.array([-1e-7, 0.5, 1 + 1e-6])}, 3)
    np.testing.assert_allclose(checked["gate/motion"], [0, 0.5, 1], atol=0)
    with pytest.raises(PredictionError, match=r"expected 0\.\.1"):
        check_diagnostics({"gate/motion": np.array([0.0, 0.5, 1 + 1e-4])}, 3)


@given(
    values=arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        st.tuples(st.integers(1, 6), st.integers(1, 4)),
        elements={"allow_nan": True, "allow_infinity": True},
    )
)
def test_a_feature_is_refused_or_finite_and_then_passes_again_as_it_is(values):
    try:
        (checked,) = check_diagnostics({"feature/any": values}, len(values)).values()
    except PredictionError:
        with np.errstate(over="ignore"):
            assert not np.isfinite(values.astype(np.float32)).all()
        return
    assert np.isfinite(checked).all()
    assert checked.shape == values.shape
    np.testing.assert_array_equal(check_diagnostics({"feature/any": checked}, len(values))["feature/any"], checked)
