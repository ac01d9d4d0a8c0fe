import contextlib

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import digest
from merbench.contracts.errors import RecordError
from merbench.contracts.methods import Prediction, Problem
from merbench.records.model import CompleteFile, Failure, FoldRecord, RunKey
from merbench.records.predictions import check_predictions, prediction_columns, prediction_table

THREE = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("1", "4"))
CLIPS = pd.DataFrame(
    {"dataset": "samm", "subject": ["007", "006", "006"], "clip": ["007_3_1", "006_1_3", "006_1_2"], "path": "x"}
)
SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])


def _table(clips, truth, prediction, problem):
    """Return the prediction table sorted by identity: the order of its rows does not matter."""
    return prediction_table(clips, truth, prediction, problem).sort_values(IDENTITY, ignore_index=True)


@pytest.fixture
def classified() -> pd.DataFrame:
    return _table(CLIPS, np.array([1, 0, 1]), Prediction(SCORES), THREE)


@pytest.fixture
def detected() -> pd.DataFrame:
    truth = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, np.nan]])
    return _table(CLIPS, truth, Prediction(np.array([[0.5, -1.0], [-0.25, 2.0], [3.0, 4.0]])), UNITS)


def test_truth_decision_and_scores_stay_with_their_clip(classified):
    assert list(classified.columns) == prediction_columns(THREE)
    assert classified.to_numpy().tolist() == [
        ["samm", "006", "006_1_2", "positive", "surprise", 0.2, 0.2, 0.6],
        ["samm", "006", "006_1_3", "negative", "negative", 0.5, 0.5, 0.0],
        ["samm", "007", "007_3_1", "positive", "positive", 0.1, 0.7, 0.2],
    ]
    order = [2, 0, 1]
    shuffled = _table(CLIPS.iloc[order], np.array([1, 0, 1])[order], Prediction(SCORES[order]), THREE)
    pd.testing.assert_frame_equal(shuffled, classified)
    own = _table(CLIPS, np.array([1, 0, 1]), Prediction(SCORES, np.array([2, 1, 0])), THREE)
    assert own.predicted.tolist() == ["negative", "positive", "surprise"]  # a method's own labels are its decision


def test_action_units_that_are_not_annotated_have_no_truth(detected):
    assert list(detected.columns) == ["dataset", "subject", "clip", "truth_1", "truth_4", "score_1", "score_4"]
    assert detected["clip"].tolist() == ["006_1_2", "006_1_3", "007_3_1"]
    assert detected.truth_1.isna().tolist() == [True, False, False]
    assert detected.truth_4.isna().tolist() == [True, False, True]
    assert detected.truth_1.dropna().tolist() == [0.0, 1.0]
    assert detected.score_4.tolist() == [4.0, 2.0, -1.0]


def test_tables_as_they_are_written_pass_the_check(classified, detected):
    pd.testing.assert_frame_equal(check_predictions(classified, THREE, "log.csv"), classified)
    pd.testing.assert_frame_equal(check_predictions(detected, UNITS, "log.csv"), detected)
    turned = classified[classified.columns[::-1]]
    assert list(check_predictions(turned, THREE, "log.csv").columns) == prediction_columns(THREE)


DAMAGED = [
    (lambda t: t.drop(columns=["truth", "score_negative"]), "log.csv lacks the columns truth, score_negative"),
    (lambda t: t.assign(score_fear=1.0), "log.csv has foreign columns score_fear"),
    (lambda t: t.rename(columns={"subject": "sub"}), "log.csv lacks the columns subject"),
    (lambda t: pd.concat([t, t.iloc[[1]]]), "log.csv has a clip twice: samm/006/006_1_3"),
    (
        lambda t: t.assign(truth=["positive", "fear", "positive"]),
        "log.csv: truth 'fear' is none of negative, positive, surprise",
    ),
    (lambda t: t.assign(predicted=["positive", None, "positive"]), "log.csv: predicted .* is none of"),
    (lambda t: t.assign(predicted=0), "log.csv: predicted .*0.* is none of"),
    (
        lambda t: t.assign(score_negative=[0.1, float("nan"), 0.2]),
        "log.csv: a score .* not finite for samm/006/006_1_3$",
    ),
    (
        lambda t: t.assign(score_positive=[0.1, 0.3, float("inf")]),
        "log.csv: a score .* not finite for samm/007/007_3_1$",
    ),
    (
        lambda t: t.assign(score_positive=pd.array([0.1, None, 0.2], dtype="Float64")),
        "log.csv: a score is missing .*samm/006/006_1_3$",
    ),
    (lambda t: t.assign(score_positive="high"), "log.csv: scores must be numbers"),
]
DAMAGED_UNITS = [
    (lambda t: t.drop(columns=["truth_4"]), "log.csv lacks the columns truth_4"),
    (lambda t: t.assign(predicted="1"), "log.csv has foreign columns predicted"),
    (lambda t: t.assign(score_4=[1.0, float("nan"), 2.0]), "log.csv: a score .*samm/006/006_1_3$"),
]


def test_damaged_prediction_tables_are_named(classified, detected):
    for damage, said in DAMAGED:
        with pytest.raises(RecordError, match=said):
            check_predictions(damage(classified), THREE, "log.csv")
    for damage, said in DAMAGED_UNITS:
        with pytest.raises(RecordError, match=said):
            check_predictions(damage(detected), UNITS, "log.csv")
    with pytest.raises(RecordError, match=r"log\.csv: scores must be numbers"):
        check_predictions(classified.assign(score_positive=["0.1", "0.2", "0.3"]), THREE, "log.csv")


KEY = {
    "method": "ststnet",
    "config": {"epochs": 3},
    "code_digest": "a",
    "code_versions": {"training": 1},
    "spec_digest": "b",
    "split_digest": "c",
    "data_digest": "d",
    "input_digests": {"flow": "e"},
    "selection": "last",
    "transductive": False,
    "au_labels_at_test": False,
    "shuffled": False,
    "seed": 0,
}
CHANGES = {
    "method": "majority",
    "config": {"epochs": 4},
    "code_digest": "x",
    "code_versions": {"training": 2},
    "spec_digest": "x",
    "split_digest": "x",
    "data_digest": "x",
    "input_digests": {"flow": "x"},
    "selection": "inner",
    "transductive": True,
    "au_labels_at_test": True,
    "shuffled": True,
    "seed": 1,
}


def test_a_runs_key_depends_on_everything_in_it():
    assert set(RunKey.model_fields) == set(KEY)
    digests = {RunKey(**(KEY | {field: value})).digest() for field, value in CHANGES.items()}
    assert len(digests | {RunKey(**KEY).digest()}) == len(CHANGES) + 1
    silent = {name: value for name, value in KEY.items() if name != "shuffled"}  # as runs of before shuffling
    assert RunKey(**silent).digest() == RunKey(**KEY).digest() == digest(silent)
    key = RunKey(**KEY)
    assert RunKey.model_validate_json(key.model_dump_json()).digest() == key.digest()


def test_a_setting_that_is_not_finite_differs_from_a_missing_one():
    missing = RunKey(**(KEY | {"config": {"C": None}})).digest()
    for value in (float("inf"), float("nan")):
        with contextlib.suppress(ValueError):
            assert RunKey(**(KEY | {"config": {"C": value}})).digest() != missing, value


def test_records_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError, match="Extra inputs"):
        RunKey(**KEY, workers=3)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Failure(type="ValueError", message="x", traceback="y", fold="z")


def test_a_run_without_clips_is_never_complete():
    complete = {
        "run_id": "r",
        "key_digest": "k",
        "predictions": "p",
        "sha256": "s",
        "seconds": 1,
        "mixed": [],
        "finished": "now",
    }
    assert CompleteFile(**complete, clips=1).clips == 1
    with pytest.raises(ValidationError, match="clips"):
        CompleteFile(**complete, clips=0)


def test_a_fold_record_without_diagnostics_and_gpus_is_read():
    older = {
        "schema_version": 1,
        "run_id": "r",
        "key_digest": "k",
        "fold": "samm/006",
        "status": "ok",
        "clips": 3,
        "train_clips": 9,
        "seconds": {"total": 1.0},
        "peak_memory_mb": 200.5,
        "threads": 1,
        "device": "cpu",
        "packages": {"numpy": "2.0"},
        "hardware": {"cores": 2},
        "epochs": False,
        "checksums": {"predictions.parquet": "s"},
        "failure": None,
        "finished": "now",
    }
    record = FoldRecord.model_validate(older)
    assert (record.diagnostics, record.peak_gpu_memory_mb) == (False, None)
    assert record.schema_version == 1
