"""Clips built in processes: the same arrays, faults by name, and no process that outlives its parent."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import building
from support.faults import wait_for
from support.refusals import refusal
from support.watching import Watcher

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import Flow
from merbench.prepare import pools
from merbench.prepare.frames import ClipFrames
from merbench.prepare.pools import in_parallel
from merbench.prepare.store import SILENT, Shelf, ShelfFile

FILE = ShelfFile(database="casme2", spec=Flow(faces="haar"))
MANY = 24


@pytest.fixture
def any_work(monkeypatch):
    """Let processes start for however little work."""
    monkeypatch.setattr(pools, "SECONDS_A_PROCESS", 1e-9)


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "1.png").write_bytes(b"x")
    first = ClipFrames("casme2/sub01/EP_0", 1, 1, 1, {1: tmp_path / "1.png"})
    return [replace(first, name=f"casme2/sub01/EP_{number}") for number in range(MANY)]


@pytest.mark.slow
def test_processes_build_the_clips_and_faults_are_named(clips, any_work):
    shelf, watcher = Shelf(FILE), Watcher()
    line = refusal(shelf.provide, clips, building.process_of, watcher, 3, True, error=DataError)
    assert re.search(r"3 clips can't be prepared \(the others are kept\): .*EP_13 shows no face; .*EP_23 .*EP_3 ", line)
    assert [done for _, done, _ in watcher.counts] == list(range(MANY - 2))
    built = np.array([shelf.read(path) for path in shelf.arrays().values()])
    assert sorted(built[:, 0]) == [number for number in range(MANY) if number % 10 != 3]
    builders = set(built[:, 1])
    assert os.getpid() in builders  # takes part
    assert len(builders) in (2, 3)
    assert cv2.getNumThreads() > 0


def test_little_work_is_done_in_this_process(clips):
    results = in_parallel({str(index): clip for index, clip in enumerate(clips[:3])}, building.process_of, 2, True)
    assert {future.result()[1] for _, future in results} == {os.getpid()}


@pytest.mark.slow
def test_a_process_that_dies_is_reported(clips, any_work):
    line = refusal(Shelf(FILE).provide, clips, building.dying, SILENT, 2, True)
    assert "a process ended unexpectedly" in line


# Without a guard: a process that runs the main script once more would start others.
SCRIPT = """
import sys
from pathlib import Path
from support.building import slowly
from merbench.contracts.inputs import Flow
from merbench.prepare import pools
from merbench.prepare.frames import ClipFrames
from merbench.prepare.store import SILENT, Shelf, ShelfFile

pools.SECONDS_A_PROCESS = 1e-9
Path(sys.argv[1], "runs").open("a").write("run")
files = {1: Path(sys.argv[1], "1.png")}
clips = [ClipFrames(f"casme2/sub01/EP_{number}", 1, 1, 1, files) for number in range(int(sys.argv[2]))]
shelf = Shelf(ShelfFile(database="casme2", spec=Flow(faces="haar")))
shelf.provide(clips, slowly, SILENT, workers=3, processes=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_processes_end_with_the_script_and_the_build_is_resumed(clips, tmp_path, home, number):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), str(MANY)],
        env=os.environ | {"MERBENCH_HOME": str(home), "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    shelf = Shelf(FILE)
    wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2 and len(shelf.arrays()) >= 4, 60)
    builders = [int(path.stem) for path in tmp_path.glob("*.pid")]
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, number)  # as a terminal does
    _, said = process.communicate(timeout=20)
    assert said.count("KeyboardInterrupt") == (number == signal.SIGINT)  # no word of the builders
    assert len(builders) == 2
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in builders), 20)
    there = set(shelf.arrays())
    assert 4 <= len(there) < MANY
    assert (tmp_path / "runs").read_text() == "run"
    built = []
    assert len(shelf.provide(clips, lambda clip: built.append(clip) or np.zeros(3), SILENT)) == MANY
    assert len(built) == MANY - len(there)
    assert list(shelf.folder.glob(".*.tmp")) == []
