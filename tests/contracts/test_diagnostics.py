import numpy as np
import pytest

from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.errors import PredictionError


def examples(clips=3):
    """Return one array of each kind, for some clips."""
    rng = np.random.default_rng(2)
    return {
        "feature/motion": rng.standard_normal((clips, 5)),
        "feature/emotion-2": rng.standard_normal((clips, 4)).astype(np.float16),
        "gate/motion": rng.random(clips),
        "gate/tokens": rng.random((clips, 6)).astype(np.float32),
        "kept/0": np.ones((clips, 2, 3), dtype=bool),
        "kept/0.25": rng.random((clips, 2, 3)) > 0.25,
        "attention/block-1": rng.random((clips, 2, 3)),
        "time/attention": rng.random((clips, 5)),
        "graph/layer-2": rng.random((clips, 4, 4)),
        "au/4": rng.standard_normal(clips),
        "au/12": rng.standard_normal(clips),
        "face": rng.integers(0, 256, (clips, 8, 9), dtype=np.uint8),
        "picture/motion": rng.integers(0, 256, (clips, 8, 9), dtype=np.uint8),
        "picture/apex": rng.integers(0, 256, (clips, 8, 9, 3), dtype=np.uint8),
    }


def test_every_kind_is_taken_floats_as_float32():
    found = examples()
    checked = check_diagnostics(found, 3)
    assert list(checked) == list(found)
    for name, values in checked.items():
        expected = np.float32 if found[name].dtype.kind == "f" else found[name].dtype
        assert values.dtype == expected
        np.testing.assert_array_equal(values, found[name].astype(expected))
        assert not np.shares_memory(values, found[name])
    assert check_diagnostics({}, 3) == {}


def test_diagnostics_must_be_a_dict_of_known_names():
    for found in (None, [("face", 1)], np.zeros(3)):
        with pytest.raises(PredictionError, match=f"returned {type(found).__name__}, expected a dict"):
            check_diagnostics(found, 3)
    wrong = (
        *("features/motion", "feature", "feature/", "feature/Motion", "feature/../x", "feature/a/b", "feature/a\n"),
        *("gates/motion", "kept/1", "kept/1.5", "kept/most", "kept/.5", "kept/0.", "au/x", "au/0", "au/012", "au/121"),
        *("face/onset", "Face", "", 12, None),
    )
    for name in wrong:
        with pytest.raises(PredictionError) as raised:
            check_diagnostics(examples() | {name: np.zeros((3, 2))}, 3)
        assert repr(name) in str(raised.value)
        assert "feature/<name>" in str(raised.value)


NAN = np.array([[0.0, np.nan], [1.0, 1.0], [np.nan, 0.0]])
UNFIT = [
    ("feature/motion", np.zeros((2, 5)), r"float64 of shape \(2, 5\), expected float of shape \(3, d\)"),
    ("feature/motion", np.zeros(3), r"of shape \(3,\), expected float of shape \(3, d\)"),
    ("feature/motion", np.zeros((3, 2, 2)), r"expected float of shape \(3, d\)"),
    ("feature/motion", np.zeros((3, 0)), r"expected float of shape \(3, d\)"),
    ("feature/motion", np.zeros((3, 2), dtype=int), "is int64 .*expected float"),
    ("feature/motion", np.float64(3), "is a float64, expected a NumPy array"),
    ("feature/motion", NAN, "NaN .* for 2 of 3 clips"),
    ("feature/motion", np.array([[0.0], [1e300], [0.0]]), "infinite values for 1 of 3 clips"),
    ("gate/motion", np.array(0.5), r"of shape \(\), expected float of shape \(3,\) or \(3, d\)"),
    ("gate/motion", np.ones(3, dtype=bool), "is bool .*expected float"),
    ("gate/motion", np.array([0.0, 0.5, 1.25]), r"0\.\.1\.25, expected 0\.\.1"),
    ("gate/motion", np.array([[-0.5], [0.5], [1.0]]), r"-0\.5\.\.1, expected 0\.\.1"),
    ("gate/motion", np.array([0.0, 0.5, 1 + 1e-4]), r"expected 0\.\.1"),
    ("attention/a", np.full((3, 2, 2), 1.5), r"1\.5\.\.1\.5, expected 0\.\.1"),
    ("attention/a", np.zeros((3, 4)), r"expected float of shape \(3, h, w\)"),
    ("time/a", np.full((3, 4), -0.5), r"expected 0\.\.1"),
    ("time/a", np.zeros(3), r"expected float of shape \(3, t\)"),
    ("graph/a", np.zeros((3, 4, 5)), r"of shape \(3, 4, 5\), expected float of shape \(3, v, v\)"),
    ("graph/a", np.full((3, 4, 4), 2.0), r"expected 0\.\.1"),
    ("au/12", [0.1, 0.2, 0.3], "is a list, expected a NumPy array"),
    ("au/12", np.array([0.1, 0.2, 0.3], dtype=object), r"object of shape \(3,\), expected float"),
    ("au/12", np.array(["a", "b", "c"]), "expected float"),
    ("au/12", np.zeros(3, dtype=complex), "expected float"),
    ("au/12", np.array([0.0, np.inf, 0.0]), "infinite values for 1 of 3 clips"),
    ("kept/0.5", np.zeros((3, 2, 2)), r"expected bool of shape \(3, h, w\)"),
    ("kept/0.5", np.ones((3, 4), dtype=bool), r"expected bool of shape \(3, h, w\)"),
    ("face", np.zeros((3, 4, 4)), r"expected uint8 of shape \(3, h, w\)"),
    ("face", np.zeros((3, 4, 4, 3), np.uint8), r"expected uint8 of shape \(3, h, w\)"),
    ("picture/apex", np.zeros((3, 4, 4, 4), np.uint8), r"uint8 of shape \(3, h, w\) or \(3, h, w, 3\)"),
    ("picture/apex", np.zeros((3, 4, 4)), r"is float64 .*expected uint8"),
]


def test_an_array_must_match_its_name():
    for name, array, message in UNFIT:
        with pytest.raises(PredictionError, match=message) as raised:
            check_diagnostics(examples() | {name: array}, 3)
        assert str(raised.value).startswith(f"diagnose: {name} ")
        assert "\n" not in str(raised.value)
    # A gate may exceed its bounds by rounding.
    checked = check_diagnostics({"gate/motion": np.array([-1e-7, 0.5, 1 + 1e-6])}, 3)
    np.testing.assert_allclose(checked["gate/motion"], [0, 0.5, 1], atol=0)
