"""What was prepared once is kept: whole or not at all, for two processes, and only as long as it is what it was."""

import multiprocessing
import os
import re
import shutil
import signal
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.faults import wait_for
from support.refusals import refusal
from support.watching import Watcher

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import Flow, Frames
from merbench.prepare.frames import ClipFrames
from merbench.prepare.store import SILENT, Shelf, ShelfFile, clip_key, store_folder, stored_shelves

FILE = ShelfFile(database="casme2", spec=Flow(faces="haar"))


@pytest.fixture
def shelf():
    return Shelf(FILE)


@pytest.fixture
def clips(tmp_path):
    """Return eight clips of two frames, whose files hold their number."""
    files = [{frame: tmp_path / f"{number}_{frame}.jpg" for frame in (1, 2)} for number in range(8)]
    for number, each in enumerate(files):
        for frame, path in each.items():
            path.write_bytes(bytes([number, frame]))
    return [ClipFrames(f"casme2/sub01/EP01_{number:02d}", 1, 2, 2, each) for number, each in enumerate(files)]


def contents(clip):
    return np.array([list(path.read_bytes()) for path in clip.files.values()], dtype=np.uint8)


def provided(shelf, clips, build=contents, watcher=None, **options):
    return [shelf.read(path) for path in shelf.provide(clips, build, watcher or SILENT, **options)]


def never(clip):
    raise AssertionError(f"{clip.name} is built though it is there")


def test_arrays_come_back_in_the_order_of_the_clips(shelf, clips):
    threads = cv2.getNumThreads()
    provided(shelf, clips[:3])
    watcher = Watcher()
    assert [array[0, 0] for array in provided(shelf, clips[::-1], watcher=watcher)] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert [(done, total) for _, done, total in watcher.counts] == [(done, 8) for done in range(3, 9)]
    assert {what for what, *_ in watcher.counts} == {"casme2: flow(onset-apex, 28, u/v/strain, tvl1, clip, faces=haar)"}
    watcher = Watcher()
    assert [array[1].tolist() for array in provided(shelf, clips, never, watcher)] == [[n, 2] for n in range(8)]
    assert watcher.counts == []
    assert cv2.getNumThreads() == threads  # OpenCV's own


def test_only_a_changed_clip_is_built_again(shelf, clips, tmp_path):
    first, path = clips[0], clips[0].files[1]
    provided(shelf, clips)
    for change in (
        lambda: ClipFrames(first.name, 1, 1, 2, first.files),  # annotation
        lambda: path.write_bytes(b"\x09\x09\x09") and first,
        lambda: os.utime(path, ns=(1, 1)) or first,
        lambda: ClipFrames(first.name, 1, 2, 2, {2: first.files[2]}),  # a frame is gone
    ):
        built = []
        clips[0] = change()
        provided(shelf, clips, lambda clip, built=built: built.append(clip.name) or np.zeros(2))
        assert built == [first.name]
    moved = tmp_path / "moved"
    moved.mkdir()
    files = [{number: path.rename(moved / path.name) for number, path in clip.files.items()} for clip in clips]
    again = [replace(clip, files=each) for clip, each in zip(clips, files, strict=True)]
    assert len(provided(shelf, again, never)) == 8


def test_every_input_database_and_version_has_its_own_shelf(shelf, clips):
    provided(shelf, clips)
    for change in (
        {"database": "samm"}, {"spec": Frames(faces="haar")}, {"spec": Flow(faces="landmarks")}, {"code_version": 99}
    ):  # fmt: skip
        other = Shelf(FILE.model_copy(update=change))
        assert (other.folder == shelf.folder, other.arrays()) == (False, {}), change
    changes = ({}, {"code_version": 0}, {"opencv": "3.1"})
    assert [FILE.model_copy(update=change).is_current for change in changes] == [True, False, False]


def test_failed_clips_are_named_and_the_others_kept(shelf, clips):
    def build(clip):
        if clip.name.endswith(("2", "5")):
            raise DataError(f"{clip.name} shows no face")
        return contents(clip)

    with pytest.raises(DataError, match=r"2 clips .*EP01_02 shows no face; .*EP01_05 shows no face"):
        provided(shelf, clips, build, workers=1)
    assert len(shelf.arrays()) == 6
    assert len(provided(shelf, [clips[0], clips[7]], never)) == 2


def test_damaged_arrays_and_pickles_are_refused(shelf, clips):
    (path,) = shelf.provide(clips[:1], contents, SILENT)
    content = path.read_bytes()
    for damaged in (content[:-1] + bytes([content[-1] ^ 1]), content[:-1], b""):
        path.write_bytes(damaged)
        assert "has changed" in refusal(shelf.read, path, error=DataError)
    with pytest.raises(ValueError, match="allow_pickle"):
        shelf._write("key", np.array([{"a": 1}, None], dtype=object))


def test_few_arrays_are_in_memory_at_a_time(shelf, clips):
    built, ahead = [], []
    watcher = Watcher()
    watcher.preparing = lambda what, done, total: ahead.append(len(built) - done)
    many = [replace(clips[0], name=f"casme2/sub01/EP02_{number}") for number in range(200)]
    shelf.provide(many, lambda clip: built.append(clip) or np.zeros(1), watcher, workers=2)
    assert max(ahead) <= 6
    assert len(shelf.arrays()) == 200


def _slow_build(home, shelf_file, clips, seconds):
    os.environ["MERBENCH_HOME"] = str(home)

    def build(clip):
        time.sleep(seconds)
        with (home / "built.txt").open("a") as file:
            file.write(f"{clip.name}\n")
        return contents(clip)

    Shelf(shelf_file).provide(clips, build, SILENT, workers=1)


@pytest.fixture
def builder(home, shelf, clips):
    """Start a process that builds the clips, slowly, and wait until some are there."""
    arguments = (home, shelf.file, clips, 0.05)
    process = multiprocessing.get_context("fork").Process(target=_slow_build, args=arguments)
    process.start()
    wait_for(lambda: len(shelf.arrays()) >= 2, 20)
    yield process
    process.kill()
    process.join()


def test_a_killed_build_is_resumed(shelf, clips, builder):
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    there = set(shelf.arrays())
    (shelf.folder / ".half.123.tmp").write_bytes(b"half an array")
    built = []
    arrays = provided(shelf, clips, lambda clip: built.append(clip_key(clip)) or contents(clip))
    assert [array[0, 0] for array in arrays] == list(range(8))
    assert 2 <= len(there) < 8
    assert set(built) == {clip_key(clip) for clip in clips} - there
    assert not list(shelf.folder.glob("*.tmp")) + list(shelf.folder.glob(".*.tmp"))


def test_two_processes_build_each_clip_once(home, shelf, clips, builder):
    watcher = Watcher()
    arrays = provided(shelf, clips, never, watcher)
    builder.join()
    assert [array[0, 0] for array in arrays] == list(range(8))
    assert sorted((home / "built.txt").read_text().split()) == [clip.name for clip in clips]
    assert "another process that prepares" in watcher.notes[0]


def test_an_unwritable_store_and_a_missing_frame_are_reported(shelf, clips):
    clips[3].files[2].unlink()
    assert "3_2.jpg, a frame of casme2/sub01/EP01_03, can't be read" in refusal(provided, shelf, clips, error=DataError)
    shutil.rmtree(store_folder(), ignore_errors=True)
    store_folder().write_text("a file where the folder should be")
    assert re.search("the store .* can't be written", refusal(provided, shelf, clips[:3]))


def test_the_store_lists_its_shelves(shelf, clips):
    provided(shelf, clips)
    (store_folder() / "mine" / "precious").mkdir(parents=True)  # nothing of the store's
    stranger = store_folder() / "samm" / "flow-0123456789ab"
    stranger.mkdir(parents=True)
    (stranger / "shelf.json").write_text("{")
    kept = {shelf.folder.parent.name: shelf for shelf in stored_shelves()}
    assert kept["casme2"].file == shelf.file
    assert (len(kept["casme2"].arrays()), kept["samm"].file) == (8, None)
    assert kept["casme2"].size() == sum(path.stat().st_size for path in shelf.arrays().values())
    kept["samm"].remove()
    assert [each.folder for each in stored_shelves()] == [shelf.folder]
    assert not stranger.parent.exists()
