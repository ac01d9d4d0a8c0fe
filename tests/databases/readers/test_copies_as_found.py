"""Copies as people have them: what is read in spite of it, and what is said of the rest."""

import re
import shutil

from support import miniature, own
from support.refusals import refusal

from merbench.contracts.clips import clips_digest
from merbench.contracts.errors import DataError
from merbench.databases import DATABASES
from merbench.databases.readers.casme2 import DATABASE as CASME2
from merbench.databases.readers.smic_hs import DATABASE as SMIC
from merbench.databases.registrations import open_source

SHEET, FIRST = "CASME2-coding-20140508.xlsx", "CASME2-RAW/sub01/EP21_01f"
# Of three people, with frames of their own; sheet and frames agree.
ROWS = [
    ["01", "EP21_01f", 46, 49, 53, 12, "happiness", 1],
    ["01", "EP21_02", 3, 5, 8, "4+L10", "disgust", 4],
    ["02", "EP23_94", 10, 20, 45, 12, "happiness", 1],
    ["03", "EP28f", 70, 80, 99, "1", "surprise", 2],
    ["03", "EP29f", 7, 9, 12, "1", "surprise", 2],
]


def renumbered(folder, first, margin=0, every=1):
    """Write the frames from `margin` before the onset on, numbered from `first`, of each `every`-th clip."""
    miniature.write_casme2(folder, ROWS)
    shutil.rmtree(folder / "CASME2-RAW")
    for number, (subject, clip, onset, _, offset, *_) in enumerate(ROWS):
        begin, end = max(1, onset - margin), offset + margin
        start = begin if number % every else first
        place = folder / "CASME2-RAW" / f"sub{subject}" / clip
        miniature.write_frames(place, range(start, start + end - begin + 1), "img{}.jpg")
    return folder


def test_frames_that_count_from_one_are_matched_or_refused_never_guessed(tmp_path):
    spans = {row[1]: tuple(row[2:5]) for row in ROWS}
    for case, first, every in (("one", 1, 1), ("zero", 0, 1), ("partly", 1, 2)):
        folder = renumbered(tmp_path / case, first, every=every)
        reading = CASME2.read(folder)
        assert len(reading.clips) == len(ROWS), case
        for row in reading.clips.itertuples():
            onset, apex, offset = spans[row.clip]
            shift = onset - min(CASME2.frames(folder, row.path))
            assert (row.onset + shift, row.apex + shift, row.offset + shift) == (onset, apex, offset), case
        shifted = {note.about for note in reading.notes if "numbered from 0 or 1" in note.text}
        assert len(shifted) == (5 if every == 1 else 3), case
        assert {note.kind for note in reading.notes if note.about in shifted} == {"corrected"}
    line = refusal(CASME2.read, renumbered(tmp_path / "full", 1, margin=5), error=DataError)
    assert "2 of 5 clips, such as casme2/sub01/EP21_01f, are not among them: the frames were renumbered" in line


def test_a_clip_that_lacks_its_last_frames_is_not_taken_for_a_renumbered_one(tmp_path):
    folder = miniature.write_casme2(tmp_path, ROWS)
    place = folder / "CASME2-RAW/sub01/EP21_02"  # 1 to 10 on disk, 3 to 8 in the sheet
    for number in range(7, 11):
        (place / f"img{number}.jpg").unlink()
    row = CASME2.read(folder).clips.query("clip == 'EP21_02'").iloc[0]
    assert (row.onset, row.apex, row.offset) == (3, 5, 8)
    (place / "img6.jpg").unlink()
    excluded = [note for note in CASME2.read(folder).notes if note.kind == "excluded"]
    assert [(note.about, note.detail) for note in excluded] == [
        ("casme2/sub01/EP21_02", "offset 8, nearest 5; on disk 5 frames, 1 to 5")
    ]


def test_the_kind_of_a_tree_is_that_of_most_frames(tmp_path):
    def stray(folder):
        shutil.copy(folder / FIRST / "img46.jpg", folder / FIRST / "reg_img46.jpg")

    def over(folder):
        miniature.write_casme2(folder, prefix="reg_img")

    def stray_raw(folder):
        shutil.rmtree(folder / "CASME2-RAW")
        miniature.write_casme2(folder, tree="Cropped", prefix="reg_img")
        shutil.copy(folder / "Cropped/sub01/EP21_01f/reg_img46.jpg", folder / "Cropped/sub01/EP21_01f/img46.jpg")

    def wide(folder):
        (folder / "CASME2-RAW").rename(folder / "microcrop")
        for path in (folder / "microcrop").rglob("*.jpg"):
            path.write_bytes(miniature.picture(12, 8))

    for number, (damage, cropped) in enumerate(((stray, False), (over, False), (stray_raw, True), (wide, False))):
        folder = miniature.write_casme2(tmp_path / f"crop{number}" / "CASME2")
        damage(folder)
        reading = CASME2.read(folder)
        assert (len(reading.clips), reading.cropped) == (6, cropped), damage
    assert any("microcrop is called like a tree of crops, but its pictures are 12x8" in n.text for n in reading.notes)
    miniature.write_casme2(tmp_path / "my_crops" / "CASME2", tree="data")
    for place in ("my_crops/CASME2", "my_crops"):
        reading = CASME2.read(tmp_path / place)
        assert not reading.cropped
    assert any("my_crops above it is called like a tree of crops" in note.text for note in reading.notes)
    some = miniature.write_casme2(tmp_path / "some")
    for path in list((some / FIRST).iterdir()):
        path.rename(path.with_name(f"reg_{path.name}"))
    (note,) = [note for note in CASME2.read(some).notes if note.kind == "excluded"]
    assert (note.about, note.text.startswith("the clip's frames are cropped faces")) == ("casme2/sub01/EP21_01f", True)


def test_merged_cells_are_filled_down(tmp_path):
    folder = miniature.write_casme2(tmp_path, ROWS)
    grid = miniature.casme2_grid([[None if row[0] == before[0] else row[0], *row[1:]] for before, row in
                                  zip([[None], *ROWS], ROWS, strict=False)])  # fmt: skip
    expected = CASME2.read(folder)
    miniature.write_sheet(folder / SHEET, grid)
    reading = CASME2.read(folder)
    assert clips_digest(reading.clips) == clips_digest(expected.clips)
    assert f"{SHEET}, Sheet1: no subject in rows 3, 6, as in merged cells: using the one above" in [
        note.text for note in reading.notes
    ]


def test_class_folders_of_smic_may_have_other_names(tmp_path):
    folder = miniature.write_smic(tmp_path)
    expected = SMIC.read(folder)
    names = {"negative": "neg", "positive": "micro_positive", "surprise": "Surprise"}
    for place in list(folder.glob("HS/*/micro/*")):
        place.rename(place.with_name(names[place.name]))
    reading = SMIC.read(folder)
    assert clips_digest(reading.clips) == clips_digest(expected.clips)
    assert [note for note in reading.notes if note.about] == [note for note in expected.notes if note.about]


def test_a_copy_of_another_database_is_named(tmp_path):
    for given, other in (("smic-hs", "smic-e-hs"), ("casme2", "casme3"), ("samm", "samm-lv")):
        folder = miniature.write_further(tmp_path / other, other)
        line = refusal(open_source, given, folder, error=DataError)
        assert line.endswith(f"it looks like a copy of {other}: merbench data add {other} {folder}")


def test_pictures_without_numbers_are_named(tmp_path):
    folder = miniature.write_samm(tmp_path)
    for place in (folder / "SAMM").glob("*/*"):
        first, second, *others = sorted(place.iterdir())
        first.rename(place / "onset.jpg")
        second.rename(place / "apex.jpg")
        for path in others:
            path.unlink()
    line = refusal(DATABASES.get("samm").read, folder, error=DataError)
    assert re.search(r"no frames \(4 of 4 .*; without a frame number: apex.jpg, onset.jpg", line)


def test_a_video_a_clip_is_read_and_counted(tmp_path):
    folder = miniature.write_casme2(tmp_path, ROWS)
    shutil.rmtree(folder / "CASME2-RAW")
    for subject, clip, onset, _, offset, *_ in ROWS:
        own.write_video(folder / "compressed video" / f"sub{subject}" / f"{clip}.avi", offset - onset + 1)
    reading = CASME2.read(folder)
    assert len(reading.clips) == len(ROWS)
    first = reading.clips.iloc[0]
    assert (first.path, first.onset, first.apex, first.offset) == ("compressed video/sub01/EP21_01f.avi", 1, 4, 8)
    assert list(CASME2.frames(folder, first.path)) == list(range(1, 9))
    own.write_video(folder / first.path, 5)  # shorter than the sheet says
    excluded = [note.about for note in CASME2.read(folder).notes if note.kind == "excluded"]
    assert excluded == ["casme2/sub01/EP21_01f"]
    own.write_video(folder / first.path, 8)
    videos = sorted((folder / "compressed video").rglob("*.avi"))
    for video in videos[:2]:  # which are among those by which the kind of the tree is judged
        video.write_bytes(b"RIFF no video")
    reading = CASME2.read(folder)
    assert len(reading.clips) == len(ROWS) - 2
    bad = [note for note in reading.notes if note.text == "the clip's video can't be read: copy or convert it again"]
    assert [note.kind for note in bad] == ["excluded"] * 2
    assert [note.detail.split(" can't")[0] for note in bad] == [str(video) for video in videos[:2]]
    miniature.write_casme2(folder, ROWS)
    assert CASME2.read(folder).clips.path[0].startswith("CASME2-RAW/")
    copied = [next((folder / "CASME2-RAW" / "sub01" / clip).iterdir()) for clip in ("EP21_01f", "EP21_02")]
    for path in copied:  # both are named
        path = path.rename(path.with_name(path.name.replace("img", "img0")))
        shutil.copy(path, path.with_name(path.name.replace("img0", "img")))
    assert refusal(CASME2.read, folder, error=DataError).count("are both frame") == 2
    for video in videos:
        video.write_bytes(b"RIFF no video")
    shutil.rmtree(folder / "CASME2-RAW")
    assert "EP21_01f.avi can't be read as a video" in refusal(CASME2.read, folder, error=DataError)
