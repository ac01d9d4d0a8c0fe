"""Copies that are broken in one way each: what the reader says, in one line, or which clips it tells of and why."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from merbench.contracts.clips import clip_names
from merbench.contracts.errors import DataError
from merbench.contracts.notes import Note
from merbench.databases.readers.casme2 import DATABASE as CASME2
from merbench.databases.readers.samm import DATABASE as SAMM
from merbench.databases.readers.smic_hs import DATABASE as SMIC

SHEET, TREE, CLASSES = "CASME2-coding-20140508.xlsx", "CASME2-RAW", "CASME2-ObjectiveClasses.xlsx"
FIRST = f"{TREE}/sub01/EP21_01f"  # frames 44 to 55, of which 46 to 53 are the clip; row 2 of the sheet
# Columns of the sheet, as a list counts them.
SUBJECT, CLIP, ONSET, APEX, OFFSET, AUS, EMOTION = 0, 1, 3, 4, 5, 7, 8


@pytest.fixture
def casme2(miniature, tmp_path):
    """Return a copy of CASME II with six clips."""
    return miniature.write_casme2(tmp_path / "casme2")


def sheet(change, name=SHEET):
    """Return a damage that writes the sheet again after ``change(cells)``."""

    def damage(folder, miniature):
        grid = miniature.casme2_grid()
        miniature.write_sheet(folder / name, change(grid) or grid)

    return damage


def cell(row, column, value):
    """Return a damage that writes one cell, `row` as a spreadsheet counts."""
    return sheet(lambda grid: grid[row - 1].__setitem__(column, value))


def on_disk(change):
    """Return a damage to files and folders."""
    return lambda folder, miniature: change(folder)


def rename(old, new):
    return on_disk(lambda folder: (folder / old).rename(folder / new))


def write(path, content):
    return on_disk(lambda folder: (folder / path).write_bytes(content))


def forget(path):
    return on_disk(
        lambda folder: shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()
    )


def two(*damages):
    return lambda folder, miniature: [damage(folder, miniature) for damage in damages]


REFUSED = {
    "no sheet": (
        forget(SHEET),
        "no annotation sheet such as CASME2-coding-20140508.xlsx was found .*; give the folder",
    ),
    "the lock file of an open sheet in its place": (rename(SHEET, f"~${SHEET}"), "no annotation sheet such as CASME2"),
    "only the sheet of objective classes": (rename(SHEET, "sheet.xlsx"), "no annotation sheet such as CASME2-coding"),
    "no frames": (
        forget(TREE),
        "no clip folders such as CASME2-RAW/sub01/EP02_01f were found .*; give the folder",
    ),
    "frames four levels down": (
        on_disk(lambda f: shutil.move(f / TREE, f / "a" / "b" / "c" / "d" / TREE)),
        "no clip folders such as",
    ),
    "clips without subjects' folders": (
        two(rename(f"{TREE}/sub01", "x"), forget(TREE), rename("x", TREE)),
        "no clip folders such as CASME2-RAW/sub01/EP02_01f were found",
    ),
    "another sheet": (
        sheet(lambda g: [["Name", "Value"], ["a", 1]]),
        f"{SHEET}: none of the first 30 rows .* names the",
    ),
    "no header": (
        sheet(lambda g: g[1:]),
        f"{SHEET}: none of the first 30 rows of its sheets .* is it the annotation sheet",
    ),
    "a header too far down": (sheet(lambda g: [[]] * 40 + g), f"{SHEET}: none of the first 30 rows of its sheets"),
    "a renamed column": (
        cell(1, APEX, "Peak"),
        f"{SHEET}, Sheet1: the header on row 1 lacks the columns ApexFrame; it has Subject, Filename, OnsetFrame, Peak",
    ),
    "no rows": (sheet(lambda g: g[:1]), f"{SHEET}, Sheet1: no rows below the header on row 1"),
    "a formula without a value": (
        cell(4, OFFSET, "=D4+5"),
        f"{SHEET}, Sheet1: cell F4 holds a formula without a stored value; open the file in a spreadsheet program",
    ),
    "a damaged sheet": (
        on_disk(lambda f: (f / SHEET).write_bytes((f / SHEET).read_bytes()[:1500])),
        f"{SHEET} can't be read, it is damaged: .*; copy it again",
    ),
    "a sheet that is not an Excel file": (
        write(SHEET, b"Subject,Filename\n"),
        f"{SHEET} is not an Excel file: copy the",
    ),
    "a pointer in place of the sheet": (write(SHEET, b"version https://git-lfs"), f"{SHEET} is not an Excel file"),
    "an empty sheet": (write(SHEET, b""), f"{SHEET} is empty: copy the annotation sheet again"),
    "a damaged sheet of objective classes": (write(CLASSES, b"PK\3\4"), f"{CLASSES} can't be read, it is damaged"),
    "a row twice": (
        sheet(lambda g: [*g, g[1]]),
        f"{SHEET}, Sheet1: rows 2 and 8 are both casme2/sub01/EP21_01f; remove one of them",
    ),
    "a clip twice in other spellings": (
        sheet(lambda g: [*g, [1, "ep21_01F ", *g[1][2:]]]),
        "rows 2 and 8 are both casme2/sub01/EP21_01f",
    ),
    "a clip's folder twice": (
        on_disk(lambda f: shutil.copytree(f / FIRST, f / TREE / "sub01" / "ep21_01F")),
        "are both casme2/sub01/EP21_01f; remove one of them",
    ),
    "two pictures of one number": (
        on_disk(lambda f: shutil.copy(f / FIRST / "img47.jpg", f / FIRST / "img047.jpg")),
        "EP21_01f: img047.jpg and img47.jpg are both frame 47; remove one of them",
    ),
    "a link loop": (
        on_disk(lambda f: (f / TREE / "sub01" / "again").symlink_to(f / TREE)),
        "sub01/again is a link to itself or to a folder above it: remove it",
    ),
    "a frame that links to itself": (
        two(forget(f"{FIRST}/img50.jpg"), on_disk(lambda f: (f / FIRST / "img50.jpg").symlink_to("img50.jpg"))),
        "img50.jpg is a link to itself",
    ),
    "frames of other counters": (
        sheet(lambda g: [g[0], *([*row[:3], 900, 950, 990, *row[6:]] for row in g[1:])]),
        r"no clip can be used: no frame on disk is between onset and offset \(6 of 6 excluded\), such as casme2/"
        f"sub01/EP21_01f {SHEET}, Sheet1, row 2: 900 to 990, on disk 44 to 55",
    ),
    "folders of other subjects": (
        on_disk(lambda f: [(f / TREE / f"sub0{n}").rename(f / TREE / f"sub1{n}") for n in (1, 2, 3)]),
        r"no clip can be used: the clip has no folder on disk \(6 of ",
    ),
    "names moved by one column": (
        sheet(lambda g: [g[0], *([row[1], row[0], *row[2:]] for row in g[1:])]),
        "no clip can be used: the row names no clip .* are not of the form subject sub01, clip EP02_01f",
    ),
}


@pytest.mark.parametrize(("damage", "said"), REFUSED.values(), ids=REFUSED)
def test_a_copy_that_can_not_be_read_is_one_line(casme2, miniature, damage, said):
    damage(casme2, miniature)
    with pytest.raises(DataError, match=said) as caught:
        CASME2.read(casme2)
    assert str(casme2) in str(caught.value)
    assert "\n" not in str(caught.value)


CLIP_NAME = "casme2/sub01/EP21_01f"
GREY = cv2.imencode(".jpg", np.zeros((10, 8, 3), np.uint8))[1].tobytes()

LEFT_OUT = {
    "no onset": (
        cell(2, ONSET, "/"),
        "the sheet has no onset or no offset number",
        f"{SHEET}, Sheet1, cell D2: nothing",
    ),
    "text in place of the onset": (
        cell(2, ONSET, "MISSING <-"),
        "the sheet has no onset or no offset number",
        f"{SHEET}, Sheet1, cell D2: MISSING <-",
    ),
    "half a frame": (
        cell(2, OFFSET, 53.5),
        "the sheet has no onset or no offset number",
        f"{SHEET}, Sheet1, cell F2: 53.5",
    ),
    "onset after offset": (cell(2, ONSET, 54), "the onset is after the offset", f"{SHEET}, Sheet1, row 2: 54 to 53"),
    "no emotion": (cell(2, EMOTION, " "), "the sheet has no emotion", f"{SHEET}, Sheet1, cell I2"),
    "no folder": (forget(FIRST), "the clip has no folder on disk", f"{SHEET}, Sheet1, row 2"),
    "a file in place of the folder": (
        two(forget(FIRST), write(FIRST, b"x")),
        "the clip has no folder on disk",
        f"{SHEET}, Sheet1, row 2",
    ),
    "a folder that links nowhere": (
        two(forget(FIRST), on_disk(lambda f: (f / FIRST).symlink_to("away"))),
        "the clip has no folder on disk",
        f"{SHEET}, Sheet1, row 2",
    ),
    "an empty folder": (
        two(forget(FIRST), on_disk(lambda f: (f / FIRST).mkdir())),
        "the clip's folder has no frames",
        "EP21_01f",
    ),
    "a folder of something else": (
        two(forget(FIRST), on_disk(lambda f: (f / FIRST).mkdir()), write(f"{FIRST}/Thumbs.db", b"x")),
        "the clip's folder has no frames",
        "EP21_01f",
    ),
    "no frame within the clip": (
        on_disk(lambda f: [(f / FIRST / f"img{n}.jpg").unlink() for n in range(46, 54)]),
        "no frame on disk is between onset and offset",
        f"{SHEET}, Sheet1, row 2: 46 to 53, on disk 44 to 55",
    ),
}


@pytest.mark.parametrize(("damage", "reason", "detail"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_clip_that_can_not_be_used_is_left_out_and_told(casme2, miniature, damage, reason, detail):
    before = CASME2.read(casme2)
    damage(casme2, miniature)
    reading = CASME2.read(casme2)
    assert clip_names(reading.clips) == [name for name in clip_names(before.clips) if name != CLIP_NAME]
    (note,) = [note for note in reading.notes if note not in before.notes]
    assert (note.about, note.kind, note.text) == (CLIP_NAME, "excluded", reason)
    assert detail in note.detail


KEPT = {
    "an apex that is text": (
        cell(2, APEX, "?"),
        "corrected",
        "the sheet has no apex: using the midpoint",
        f"49 in 46 to 53 ({SHEET}, Sheet1, cell E2: ?)",
    ),
    "a blank apex": (
        cell(2, APEX, None),
        "corrected",
        "the sheet has no apex: using the midpoint",
        f"49 in 46 to 53 ({SHEET}, Sheet1, cell E2: nothing)",
    ),
    "an apex of 0": (
        cell(2, APEX, 0),
        "corrected",
        "the apex is outside onset to offset: using the midpoint",
        f"49 in 46 to 53 ({SHEET}, Sheet1, cell E2: 0)",
    ),
    "an apex at the onset": (cell(2, APEX, 46), "note", "the apex is the onset", "46"),
    "action units that can't be read": (
        cell(2, AUS, "4+smile"),
        "note",
        "the action units are not readable, and count as not annotated",
        f"{SHEET}, Sheet1, cell H2: '4+smile': 'SMILE' is not an action unit",
    ),
    "an emotion of another database": (
        cell(2, EMOTION, "Contempt"),
        "note",
        "the emotion is not a known one of this database",
        "'contempt'",
    ),
    "frames missing inside the clip": (
        on_disk(lambda f: [(f / FIRST / f"img{n}.jpg").unlink() for n in (46, 50, 55)]),
        "note",
        "frames are missing between onset and offset",
        "2 of 8: 46, 50",
    ),
    "an offset far beyond the frames": (
        cell(2, OFFSET, 10**11),
        "note",
        "frames are missing between onset and offset",
        "99999999945 of 99999999955: 56, 57, 58, 59, 60, 61, 62, 63, 64, 65 ...",
    ),
    "pictures of two sizes": (
        write(f"{FIRST}/img53.jpg", GREY),
        "note",
        "the pictures differ in size",
        "img46.jpg 8x8, img49.jpg 8x8, img53.jpg 8x10",
    ),
    "a picture cut short": (
        write(f"{FIRST}/img46.jpg", GREY[:20]),
        "note",
        "a frame is not a readable picture",
        "img46.jpg",
    ),
    "an empty picture": (write(f"{FIRST}/img49.jpg", b""), "note", "a frame is not a readable picture", "img49.jpg"),
}


@pytest.mark.parametrize(("damage", "kind", "reason", "detail"), KEPT.values(), ids=KEPT)
def test_what_is_doubtful_or_repaired_is_told_of_a_clip_that_stays(casme2, miniature, damage, kind, reason, detail):
    before = CASME2.read(casme2)
    damage(casme2, miniature)
    reading = CASME2.read(casme2)
    assert clip_names(reading.clips) == clip_names(before.clips)
    told = [note for note in reading.notes if note not in before.notes]
    assert Note(kind, reason, CLIP_NAME, detail) in told
    assert {note.about for note in told} == {CLIP_NAME}


def test_action_units_that_can_not_be_read_are_no_label(casme2, miniature):
    cell(2, AUS, "4+smile")(casme2, miniature)
    assert CASME2.read(casme2).clips.aus[0] is None


ELSEWHERE = {
    "a row without a clip": (
        sheet(lambda g: [*g, ["total", None, None, 6]]),
        f"{SHEET}, Sheet1, row 8",
        "excluded",
        "the row names no clip",
    ),
    "the header repeated": (
        sheet(lambda g: [*g, g[0]]),
        f"{SHEET}, Sheet1, row 8",
        "excluded",
        "the row names no clip",
    ),
    "a clip without row": (
        on_disk(lambda f: shutil.copytree(f / FIRST, f / TREE / "sub01" / "EP30_01")),
        "casme2/sub01/EP30_01",
        "excluded",
        "a clip on disk has no row in the sheet",
    ),
    "a subject who is only on disk": (
        on_disk(lambda f: shutil.copytree(f / TREE / "sub01", f / TREE / "sub09")),
        "casme2/sub09",
        "excluded",
        "a subject on disk is not in the sheet",
    ),
    "a folder of another name beside the subjects": (
        on_disk(lambda f: (f / TREE / "old").mkdir()),
        f"{TREE}/old",
        "excluded",
        "the folder name is not of the form CASME2-RAW/sub01/EP02_01f",
    ),
    "a folder of another name beside the clips": (
        on_disk(lambda f: (f / TREE / "sub01" / "backup").mkdir()),
        f"{TREE}/sub01/backup",
        "excluded",
        "the folder name is not of the form CASME2-RAW/sub01/EP02_01f",
    ),
}


@pytest.mark.parametrize(("damage", "clip", "kind", "reason"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_belongs_to_no_clip_of_the_table_is_told(casme2, miniature, damage, clip, kind, reason):
    before = CASME2.read(casme2)
    damage(casme2, miniature)
    reading = CASME2.read(casme2)
    assert reading.clips.equals(before.clips)
    (note,) = [note for note in reading.notes if note not in before.notes]
    assert (note.about, note.kind, note.text) == (clip, kind, reason)


def test_a_subject_who_is_only_in_the_sheet_is_told_with_each_clip(casme2):
    shutil.rmtree(casme2 / TREE / "sub01")
    reading = CASME2.read(casme2)
    told = {(note.about, note.kind, note.text) for note in reading.notes if "sub01" in note.about}
    assert told == {
        ("casme2/sub01", "note", "a subject of the sheet has no clip folder on disk"),
        ("casme2/sub01/EP21_01f", "excluded", "the clip has no folder on disk"),
        ("casme2/sub01/EP21_02", "excluded", "the clip has no folder on disk"),
    }


HARMLESS = {
    "blank rows": sheet(lambda g: [g[0], [], *g[1:3], [None] * 9, [" "] * 9, *g[3:], []]),
    "a title above the header": sheet(lambda g: [["CASME II"], [], *g]),
    "columns in another order": sheet(lambda g: [row[::-1] for row in g]),
    "rows in another order": sheet(lambda g: [g[0], *g[:0:-1]]),
    "numbers as text": sheet(lambda g: [g[0], *([c if c is None else str(c) for c in row] for row in g[1:])]),
    "numbers with fractions of zero": sheet(
        lambda g: [g[0], *([float(c) if isinstance(c, int) else c for c in row] for row in g[1:])]
    ),
    "blanks around text": sheet(lambda g: [[f" {c} " if isinstance(c, str) else c for c in row] for row in g]),
    "formulas beside the table": sheet(lambda g: [[*row, "=D2+1"] for row in g]),
    "stray files": on_disk(
        lambda f: [
            (place / name).write_bytes(b"x")
            for place in (f, f / TREE, f / TREE / "sub01", f / FIRST)
            for name in ("sub01.lnk", "img1.jpg.lnk", "Thumbs.db", ".DS_Store", "._img47.jpg", "desktop.ini")
        ]
    ),
    "stray folders": on_disk(lambda f: [(f / TREE / name).mkdir() for name in ("__MACOSX", ".Trash")]),
    "the lock file of an open sheet beside it": write(f"~${SHEET}", b"x"),
    "frames of another zero fill": on_disk(
        lambda f: [p.rename(p.with_name(f"img{int(p.stem[3:]):06d}.JPG")) for p in (f / FIRST).iterdir()]
    ),
    "a clip behind a link": on_disk(
        lambda f: [(f / FIRST).rename(f / "moved"), (f / FIRST).symlink_to(f / "moved", target_is_directory=True)]
    ),
}


@pytest.mark.parametrize("damage", HARMLESS.values(), ids=HARMLESS)
def test_what_means_nothing_changes_nothing(casme2, miniature, damage):
    before = CASME2.read(casme2)
    damage(casme2, miniature)
    reading = CASME2.read(casme2)
    assert reading.clips.equals(before.clips)
    assert sorted((r.about, r.kind, r.text) for r in reading.notes) == sorted(
        (r.about, r.kind, r.text) for r in before.notes
    )


def test_a_folder_that_may_not_be_read_is_one_line(casme2, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "EP21_02":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        DataError, match=r"EP21_02 can't be read \(Permission denied\): check its permissions, or copy it"
    ):
        CASME2.read(casme2)
    assert CASME2.recognises(casme2)


def test_a_samm_clip_in_another_subjects_folder_is_told(miniature, tmp_path):
    tree = miniature.write_samm(tmp_path) / "SAMM"
    (tree / "006" / "006_8_1").rename(tree / "011" / "006_8_1")
    told = {(note.about, note.kind): note.text for note in SAMM.read(tmp_path).notes}
    assert told["SAMM/011/006_8_1", "excluded"] == "the folder name is not of the form SAMM/006/006_1_2"
    assert told["samm/006/006_8_1", "excluded"] == "the clip has no folder on disk"


def test_a_smic_clip_that_lies_in_two_class_folders_is_one_line(miniature, tmp_path):
    place = miniature.write_smic(tmp_path) / "HS" / "s1" / "micro"
    shutil.copytree(place / "negative" / "s1_ne_51", place / "positive" / "s1_ne_51")
    with pytest.raises(DataError, match="are both smic-hs/s01/s01_ne_51; remove one of them"):
        SMIC.read(tmp_path)


def test_a_smic_class_folder_of_another_name_is_told(miniature, tmp_path):
    place = miniature.write_smic(tmp_path) / "HS" / "s1" / "micro"
    (place / "negative").rename(place / "neagtive")
    (note,) = [each for each in SMIC.read(tmp_path).notes if each.about]
    assert (note.about, note.kind) == ("HS/s1/micro/neagtive", "excluded")


def test_smic_without_any_frame_is_one_line(miniature, tmp_path):
    for image in miniature.write_smic(tmp_path).rglob("*.bmp"):
        image.unlink()
    with pytest.raises(DataError, match=r"no clip can be used: the clip's folder has no frames \(5 of 5 excluded\)"):
        SMIC.read(tmp_path)
