"""The tracking server: as given, from the environment, or in the results folder; invalid addresses are refused."""

import os
from pathlib import Path

from support.refusals import refusal

from merbench.tracking.servers import connect, settle


def test_an_option_beats_the_environment_and_both_the_default(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    server = settle(None, tmp_path / "results")
    assert server.uri == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert server.artifacts == tmp_path / "results" / "mlartifacts"
    assert server.later == "merbench sync mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://from-environment:5000")
    assert settle(None, tmp_path).uri == "http://from-environment:5000"
    assert settle("https://given/mlflow", tmp_path).uri == "https://given/mlflow"
    assert settle("none", tmp_path) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    assert settle(None, tmp_path) is None
    monkeypatch.chdir(tmp_path)
    server = settle("sqlite:///mine.db", tmp_path / "elsewhere")
    assert server.uri == f"sqlite:///{tmp_path}/mine.db"  # found from any folder
    assert server.artifacts == tmp_path / "mlartifacts"


INVALID = {
    "localhost:5000": "write http://HOST:PORT",
    "htp://host": "did you mean 'http'",
    "results": "write http://HOST:PORT, sqlite:///FILE, or none",
    "file:///tmp/mlruns": "is not an MLflow address",
    "http://": "lacks a host",
    "http://host:port": "is not an address",
    "sqlite://": "lacks a file",
    "sqlite:///": "lacks a file",
    "no\x1b[31mne": "is not an MLflow address",
}


def test_an_invalid_address_is_refused_and_its_source_named(tmp_path, monkeypatch):
    for given, expected in INVALID.items():
        line = refusal(settle, given, tmp_path, case=given)
        assert "--tracking-uri" in line
        assert expected in line
        assert "\x1b" not in line
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert "MLFLOW_TRACKING_URI" in refusal(settle, None, tmp_path)
    assert "secret" not in refusal(settle, "htp://me:secret@host", tmp_path)
    server = settle("http://me:secret@host:5000/mlflow", tmp_path)
    assert server.uri == "http://me:secret@host:5000/mlflow"
    assert server.address == "http://host:5000/mlflow"
    assert "secret" not in server.later + server.look


def test_a_results_folder_of_any_name_can_hold_it(tmp_path, empty, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    folder = tmp_path / "what? 100%41 #1 ü@b"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty.read_bytes())
    server = settle(None, folder)
    assert [found.name for found in connect(server).search_experiments()] == ["Default"]
    assert server.address.startswith(f"sqlite:///{tmp_path}")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("what")] == [folder.name]


def test_connecting_sends_no_telemetry_and_leaves_no_file(server, home, monkeypatch):
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.chdir(home)
    connect(server).search_experiments()
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert is_telemetry_disabled()
    assert list(Path.cwd().iterdir()) == []
