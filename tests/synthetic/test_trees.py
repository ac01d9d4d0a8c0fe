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
from support.refusals import refusal

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
    """Make every synthetic database one of six clips."""
    monkeypatch.setattr(trees, "plan", _few)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a synthetic database of 20 clips."""
    folder = tmp_path_factory.mktemp("synthetic") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "plan", _some)
        write(TINY, folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a synthetic database of six clips."""
    folder = tmp_path_factory.mktemp("synthetic") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "plan", _few)
        write(TINY, folder, workers=1)
    return _bytes(folder)


def _bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# What is written.


def test_the_readers_read_the_planned_clips(small):
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


def test_action_units_keep_sides_and_intensities(small):
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
        "Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"
    ]  # fmt: skip
    codes = pd.read_excel(
        small / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx", sheet_name="MICRO_ONLY", header=13, dtype=str
    )
    assert len(codes) == sum(clip.dataset == "samm" for clip in _some(TINY))
    assert codes.Subject.str.fullmatch(r"\d{3}").all()
    assert (
        codes["Offset Frame"].astype(int) - codes["Onset Frame"].astype(int) + 1 == codes.Duration.astype(int)
    ).all()


def test_pictures_are_in_the_databases_formats(small):
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


def test_some_frame_numbers_of_samm_have_four_digits():
    clips = [clip for clip in plan(SyntheticSettings(size="full")) if clip.dataset == "samm"]
    assert {clip.digits for clip in clips} == {4, 5}
    four = next(clip for clip in clips if clip.digits == 4)
    assert frame_name(four, four.onset) == f"{four.subject}_{four.onset:04d}.jpg"


def test_the_manifest_holds_settings_and_counts(small):
    manifest = read_manifest(small)
    assert manifest["generator"] == generator_digest(TINY)
    assert SyntheticSettings(**manifest["settings"]) == TINY
    assert sum(manifest["clips"].values()) == sum(manifest["classes"].values()) == 20
    assert manifest["subjects"].keys() == set(READERS)


# The leak gate, on files.


@pytest.mark.slow
def test_labelled_frames_and_sheets_ignore_the_strength(tmp_path, few):
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


@pytest.mark.slow
def test_two_writes_give_the_same_bytes(tmp_path, few, whole):
    time.sleep(2.1)  # zip files remember the time of writing in steps of two seconds
    write(TINY, tmp_path, workers=3)
    assert _bytes(tmp_path) == whole


# Broken off, repeated, elsewhere.


def test_a_write_that_was_broken_off_is_completed(tmp_path, few, whole, monkeypatch):
    for after in (0, 4):
        folder, done = tmp_path / str(after), []

        def broken(film, place, write_clip=trees._write_clip, after=after, done=done):
            if len(done) == after:
                (place.with_name(f".{place.name}.part")).mkdir(parents=True)  # as after a kill
                (place.with_name(f".{place.name}.part") / "img1.jpg").write_bytes(b"half")
                raise KeyboardInterrupt
            write_clip(film, place)
            done.append(place)

        with monkeypatch.context() as patch:
            patch.setattr(trees, "_write_clip", broken)
            with pytest.raises(KeyboardInterrupt):
                write(TINY, folder, workers=1)
        assert read_manifest(folder) is None, after
        stamps = {place: place.stat().st_mtime_ns for place in done}
        write(TINY, folder)
        assert _bytes(folder) == whole, after
        assert not list(folder.rglob("*.part")), after
        assert {place: place.stat().st_mtime_ns for place in done} == stamps  # finished clips are not written again


@pytest.mark.slow
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


def test_a_finished_database_is_not_written_again(tmp_path, few):
    calls = []
    write(TINY, tmp_path, lambda done, total: calls.append((done, total)), workers=2)
    assert calls == [(done, 6) for done in range(1, 7)]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    write(TINY, tmp_path, lambda done, total: calls.append((done, total)))
    assert len(calls) == 6
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == before
    for manifest in ("synthetic.json", "synthetic.json.part"):  # finished, and not finished
        next(tmp_path.glob("synthetic.json*")).rename(tmp_path / manifest)
        kept = _bytes(tmp_path)
        with pytest.raises(DataError, match="other settings or another version"):
            write(TINY.model_copy(update={"seed": 1}), tmp_path)
        assert _bytes(tmp_path) == kept, manifest


def test_folders_that_cannot_be_written_are_refused(tmp_path, few, monkeypatch):
    other, damaged = tmp_path / "other", tmp_path / "damaged"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    assert "not a synthetic database" in refusal(write, TINY, other, error=DataError)
    assert [path.name for path in other.iterdir() if path.name != ".lock"] == ["thesis.tex"]
    assert "can't be written" in refusal(write, TINY, other / "thesis.tex", error=DataError)
    damaged.mkdir()
    for content in ("{", "[]", "{}", '{"generator": 5}'):
        (damaged / "synthetic.json").write_text(content)
        assert "delete the folder" in refusal(read_manifest, damaged, case=content, error=DataError)

    def full(film, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trees, "_write_clip", full)
    assert "No space left on device" in refusal(write, TINY, tmp_path / "full", error=DataError)


def test_sheets_have_no_time_stamp(small):
    data = (small / "casme2" / "CASME2-coding-20190701.xlsx").read_bytes()
    assert len(pd.read_excel(io.BytesIO(data))) > 0
    assert str(time.localtime().tm_year).encode() not in data
