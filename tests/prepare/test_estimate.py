import re
import shutil
from collections import namedtuple

import pytest
from support.moving import moving_clip
from support.refusals import refusal
from support.watching import Watcher

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import Flow
from merbench.prepare import estimate
from merbench.prepare.store import Shelf, ShelfFile

SPEC = Flow(faces="delivered", size=16, face_size=32, algorithm="dis")


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "MANY", 4)
    return [moving_clip(tmp_path / str(n), f"casme2/sub01/EP_{n}", cropped=True, step=n) for n in range(5)]


def test_time_and_disk_of_many_clips_are_estimated_from_a_few(clips, monkeypatch):
    shelf, watcher = Shelf(ShelfFile.of("casme2", SPEC)), Watcher()
    estimate.announce(shelf, clips, watcher, 1)
    assert [path is not None for path in shelf.there(clips)] == [True, True, False, False, False]
    (note,) = watcher.notes
    found = re.fullmatch(
        r"casme2: flow\(.*\): 5 clips will take about \d+ s and (\S+) GB on disk \(\S+ GB free\)", note
    )
    arrays, parts = (sum(path.stat().st_size for path in each.arrays().values()) for each in shelves(shelf))
    assert float(found[1]) == pytest.approx((arrays + parts) / 1e9 * 5 / 2, rel=0.1)
    estimate.announce(shelf, clips, watcher)  # 3 are missing, which are few
    assert len(watcher.notes) == 1


def shelves(shelf):
    return shelf, next(Shelf(None, folder) for folder in shelf.folder.parent.iterdir() if folder != shelf.folder)


def test_a_disk_without_room_is_refused(clips, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    line = refusal(estimate.announce, Shelf(ShelfFile.of("casme2", SPEC)), clips, Watcher(), 1, error=DataError)
    assert line.endswith("GB are free: make room there")


def test_durations_are_written_in_seconds_minutes_or_hours():
    for seconds, text in ((3.4, "3 s"), (100, "2 min"), (7500, "2 h 5 min")):
        assert estimate._duration(seconds) == text
