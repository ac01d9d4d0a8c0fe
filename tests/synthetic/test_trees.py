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
    clips, chosen = plan(settings), []
    for dataset in READERS:
        subject = Counter(clip.subject for clip in clips if clip.dataset == dataset).most_common(1)[0][0]
        own = [clip for clip in clips if (clip.dataset, clip.subject) == (dataset, subject)]
        chosen += sorted(own, key=lambda clip: clip.last - clip.first)[:2]
    return chosen


def _some(settings):
    """Return every fifth clip."""
    return plan(settings)[::5]


def _written(folder, planned):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "plan", planned)
        write(TINY, folder, workers=1)
    return folder


@pytest.fixture
def few(monkeypatch):
    """Make every synthetic database one of six clips."""
    monkeypatch.setattr(trees, "plan", _few)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a synthetic database of 20 clips."""
    return _written(tmp_path_factory.mktemp("small"), _some)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a synthetic database of six clips."""
    return _bytes(_written(tmp_path_factory.mktemp("whole"), _few))


def _bytes(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_readers_read_the_planned_clips(small):
    planned = {normalised(clip.dataset, clip.subject, clip.clip): clip for clip in _some(TINY)}
    read, sided = {}, set()
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
            assert row.apex_source == "annotated"
            units = {(unit.number, unit.side, unit.intensity) for entry in row.aus.entries for unit in entry}
            intense = clip.dataset == "samm"
            assert units == {(u.number, u.side, u.intensity if intense else "") for u in clip.units}
            sided |= {unit.side for unit in clip.units}
    assert len(sided) > 1


def test_sheets_and_manifest_have_their_headers_and_counts(small):
    coding = pd.read_excel(small / "casme2" / "CASME2-coding-20190701.xlsx")
    assert [name for name in coding.columns if not name.startswith("Unnamed")] == [
        "Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"
    ]  # fmt: skip
    path = small / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx"
    codes = pd.read_excel(path, sheet_name="MICRO_ONLY", header=13, dtype=str)
    assert len(codes) == sum(clip.dataset == "samm" for clip in _some(TINY))
    assert codes.Subject.str.fullmatch(r"\d{3}").all()
    onset, offset, duration = (codes[name].astype(int) for name in ("Onset Frame", "Offset Frame", "Duration"))
    assert (offset - onset + 1 == duration).all()
    year = str(time.localtime().tm_year).encode()
    assert all(year not in sheet.read_bytes() for sheet in small.rglob("*.xlsx"))
    manifest = read_manifest(small)
    assert manifest["generator"] == generator_digest(TINY)
    assert SyntheticSettings(**manifest["settings"]) == TINY
    assert sum(manifest["clips"].values()) == sum(manifest["classes"].values()) == 20
    assert manifest["subjects"].keys() == set(READERS)


def test_pictures_are_in_the_databases_formats_and_colours(small, few, tmp_path):
    rgb = SyntheticSettings(pixels=96, colour="rgb")
    write(rgb, tmp_path)
    for settings, folder, clips in ((TINY, small, _some(TINY)[::4]), (rgb, tmp_path, _few(rgb)[-2:])):
        for clip in clips:
            place = folder / clip_folder(clip) / frame_name(clip, clip.apex)
            assert place.suffix == (".bmp" if clip.dataset == "smic-hs" else ".jpg")
            person = draw_subject(settings, clip.dataset, clip.subject)
            drawn = Film(settings, clip, person).frame(clip.apex).astype(int)
            read = cv2.imread(str(place), cv2.IMREAD_UNCHANGED).astype(int)
            read = read[..., ::-1] if settings is rgb else read
            assert read.shape == ((96, 96, 3) if settings is rgb else (96, 96))
            assert np.abs(read - drawn).mean() < (1.5 if place.suffix == ".jpg" else 1e-9)
    assert drawn[..., 0].mean() != drawn[..., 2].mean()
    clips = [clip for clip in plan(SyntheticSettings(size="full")) if clip.dataset == "samm"]
    assert {clip.digits for clip in clips} == {4, 5}
    four = next(clip for clip in clips if clip.digits == 4)
    assert frame_name(four, four.onset) == f"{four.subject}_{four.onset:04d}.jpg"


@pytest.mark.slow
def test_labelled_frames_and_sheets_ignore_the_strength(tmp_path, few):
    written = []
    for strength in (0.0, 0.5, 1.0):
        write(TINY.model_copy(update={"strength": strength}), tmp_path / str(strength))
        written.append(_bytes(tmp_path / str(strength)))
    assert written[0].keys() == written[1].keys() == written[2].keys()
    same = [name for name in written[0] if name.endswith(".xlsx")]
    assert len(same) == 3
    for clip in _few(TINY):
        files = {n: (clip_folder(clip) / frame_name(clip, n)).as_posix() for n in range(clip.first, clip.last + 1)}
        same += [files[number] for number in (clip.onset, clip.apex, clip.offset)]
        assert len({each[files[(clip.onset + clip.apex) // 2]] for each in written}) == 3
    assert all(written[0][name] == written[1][name] == written[2][name] for name in same)


@pytest.mark.slow
def test_two_writes_give_the_same_bytes(tmp_path, few, whole):
    time.sleep(2.1)  # zip files remember the time of writing in steps of two seconds
    write(TINY, tmp_path, workers=3)
    assert _bytes(tmp_path) == whole


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
        write(TINY, folder, workers=1)
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


def test_finished_databases_and_other_folders_are_not_written_into(tmp_path, few, monkeypatch):
    calls = []
    for _ in range(2):
        write(TINY, tmp_path, lambda done, total: calls.append((done, total)), workers=2)
        assert calls == [(done, 6) for done in range(1, 7)]
    for manifest in ("synthetic.json", "synthetic.json.part"):  # finished, and not finished
        next(tmp_path.glob("synthetic.json*")).rename(tmp_path / manifest)
        kept = _bytes(tmp_path)
        other = TINY.model_copy(update={"seed": 1})
        assert "other settings or another version" in refusal(write, other, tmp_path, error=DataError)
        assert _bytes(tmp_path) == kept, manifest
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
