"""Copies that are broken in one way each: the one line of the refusal, or the notes on clips."""

import re
import shutil

import cv2
import numpy as np
import pytest
from support import miniature
from support.refusals import refusal

from merbench.contracts.clips import clip_names
from merbench.contracts.errors import DataError
from merbench.databases.readers.casme2 import DATABASE as CASME2

SHEET, TREE, CLASSES = "CASME2-coding-20140508.xlsx", "CASME2-RAW", "CASME2-ObjectiveClasses.xlsx"
FIRST = f"{TREE}/sub01/EP21_01f"  # frames 44 to 55, the clip from 46 to 53; row 2 of the sheet
# Columns of the sheet, as a list counts them.
ONSET, APEX, OFFSET, AUS, EMOTION = 3, 4, 5, 7, 8


@pytest.fixture
def copies(tmp_path):
    """Return a function that yields, for each case, a copy of CASME II with six clips that the case damaged."""

    def damaged(cases):
        for number, (case, (damage, *expected)) in enumerate(cases.items()):
            folder = miniature.write_casme2(tmp_path / str(number))
            damage(folder)
            yield case, folder, *expected

    return damaged


@pytest.fixture
def intact(tmp_path):
    """Return what is read of an intact copy."""
    return CASME2.read(miniature.write_casme2(tmp_path / "intact"))


def sheet(change):
    """Return a damage that writes the sheet again after ``change(cells)``."""
    return lambda f: miniature.write_sheet(f / SHEET, change(miniature.casme2_grid()))


def cell(row, column, value):
    """Return a damage that writes one cell, `row` as a spreadsheet counts."""
    return sheet(lambda g: [*g[: row - 1], [*g[row - 1][:column], value, *g[row - 1][column + 1 :]], *g[row:]])


def rename(old, new):
    return lambda f: (f / old).rename(f / new)


def write(path, content):
    return lambda f: (f / path).write_bytes(content)


def forget(path):
    return lambda f: shutil.rmtree(f / path) if (f / path).is_dir() else (f / path).unlink()


def two(*damages):
    return lambda f: [damage(f) for damage in damages]


def made(path):
    return lambda f: (f / path).mkdir()


def copied(path, other):
    return lambda f: (shutil.copytree if (f / path).is_dir() else shutil.copy)(f / path, f / other)


def without_frames(*numbers):
    return lambda f: [(f / FIRST / f"img{n}.jpg").unlink() for n in numbers]


CLIP_NAME = "casme2/sub01/EP21_01f"
REFUSED = {
    "no sheet": (forget(SHEET), SHEET),
    "the lock file of an open sheet in its place": (rename(SHEET, f"~${SHEET}"), "no annotation sheet"),
    "only the sheet of objective classes": (rename(SHEET, "sheet.xlsx"), "no annotation sheet"),
    "no frames": (forget(TREE), "CASME2-RAW/sub01/EP02_01f"),
    "frames four levels down": (lambda f: shutil.move(f / TREE, f / f"a/b/c/d/{TREE}"), "no clip folders"),
    "no subject folders": (two(rename(f"{TREE}/sub01", "x"), forget(TREE), rename("x", TREE)), "no clip folders"),
    "a renamed column": (cell(1, APEX, "Peak"), f"{SHEET}, Sheet1: .*row 1 .*ApexFrame.*OnsetFrame, Peak"),
    "damaged objective classes": (write(CLASSES, b"PK\3\4"), f"{CLASSES} .*damaged"),
    "a row twice": (sheet(lambda g: [*g, g[1]]), f"{SHEET}, Sheet1: rows 2 and 8 .*{CLIP_NAME}"),
    "a clip twice": (sheet(lambda g: [*g, [1, "ep21_01F ", *g[1][2:]]]), f"rows 2 and 8 .*{CLIP_NAME}"),
    "a clip's folder twice": (copied(FIRST, f"{TREE}/sub01/ep21_01F"), f"both {CLIP_NAME}"),
    "two pictures of one number": (copied(f"{FIRST}/img47.jpg", f"{FIRST}/img047.jpg"), "img047.jpg and img47.jpg"),
    "a link loop": ((lambda f: (f / TREE / "sub01" / "again").symlink_to(f / TREE)), "sub01/again .*link"),
    "frames of other counters": (
        sheet(lambda g: [g[0], *([*row[:3], 900, 950, 990, *row[6:]] for row in g[1:])]),
        f"6 of 6 .*{CLIP_NAME} {SHEET}, Sheet1, row 2: 900 to 990, on disk 44 to 55",
    ),
    "folders of other subjects": (
        (lambda f: [(f / TREE / f"sub0{n}").rename(f / TREE / f"sub1{n}") for n in (1, 2, 3)]),
        "no folder on disk .6 of ",
    ),
    "names moved by one column": (
        sheet(lambda g: [g[0], *([row[1], row[0], *row[2:]] for row in g[1:])]),
        "no clip can be used: .*subject sub01, clip EP02_01f",
    ),
}


def test_unreadable_copies_are_refused_in_one_line(copies):
    for case, folder, expected in copies(REFUSED):
        line = refusal(CASME2.read, folder, case=case, error=DataError)
        assert re.search(expected, line), (case, line)
        assert str(folder) in line, case


GREY = cv2.imencode(".jpg", np.zeros((10, 8, 3), np.uint8))[1].tobytes()
ROW = f"{SHEET}, Sheet1, row 2"
EXCLUDED = {
    "no onset": (cell(2, ONSET, "/"), f"{SHEET}, Sheet1, cell D2: nothing"),
    "text in place of the onset": (cell(2, ONSET, "MISSING <-"), f"{SHEET}, Sheet1, cell D2: MISSING <-"),
    "half a frame": (cell(2, OFFSET, 53.5), f"{SHEET}, Sheet1, cell F2: 53.5"),
    "onset after offset": (cell(2, ONSET, 54), f"{ROW}: 54 to 53"),
    "no emotion": (cell(2, EMOTION, " "), f"{SHEET}, Sheet1, cell I2"),
    "no folder": (forget(FIRST), ROW),
    "a file in place of the folder": (two(forget(FIRST), write(FIRST, b"x")), ROW),
    "a folder of something else": (two(forget(FIRST), made(FIRST), write(f"{FIRST}/Thumbs.db", b"x")), "EP21_01f"),
    "an offset far beyond": (cell(2, OFFSET, 10**11), "offset 100000000000, nearest 55; on disk 12 frames, 44 to 55"),
    "no frame within the clip": (without_frames(*range(46, 54)), f"{ROW}: 46 to 53, on disk 44 to 55"),
}


KEPT = {
    "a blank apex": (cell(2, APEX, None), "corrected", f"49 in 46 to 53 ({SHEET}, Sheet1, cell E2: nothing)"),
    "an apex of 0": (cell(2, APEX, 0), "corrected", f"49 in 46 to 53 ({SHEET}, Sheet1, cell E2: 0)"),
    "an apex at the onset": (cell(2, APEX, 46), "note", "46"),
    "unreadable action units": (cell(2, AUS, "4+smile"), "note", f"{SHEET}, Sheet1, cell H2: '4+smile': 'SMILE'"),
    "an emotion of another database": (cell(2, EMOTION, "Contempt"), "note", "'contempt'"),
    "frames missing inside the clip": (without_frames(46, 50, 55), "note", "2 of 8: 46, 50"),
    "pictures of two sizes": (write(f"{FIRST}/img53.jpg", GREY), "note", "img46.jpg 8x8, img49.jpg 8x8, img53.jpg 8x1"),
    "an empty picture": (write(f"{FIRST}/img49.jpg", b""), "note", "img49.jpg"),
}  # fmt: skip


ELSEWHERE = {
    "a row without a clip": (sheet(lambda g: [*g, ["total", None, None, 6]]), f"{SHEET}, Sheet1, row 8"),
    "the header repeated": (sheet(lambda g: [*g, g[0]]), f"{SHEET}, Sheet1, row 8"),
    "a clip without row": (copied(FIRST, f"{TREE}/sub01/EP30_01"), "casme2/sub01/EP30_01"),
    "a subject who is only on disk": (copied(f"{TREE}/sub01", f"{TREE}/sub09"), "casme2/sub09"),
    "another folder beside the subjects": (made(f"{TREE}/old"), f"{TREE}/old"),
    "another folder beside the clips": (made(f"{TREE}/sub01/backup"), f"{TREE}/sub01/backup"),
}


def test_excluded_and_corrected_clips_and_rows_have_a_note(copies, intact):
    noted = {case: (damage, CLIP_NAME, "excluded", detail) for case, (damage, detail) in EXCLUDED.items()}
    noted |= {case: (damage, CLIP_NAME, kind, detail) for case, (damage, kind, detail) in KEPT.items()}
    noted |= {case: (damage, about, "excluded", "") for case, (damage, about) in ELSEWHERE.items()}
    for case, folder, about, kind, detail in copies(noted):
        reading = CASME2.read(folder)
        names = [name for name in clip_names(intact.clips) if kind != "excluded" or name != about]
        assert clip_names(reading.clips) == names, case
        new = [note for note in reading.notes if note not in intact.notes]
        assert {note.about for note in new} == {about}, case
        assert any(note.kind == kind and detail in note.detail for note in new), (case, new)
        assert case != "unreadable action units" or reading.clips.aus[0] is None
        assert case not in ELSEWHERE or reading.clips.equals(intact.clips), case
    shutil.rmtree(folder / TREE / "sub01")
    assert {(note.about, note.kind) for note in CASME2.read(folder).notes if "casme2/sub01" in note.about} == {
        ("casme2/sub01", "note"),
        ("casme2/sub01/EP21_01f", "excluded"),
        ("casme2/sub01/EP21_02", "excluded"),
    }


HARMLESS = {
    "rows and columns in another order": sheet(lambda g: [row[::-1] for row in (g[0], *g[:0:-1])]),
    "numbers as text": sheet(lambda g: [g[0], *([c if c is None else str(c) for c in row] for row in g[1:])]),
    "blanks around text": sheet(lambda g: [[f" {c} " if isinstance(c, str) else c for c in row] for row in g]),
    "stray files": (
        lambda f: [
            (place / name).write_bytes(b"x")
            for place in (f, f / TREE, f / TREE / "sub01", f / FIRST)
            for name in ("sub01.lnk", "Thumbs.db", ".DS_Store", "._img47.jpg", f"~${SHEET}")
        ]
    ),
    "stray folders": (lambda f: [(f / TREE / name).mkdir() for name in ("__MACOSX", ".Trash")]),
    "frames of another zero fill": (
        lambda f: [p.rename(p.with_name(f"img{int(p.stem[3:]):06d}.JPG")) for p in (f / FIRST).iterdir()]
    ),
    "a clip behind a link": (
        lambda f: [(f / FIRST).rename(f / "moved"), (f / FIRST).symlink_to(f / "moved", target_is_directory=True)]
    ),
}


def test_cosmetic_differences_in_the_copy_are_ignored(copies, intact):
    for case, folder in copies({case: (damage,) for case, damage in HARMLESS.items()}):
        reading = CASME2.read(folder)
        assert reading.clips.equals(intact.clips), case
        notes, before = ([(n.about, n.kind, n.text) for n in each.notes] for each in (reading, intact))
        assert sorted(notes) == sorted(before), case
