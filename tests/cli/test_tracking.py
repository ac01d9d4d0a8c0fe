"""Runs are mirrored to MLflow by a process beside them, or by ``sync mlflow``; neither changes how a run ends."""

import socket
import sqlite3

import pytest

from merbench.tracking import mirror


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let the mirror process have its time, also on a busy machine."""
    monkeypatch.setattr(mirror, "WAIT_SECONDS", 500)
    monkeypatch.setattr(mirror, "NICENESS", 0)


@pytest.fixture
def dead_server():
    """Give an address where no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def mirrored(path):
    """Return the status of each run, and the number of folds, in MLflow's database."""
    database = sqlite3.connect(path)
    folds = "select run_uuid from tags where key = 'mlflow.parentRunId'"
    names = database.execute(f"select name, status from runs where run_uuid not in ({folds})").fetchall()
    (children,) = database.execute(f"select count(*) from runs where run_uuid in ({folds})").fetchone()
    database.close()
    return dict(names), children


@pytest.mark.slow
def test_runs_are_mirrored_and_a_second_sync_changes_nothing(done, small, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    database = tmp_path / "results" / "mlflow.db"
    said = done("run", "majority", *small)
    assert said.splitlines()[-1] == f"MLflow: mlflow ui --backend-store-uri sqlite:///{database}"
    artifacts = sorted(path.name for path in tmp_path.glob("results/mlartifacts/*/artifacts/*"))
    assert artifacts == ["confusion.png", "predictions.csv", "run.json"]
    assert mirrored(database) == ({"majority seed 0": "FINISHED"}, 9)
    assert "1 run: 0 added, 0 updated, 1 unchanged" in done("sync", "mlflow")
    assert mirrored(database) == ({"majority seed 0": "FINISHED"}, 9)
    said = done("run", "majority", *small)
    assert "nothing to do" in said
    assert "MLflow" not in said


def test_a_dead_server_is_a_warning_with_the_next_step(done, small, dead_server, refused, tmp_path):
    said = done("run", "majority", *small, "--tracking-uri", dead_server)
    (line,) = [line for line in said.splitlines() if "MLflow" in line]
    assert line == (
        f"MLflow at {dead_server}: connection refused; the records are complete; "
        f"then merbench sync mlflow --tracking-uri {dead_server} brings MLflow up to date"
    )
    assert len(list(tmp_path.glob("results/runs/*/complete.json"))) == 1
    refused("sync", "mlflow", "--tracking-uri", dead_server)


def test_a_dead_server_does_not_hide_that_folds_failed(merbench, small, dead_server, monkeypatch, toy):
    toy(body="def fit(self, train, run):\n    raise ValueError('broken')\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead_server)
    said = merbench("run", "toy", *small)
    assert said.code == 1
    assert "connection refused" in said.out


def test_none_mirrors_nothing_and_sync_needs_a_server_and_runs(recorded, done, refused, small, tmp_path, monkeypatch):
    assert "MLflow" not in done("run", "majority", *small, "--existing", "redo", "--tracking-uri", "none")
    assert not (tmp_path / "results" / "mlflow.db").exists()
    refused("sync", "mlflow", "--tracking-uri", "none")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    refused("sync", "mlflow", "sv-flow")
    refused("sync", "mlflow", "--results", tmp_path / "elsewhere")


def test_a_wrong_address_is_refused_before_anything_is_done(refused, small, tmp_path):
    for verb in (["run", "majority"], ["ablate", "medn"]):
        refused(*verb, *small, "--tracking-uri", "localhost:5000")
    assert not (tmp_path / "results").exists()
