"""A disk that is full at any write."""

import errno
from pathlib import Path

import pandas as pd
import pytest
from support.damage import FOLD, FOLDS, go

from merbench.contracts.errors import MerbenchError
from merbench.engine.execute.state import run_state
from merbench.records.read import read_run

# --- disk full ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch):
    """Give a disk that is full at the n-th write, after half of it."""

    class Disk:
        full_at = 0
        writes = 0

    ordinary = Path.open

    class Guarded:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, content):
            Disk.writes += 1
            if Disk.writes == Disk.full_at:
                self.file.write(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content)

    def guarded(path, mode="r", *args, **options):
        file = ordinary(path, mode, *args, **options)
        return Guarded(file) if "w" in mode else file

    monkeypatch.setattr(Path, "open", guarded)
    return Disk


FILES = 1 + 2 * len(FOLDS) + 2  # run.json, the folds with two files each, the two files of the whole run


def test_a_full_disk_at_any_write_keeps_what_is_recorded(plan, tmp_path, disk):
    for number in range(1, FILES + 1):
        disk.writes, disk.full_at, runs = 0, number, tmp_path / f"runs{number}"
        with pytest.raises(MerbenchError, match=r"can't be written \(No space left on device\)") as caught:
            go(plan, runs)
        assert disk.writes == number
        named = Path(str(caught.value).split(" can't be written")[0])
        assert runs / plan.run_id in named.parents
        assert not named.exists()
        assert not [path.name for path in runs.rglob("*") if path.name.endswith(".tmp")]
        done = min(max(number - 2, 0) // 2, len(FOLDS))
        assert run_state(plan, runs).recorded == tuple(FOLDS[:done])
        state, watcher = go(plan, runs)
        assert (state.complete, watcher.outcomes, watcher.notes) == (True, FOLDS[done:], [])
        assert read_run(runs / plan.run_id).problems == []


def test_a_full_disk_at_a_redo_leaves_the_first_result_or_none(plan, runs, whole, disk):
    folder, before = whole
    for number in (1, 2):
        disk.writes, disk.full_at = 0, number
        with pytest.raises(MerbenchError, match="No space left"):
            go(plan, runs, [FOLD], existing="redo")
        found = read_run(folder)
        assert found.problems == []
        assert (found.folds, found.complete) == (3, False)
        disk.full_at = 0
        state, watcher = go(plan, runs)
        assert watcher.outcomes == [FOLD]
        assert state.complete
        pd.testing.assert_frame_equal(read_run(folder).predictions, before)
