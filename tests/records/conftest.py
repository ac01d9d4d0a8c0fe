"""A finished run, and copies of it to damage."""

import shutil

import pytest
from support.damage import Watcher, plans_of

from merbench.engine.execute.grid import execute
from merbench.records.read import read_run


@pytest.fixture(scope="module")
def plan():
    return plans_of("stratified-random")[0]


@pytest.fixture(scope="module")
def ststnet():
    return plans_of("ststnet", settings={"epochs": "2"}, keep_epochs=True)[0]


@pytest.fixture(scope="module")
def finished(plan, ststnet, tmp_path_factory):
    """Run everything once; tests damage copies of it."""
    folder = tmp_path_factory.mktemp("finished")
    for state in execute([plan, ststnet], folder, Watcher()):
        assert state.complete
    return folder


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def whole(plan, runs, finished):
    """Return the folder of a finished run, and its predictions."""
    folder = shutil.copytree(finished / plan.run_id, runs / plan.run_id)
    return folder, read_run(folder).predictions


@pytest.fixture
def part(whole):
    """Return the folder of a run that lacks its last fold, so that tables read the folds themselves."""
    folder, _ = whole
    shutil.rmtree(folder / "folds" / "smic-hs--s11")
    (folder / "complete.json").unlink()
    (folder / "predictions.parquet").unlink()
    return folder
