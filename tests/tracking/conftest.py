"""Recorded runs, an MLflow in files for each test, and what MLflow then shows."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from merbench.tracking.servers import TrackingServer, connect, settle


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a real server time on a busy machine."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return MLflow's database without runs: making its tables takes seconds, so one process does it for all."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    path = folder / "mlflow" / "mlflow.db"
    with FileLock(folder / "mlflow.lock"):
        if not path.exists():
            path.parent.mkdir()
            making = path.with_name("making.db")
            connect(TrackingServer(f"sqlite:///{making}", path.parent)).search_experiments()
            shutil.copy(making, path)
    return path


@pytest.fixture
def server(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingServer:
    """Return the MLflow that merbench keeps in the results folder by default."""
    shutil.copy(empty, tmp_path / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    found = settle(None, tmp_path)
    assert found is not None
    return found


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no picture drawn, which takes longer than all else."""
    monkeypatch.setattr("merbench.tracking.contents.confusion_figure", lambda run: None)
    monkeypatch.setattr("merbench.tracking.contents.as_png", lambda figure: b"picture")


@dataclass(frozen=True)
class Shown:
    """A run as MLflow gives it, and its folds by name."""

    run: Any
    folds: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.run.data.metrics)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.run.data.tags)


@pytest.fixture
def look() -> Callable[[TrackingServer], dict[str, Shown]]:
    """Return what reads all runs of a server, by the merbench run's id; what is there twice is an error."""

    def read(server: TrackingServer) -> dict[str, Shown]:
        client = connect(server)
        ids = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(ids, max_results=1000)
        found: dict[str, Shown] = {}
        for parent in (run for run in runs if "mlflow.parentRunId" not in run.data.tags):
            children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
            found[parent.data.tags["run"]] = Shown(parent, {child.info.run_name: child for child in children})
        assert len(runs) == sum(1 + len(one.folds) for one in found.values())
        return found

    return read
