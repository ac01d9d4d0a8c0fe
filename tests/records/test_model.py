import contextlib

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from support.cases import each

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


def test_tables_as_they_are_written_pass_the_check(classified, detected):
    pd.testing.assert_frame_equal(check_predictions(classified, THREE, "log.csv"), classified)
    pd.testing.assert_frame_equal(check_predictions(detected, UNITS, "log.csv"), detected)
    turned = classified[classified.columns[::-1]]
    assert list(check_predictions(turned, THREE, "log.csv").columns) == prediction_columns(THREE)
    assert list(detected.columns) == ["dataset", "subject", "clip", "truth_1", "truth_4", "score_1", "score_4"]
    assert detected["clip"].tolist() == ["006_1_2", "006_1_3", "007_3_1"]
    assert detected.truth_1.fillna(-1).tolist() == [-1.0, 0.0, 1.0]  # not annotated: without a truth
    assert detected.truth_4.fillna(-1).tolist() == [-1.0, 1.0, -1.0]
    assert detected.score_4.tolist() == [4.0, 2.0, -1.0]


HERE = "samm/006/006_1_3$"
DAMAGED = [
    (lambda t: t.drop(columns=["truth", "score_negative"]), "lacks the columns truth, score_negative"),
    (lambda t: t.assign(score_fear=1.0), "has unknown columns score_fear"),
    (lambda t: pd.concat([t, t.iloc[[1]]]), "has a clip twice: samm/006/006_1_3"),
    (lambda t: t.assign(truth=["positive", "fear", "positive"]), "truth .fear. is not one of negative, positive, sur"),
    (lambda t: t.assign(predicted=["positive", None, "positive"]), "predicted .* is not one of"),
    (lambda t: t.assign(predicted=0), "predicted .*0.* is not one of"),
    (lambda t: t.assign(score_negative=[0.1, float("nan"), 0.2]), f"a score .* not finite for {HERE}"),
    (lambda t: t.assign(score_positive=[0.1, float("inf"), 0.3]), f"a score .* not finite for {HERE}"),
    (lambda t: t.assign(score_positive=pd.array([0.1, None, 0.2], dtype="Float64")), f"a score is missing .*{HERE}"),
    (lambda t: t.assign(score_positive=["0.1", "0.2", "0.3"]), "scores must be numbers"),
]  # fmt: skip
DAMAGED_UNITS = [
    (lambda t: t.drop(columns=["truth_4"]), "lacks the columns truth_4"),
    (lambda t: t.assign(predicted="1"), "has unknown columns predicted"),
    (lambda t: t.assign(score_4=[1.0, float("nan"), 2.0]), f"a score .*{HERE}"),
]


def test_damaged_prediction_tables_are_named(classified, detected):
    for table, problem, cases in ((classified, THREE, DAMAGED), (detected, UNITS, DAMAGED_UNITS)):
        for damage, said in each(cases):
            with pytest.raises(RecordError, match=rf"log\.csv:? {said}"):
                check_predictions(damage(table), problem, "log.csv")


KEY = {
    "method": "ststnet", "config": {"epochs": 3}, "code_digest": "a", "code_versions": {"training": 1},
    "spec_digest": "b", "split_digest": "c", "data_digest": "d", "input_digests": {"flow": "e"}, "selection": "last",
    "transductive": False, "au_labels_at_test": False, "shuffled": False, "seed": 0,
}  # fmt: skip
CHANGES = {
    "config": {"epochs": 4}, "code_versions": {"training": 2}, "input_digests": {"flow": "x"}, "transductive": True,
    "au_labels_at_test": True, "shuffled": True, "seed": 1,
}  # fmt: skip


def test_a_runs_key_depends_on_everything_in_it():
    assert set(RunKey.model_fields) == set(KEY)
    digests = {RunKey(**(KEY | {field: CHANGES.get(field, "x")})).digest() for field in KEY}
    assert len(digests | {RunKey(**KEY).digest()}) == len(KEY) + 1
    silent = {name: value for name, value in KEY.items() if name != "shuffled"}  # as runs of before shuffling
    assert RunKey(**silent).digest() == RunKey(**KEY).digest() == digest(silent)
    assert RunKey.model_validate_json(RunKey(**KEY).model_dump_json()).digest() == RunKey(**KEY).digest()
    missing = RunKey(**(KEY | {"config": {"C": None}})).digest()
    for value in (float("inf"), float("nan")):
        with contextlib.suppress(ValueError):
            assert RunKey(**(KEY | {"config": {"C": value}})).digest() != missing, value


def test_records_refuse_unknown_fields_and_runs_without_clips():
    complete = {"run_id": "r", "key_digest": "k", "predictions": "p", "sha256": "s", "seconds": 1, "mixed": [],
                "finished": "now"}  # fmt: skip
    assert CompleteFile(**complete, clips=1).clips == 1
    for make, words in (
        (lambda: RunKey(**KEY, workers=3), "Extra inputs"),
        (lambda: Failure(type="ValueError", message="x", traceback="y", fold="z"), "Extra inputs"),
        (lambda: CompleteFile(**complete, clips=0), "clips"),
    ):
        with pytest.raises(ValidationError, match=words):
            make()


def test_a_fold_record_without_diagnostics_and_gpus_is_read():
    older = {
        "schema_version": 1, "run_id": "r", "key_digest": "k", "fold": "samm/006", "status": "ok", "clips": 3,
        "train_clips": 9, "seconds": {"total": 1.0}, "peak_memory_mb": 200.5, "threads": 1, "device": "cpu",
        "packages": {"numpy": "2.0"}, "hardware": {"cores": 2}, "epochs": False, "failure": None, "finished": "now",
        "checksums": {"predictions.parquet": "s"},
    }  # fmt: skip
    record = FoldRecord.model_validate(older)
    assert (record.diagnostics, record.peak_gpu_memory_mb, record.schema_version) == (False, None, 1)
