"""The small synthetic database, generated once for all tests of this room."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``MERBENCH_HOME`` that these tests share."""
    return tmp_path_factory.mktemp("synthetic-home")


@pytest.fixture
def synthetic(home_once: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Share a home, where the first test that needs the small synthetic database leaves it; work in `tmp_path`."""
    monkeypatch.setenv("MERBENCH_HOME", str(home_once))
    monkeypatch.chdir(tmp_path)
    return tmp_path
