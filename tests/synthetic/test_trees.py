import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest

from merbench.contracts.errors import DataError
from merbench.databases.readers import casme2, samm, smic_hs
from merbench.databases.readers.identity import normalised
from merbench.synthetic import trees
from merbench.synthetic.clips import Film, draw_subject, plan
from merbench.synthetic.settings import SyntheticSettings, generator_digest
from merbench.synthetic.trees import clip_folder, frame_name, read_manifest, write

TINY = SyntheticSettings(pixels=96)
READERS = {"casme2": casme2.DATABASE, "samm": samm.DATABASE, "smic-hs": smic_hs.DATABASE}


def _few(settings):
    """Return the two shortest clips of the most frequent subject of each database."""
    chosen = []
    for dataset in READERS:
        clips = [clip for clip in plan(settings) if clip.dataset == dataset]
        subject, _ = Counter(clip.subject for clip in clips).most_common(1)[0]
        own = [clip for clip in clips if clip.subject == subject]
        chosen += sorted(own, key=lambda clip: clip.last - clip.first)[:2]
    return chosen


def _some(settings):
    """Return every fifth clip."""
    return plan(settings)[::5]


@pytest.fixture
def few(monkeypatch):
    """Make every stand-in one of six clips."""
    monkeypatch.setattr(trees, "plan", _few)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a stand-in of 20 clips."""
    folder = tmp_path_factory.mktemp("synthetic") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "plan", _some)
        write(TINY, folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a stand-in of six clips."""
    folder = tmp_path_factory.mktemp("synthetic") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "plan", _few)
        write(TINY, folder, workers=1)
    return _bytes(folder)


def _bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# What is written.


def test_the_databases_own_readers_read_exactly_what_was_planned(small):
    planned = {normalised(clip.dataset, clip.subject, clip.clip): clip for clip in _some(TINY)}
    read = {}
    for dataset, reader in READERS.items():
        assert reader.recognises(small / dataset)
        reading = reader.read(small / dataset)
        assert [note for note in reading.notes if note.about] == []
        assert not reading.cropped
        read |= {(row.dataset, row.subject, row.clip): row for row in reading.clips.itertuples()}
    assert read.keys() == planned.keys()
    for identity, row in read.items():
        clip = planned[identity]
        assert (row.emotion, row.onset, row.apex, row.offset) == (clip.emotion, clip.onset, clip.apex, clip.offset)
        files = READERS[clip.dataset].frames(small / clip.dataset, row.path)
        assert list(files) == list(range(clip.first, clip.last + 1))
        if clip.dataset != "smic-hs":
            assert row.aus.shown() == {unit.number for unit in clip.units}
            assert row.apex_source == "annotated"


def test_action_units_keep_their_sides_and_those_of_samm_their_intensities(small):
    sided = set()
    for dataset in ("casme2", "samm"):
        clips = {normalised(c.dataset, c.subject, c.clip): c for c in _some(TINY)}
        for row in READERS[dataset].read(small / dataset).clips.itertuples():
            units = clips[row.dataset, row.subject, row.clip].units
            read = {(unit.number, unit.side, unit.intensity) for entry in row.aus.entries for unit in entry}
            assert read == {(u.number, u.side, u.intensity if dataset == "samm" else "") for u in units}
            sided |= {unit.side for unit in units}
    assert len(sided) > 1


def test_the_sheets_have_the_databases_own_headers(small):
    coding = pd.read_excel(small / "casme2" / "CASME2-coding-20190701.xlsx")
    assert [name for name in coding.columns if not name.startswith("Unnamed")] == [
        "Subject",
        "Filename",
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "Action Units",
        "Estimated Emotion",
    ]
    codes = pd.read_excel(
        small / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx", sheet_name="MICRO_ONLY", header=13, dtype=str
    )
    assert len(codes) == sum(clip.dataset == "samm" for clip in _some(TINY))
    assert codes.Subject.str.fullmatch(r"\d{3}").all()
    assert (
        codes["Offset Frame"].astype(int) - codes["Onset Frame"].astype(int) + 1 == codes.Duration.astype(int)
    ).all()


def test_pictures_are_in_the_databases_formats_and_jpeg_changes_them_little(small):
    for clip in _some(TINY)[::4]:
        place = small / clip_folder(clip) / frame_name(clip, clip.apex)
        assert place.suffix == (".bmp" if clip.dataset == "smic-hs" else ".jpg")
        person = draw_subject(TINY, clip.dataset, clip.subject)
        drawn = Film(TINY, clip, person).frame(clip.apex).astype(int)
        read = cv2.imread(str(place), cv2.IMREAD_UNCHANGED).astype(int)
        assert read.shape == (96, 96)
        assert np.abs(read - drawn).mean() < (1.5 if place.suffix == ".jpg" else 1e-9)


def test_colour_is_written_as_colour(tmp_path, few):
    settings = SyntheticSettings(pixels=96, colour="rgb")
    write(settings, tmp_path)
    clip = _few(settings)[-1]
    frame = Film(settings, clip, draw_subject(settings, clip.dataset, clip.subject)).frame(clip.onset)
    read = cv2.imread(str(tmp_path / clip_folder(clip) / frame_name(clip, clip.onset)))
    np.testing.assert_array_equal(read[..., ::-1], frame)
    assert frame[..., 0].mean() != frame[..., 2].mean()


def test_some_samm_clips_of_full_have_frame_numbers_of_four_digits():
    clips = [clip for clip in plan(SyntheticSettings(size="full")) if clip.dataset == "samm"]
    assert {clip.digits for clip in clips} == {4, 5}
    four = next(clip for clip in clips if clip.digits == 4)
    assert frame_name(four, four.onset) == f"{four.subject}_{four.onset:04d}.jpg"


def test_the_manifest_says_what_was_made(small):
    manifest = read_manifest(small)
    assert manifest["generator"] == generator_digest(TINY)
    assert SyntheticSettings(**manifest["settings"]) == TINY
    assert sum(manifest["clips"].values()) == sum(manifest["classes"].values()) == 20
    assert manifest["subjects"].keys() == set(READERS)


# The leak gate, on files.


def test_files_of_onset_apex_and_offset_and_all_sheets_are_the_same_bytes_at_every_strength(tmp_path, few):
    trees_of = []
    for strength in (0.0, 0.5, 1.0):
        folder = tmp_path / str(strength)
        write(TINY.model_copy(update={"strength": strength}), folder)
        trees_of.append(_bytes(folder))
    assert trees_of[0].keys() == trees_of[1].keys() == trees_of[2].keys()
    for clip in _few(TINY):
        place = clip_folder(clip).as_posix()
        for number in (clip.onset, clip.apex, clip.offset):
            file = f"{place}/{frame_name(clip, number)}"
            assert trees_of[0][file] == trees_of[1][file] == trees_of[2][file]
        risen = f"{place}/{frame_name(clip, (clip.onset + clip.apex) // 2)}"
        assert len({tree[risen] for tree in trees_of}) == 3
    sheets = [name for name in trees_of[0] if name.endswith(".xlsx")]
    assert len(sheets) == 3
    assert all(trees_of[0][name] == trees_of[1][name] == trees_of[2][name] for name in sheets)


def test_two_writes_at_different_times_and_with_different_workers_give_the_same_bytes(tmp_path, few, whole):
    time.sleep(2.1)  # zip files remember the time of writing in steps of two seconds
    write(TINY, tmp_path, workers=3)
    assert _bytes(tmp_path) == whole


# Broken off, repeated, elsewhere.


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_write_that_was_broken_off_is_completed_and_never_looks_whole(tmp_path, few, whole, monkeypatch, after):
    done = []

    def broken(film, place, write_clip=trees._write_clip):
        if len(done) == after:
            (place.with_name(f".{place.name}.part")).mkdir(parents=True)  # what a kill leaves
            (place.with_name(f".{place.name}.part") / "img1.jpg").write_bytes(b"half")
            raise KeyboardInterrupt
        write_clip(film, place)
        done.append(place)

    monkeypatch.setattr(trees, "_write_clip", broken)
    with pytest.raises(KeyboardInterrupt):
        write(TINY, tmp_path / "broken", workers=1)
    assert read_manifest(tmp_path / "broken") is None
    monkeypatch.undo()
    monkeypatch.setattr(trees, "plan", _few)
    stamps = {place: place.stat().st_mtime_ns for place in done}
    write(TINY, tmp_path / "broken")
    assert _bytes(tmp_path / "broken") == whole
    assert not list((tmp_path / "broken").rglob("*.part"))
    assert {place: place.stat().st_mtime_ns for place in done} == stamps  # what was done is not done again


def test_a_killed_write_is_completed_by_the_next_one(tmp_path, few, whole):
    folder = tmp_path / "killed"
    names = [clip.clip for clip in _few(TINY)]
    code = (
        "import sys; from pathlib import Path\n"
        "from merbench.synthetic import trees\n"
        "from merbench.synthetic.settings import SyntheticSettings\n"
        "clips = trees.plan(SyntheticSettings(pixels=96))\n"
        f"trees.plan = lambda settings: [clip for clip in clips if clip.clip in {names}]\n"
        "said = lambda done, total: print(done, flush=True)\n"
        "trees.write(SyntheticSettings(pixels=96), Path(sys.argv[1]), said, workers=1)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as process:
        for _ in range(3):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert read_manifest(folder) is None
    calls = []
    write(TINY, folder, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (6, 6)
    assert _bytes(folder) == whole


def test_a_finished_stand_in_is_left_as_it_is(tmp_path, few):
    write(TINY, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    calls = []
    write(TINY, tmp_path, lambda done, total: calls.append(done))
    assert calls == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == before


def test_progress_counts_clips(tmp_path, few):
    calls = []
    write(TINY, tmp_path, lambda done, total: calls.append((done, total)), workers=2)
    assert calls == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_with_other_settings_is_refused_and_kept(tmp_path, few, finished):
    write(TINY, tmp_path)
    if not finished:
        (tmp_path / "synthetic.json").rename(tmp_path / "synthetic.json.part")
    before = _bytes(tmp_path)
    with pytest.raises(DataError, match="other settings or another version: delete it or give a new folder"):
        write(TINY.model_copy(update={"seed": 1}), tmp_path)
    assert _bytes(tmp_path) == before


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DataError, match="is not empty and not a synthetic database: give a new folder"):
        write(TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"generator": 5}'])
def test_a_damaged_manifest_is_one_line_that_says_what_to_do(tmp_path, content):
    (tmp_path / "synthetic.json").write_text(content)
    with pytest.raises(DataError, match="delete the folder and write the data again"):
        read_manifest(tmp_path)


def test_a_disk_that_fails_is_one_line_and_what_is_done_is_kept(tmp_path, few, monkeypatch):
    def full(film, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trees, "_write_clip", full)
    with pytest.raises(DataError, match="No space left on device; finished clips are kept"):
        write(TINY, tmp_path)


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't be written"):
        write(TINY, tmp_path / "file")


def test_sheets_hold_no_time_stamp(small):
    data = (small / "casme2" / "CASME2-coding-20190701.xlsx").read_bytes()
    assert len(pd.read_excel(io.BytesIO(data))) > 0
    assert str(time.localtime().tm_year).encode() not in data
