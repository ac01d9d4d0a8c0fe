"""Scores of rows are kept between commands: equal to fresh ones, and never believed when anything has changed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from merbench import scoring
from merbench.analysis import cache
from merbench.analysis.rows import measured_rows
from merbench.contracts.digests import bytes_digest
from merbench.records.read import read_run
from merbench.records.select import read_leaderboard


@pytest.fixture
def scores(tmp_path, monkeypatch):
    """Return a function that compares runs with a cache, and how many rows it scored."""
    computed, fresh = [], cache._computed

    def counted(runs):
        computed.append(runs)
        return fresh(runs)

    monkeypatch.setattr(cache, "_computed", counted)

    def compared(runs):
        computed.clear()
        rows, _ = measured_rows(runs, cache=tmp_path / "scores")
        return [row.records() for row in rows], [row.remarks for row in rows], len(computed)

    return compared


def test_kept_scores_equal_fresh_ones(scores, record, answers, right, tmp_path):
    for seed in (0, 1, 2):
        record(answers, method="one", seed=seed)
    record(right, method="two")
    committed = read_leaderboard().where(method=("majority", "svm-flow", "ststnet"))
    runs = record.held(*committed)
    plain, _ = measured_rows(runs)
    assert scores(runs)[2] == len(plain)
    again, remarks, computed = scores(record.held(*committed))
    assert computed == 0
    np.testing.assert_equal(again, [row.records() for row in plain])
    assert remarks == [row.remarks for row in plain]
    assert not list((record.results / "runs").rglob("scores"))


def test_other_predictions_seeds_parts_or_scoring_are_scored_anew(scores, record, answers, right, monkeypatch):
    folder = record(answers)
    run = read_run(folder)
    assert [scores([run])[2], scores([run])[2]] == [1, 0]
    for changed in (
        run.file.model_copy(update={"parts": {"full": "Full"}}),
        run.file.model_copy(update={"key": run.file.key.model_copy(update={"split_digest": "0" * 64})}),
    ):
        other = replace(run, file=changed)
        other.__dict__["_state"] = run._state
        assert scores([other])[2] == 1
    monkeypatch.setattr(scoring, "VERSION", scoring.VERSION + 1)
    assert scores([run])[2] == 1
    record(right, seed=1)
    assert scores(record.held())[2] == 1
    mark = (folder / "complete.json").read_text(encoding="utf-8")
    twin = record(right, method="twin")
    for name in ("predictions.parquet", "folds"):
        (folder / name).rename(folder / f"old-{name}")
        (twin / name).rename(folder / name)
    sha256 = bytes_digest((folder / "predictions.parquet").read_bytes())
    (folder / "complete.json").write_text(json.dumps(json.loads(mark) | {"sha256": sha256}), encoding="utf-8")
    found, _, computed = scores([read_run(folder)])
    assert (found[0][0]["uf1"], computed) == (1.0, 1)


def test_damaged_predictions_are_never_hidden_by_kept_scores(scores, record, answers):
    folder = record(answers)
    scores([read_run(folder)])
    path = folder / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    _, remarks, computed = scores([read_run(folder)])
    assert computed == 1
    assert any("predictions.parquet" in remark for remark in remarks[0])


def test_a_damaged_poisoned_or_deleted_cache_is_made_again(scores, record, answers, tmp_path):
    record(answers)
    runs = record.held()
    expected, _, _ = scores(runs)
    (path,) = (tmp_path / "scores").iterdir()
    content = path.read_bytes()
    poisoned = content.replace(b'"full",7', b'"full",9')
    assert poisoned != content
    for damaged in (b"", content[:-5], poisoned, b"no checksum", b"\xff\n{}"):
        path.write_bytes(damaged)
        again, _, computed = scores(runs)
        assert (again, computed) == (expected, 1)
        assert path.read_bytes() == content
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file, not a folder", encoding="utf-8")
    assert scores(runs) == scores(runs)


def test_the_cache_is_bounded_and_runs_with_holes_are_not_kept(scores, record, answers, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MOST_ROWS", 10)
    for number in range(13):
        record({f"{clip}-{number}": given for clip, given in answers.items()}, method=f"m{number:02}")
    scores(record.held())
    assert 9 <= len(list((tmp_path / "scores").iterdir())) <= 10
    partial = read_run(record(answers, method="partial", folds=["alpha/s1"]))
    assert [scores([partial])[2], scores([partial])[2]] == [1, 1]


def test_a_row_of_a_malformed_table_is_read_from_its_folds(scores, record, answers):
    folder = record(answers)
    path = folder / "predictions.parquet"
    path.write_bytes(b"PAR1 nothing")
    mark = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
    (folder / "complete.json").write_text(
        json.dumps(mark | {"sha256": bytes_digest(path.read_bytes())}), encoding="utf-8"
    )
    (row,), remarks, _ = scores([read_run(folder)])
    assert (row[0]["status"], row[0]["clips"]) == ("partial", 7)
    assert any("predictions.parquet" in remark for remark in remarks[0])
