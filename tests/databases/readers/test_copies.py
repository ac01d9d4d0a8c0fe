"""Whole copies of each database, in all layouts: a new reader adds its rows to the tables."""

import shutil

from support import miniature
from support.miniature import clip_notes, copy_notes
from support.refusals import refusal

from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.contracts.errors import DataError
from merbench.databases.readers.casme2 import DATABASE as CASME2
from merbench.databases.readers.samm import DATABASE as SAMM
from merbench.databases.readers.smic_hs import DATABASE as SMIC
from merbench.databases.reading.fitting import settled_apex

READERS = {"casme2": CASME2, "samm": SAMM, "smic-hs": SMIC}
WRITE = {"casme2": miniature.write_casme2, "samm": miniature.write_samm, "smic-hs": miniature.write_smic}
#: Subject/clip, emotion, onset, apex, offset, source of the apex, action units, objective class of each clip.
CLIPS = {
    "casme2": [
        ("sub01/EP21_01f", "happiness", 46, 49, 53, "annotated", "12", "I"),
        ("sub01/EP21_02", "disgust", 3, 5, 8, "annotated", "4+L10", "IV"),
        ("sub02/EP26_02_01", "others", 10, 12, 15, "midpoint", "?", "VII"),
        ("sub02/EP29f", "surprise", 7, 9, 12, "midpoint", "L1+L2", "II"),
        ("sub03/EP21_2", "repression", 5, 5, 9, "annotated", "4+7", "III"),
        ("sub03/EP27_03f", "sadness", 1, 4, 6, "annotated", None, "V"),
    ],
    "samm": [
        ("006/006_8_1", "happiness", 562, 565, 570, "annotated", "A12B+R15", "I"),
        ("006/006_8_2", "contempt", 99, 101, 104, "annotated", "(R6 or R12)+R15", "VII"),
        ("011/011_9_1", "disgust", 12340, 12342, 12345, "midpoint", "10A/B", "IV"),
        ("030/030_8_1", "other", 5, 7, 9, "annotated", "?", "VII"),
    ],
    "smic-hs": [
        ("s01/s01_ne_51", "negative", 100, 103, 106, "midpoint", None, None),
        ("s01/s01_po_51", "positive", 20, 21, 23, "midpoint", None, None),
        ("s03/s03_sur_51", "surprise", 9, 10, 12, "midpoint", None, None),
        ("s11/s11_ne_52", "negative", 1234567, 1234569, 1234571, "midpoint", None, None),
        ("s11/s11_po_51", "positive", 1, 3, 5, "midpoint", None, None),
    ],
}
#: Frames a second, the folder of the first clip, the first frame of each, and the notes: on clips, on the copy.
FACTS = {
    "casme2": (200, "CASME2-RAW/sub01/EP21_01f", [f"img{number}.jpg" for number in (44, 1, 8, 5, 3, 1)],
               [("sub02/EP26_02_01", "corrected"), ("sub02/EP29f", "corrected"), ("sub03/EP21_2", "note")], 0),
    "samm": (200, "SAMM/006/006_8_1", ["006_00562.jpg", "006_0099.jpg", "011_12340.jpg", "030_00005.jpg"],
             [("011/011_9_1", "corrected")], 0),
    "smic-hs": (100, "HS/s1/micro/negative/s1_ne_51", ["image000100.bmp", "image000020.bmp", "image000009.bmp",
                "image1234567.bmp", "image00001.bmp"], [], 1),
}  # fmt: skip
#: How a copy is written, and the kind of its frames.
LAYOUTS = {
    "casme2": [
        ({"tree": "CASME2_RAW"}, "raw"),
        ({"tree": "a/b/CASME2-RAW"}, "raw"),
        ({"tree": "CASME2_RAW_selected"}, "raw selected"),
        ({"tree": "CASME2-RAW-Selected/CASME2_RAW_selected"}, "raw selected"),
        *(({"tree": tree, "prefix": "reg_img"}, "cropped") for tree in ("Cropped", "Cropped_original", "New/Cropped")),
    ],
    "samm": [
        *(({"tree": "SAMM", "preamble": lines}, "raw") for lines in (0, 9)),
        *(({"tree": tree}, "cropped") for tree in ("SAMM_CROP", "crops/SAMM")),
    ],
    "smic-hs": [
        ({"tree": "SMIC_all_cropped/HS", "prefix": "reg_image"}, "cropped"),
        ({"tree": "cropped/SMIC-HS"}, "cropped"),
        *(({"tree": tree}, "raw") for tree in ("SMIC/SMIC_all_raw/HS", "SMIC-HS", "SMIC (HS, VIS, NIR)/HS")),
        ({"tree": "SMIC_VIS_NIR_HS/SMIC_HS"}, "raw"),
    ],
}  # fmt: skip
SHEETS = [f"CASME2{name}" for name in ("-coding-20140508.xlsx", "-coding-20190701.xlsx", "_label_Ver_2.xls")]
SHEETS.append("casme2-coding-updated.xlsx")


def spans(reading):
    return reading.clips[["onset", "apex", "offset", "apex_source"]].to_numpy().tolist()


def test_copies_have_the_clips_of_their_sheets(tmp_path):
    for name, reader in READERS.items():
        assert isinstance(reader, FrameDatabase)
        assert reader.card.offers is None
        folder = WRITE[name](tmp_path / name)
        reading = reader.read(folder)
        rows = [(f"{r.subject}/{r.clip}", r.emotion, r.onset, r.apex, r.offset, r.apex_source, r.aus and str(r.aus),
                 r.objective_class) for r in reading.clips.itertuples()]  # fmt: skip
        assert rows == CLIPS[name]
        fps, path, frames, notes, of_copy = FACTS[name]
        assert reading.clips.fps.unique().tolist() == [fps]
        assert reading.clips.path[0] == path
        assert [next(iter(reader.frames(folder, each).values())).name for each in reading.clips.path] == frames
        assert [(clip, kind) for clip, kind, _ in clip_notes(reading)] == [
            (f"{name}/{clip}", kind) for clip, kind in notes
        ]
        assert len(copy_notes(reading)) == of_copy
        assert not reading.cropped
        assert [each for each, other in READERS.items() if other.recognises(folder)] == [name]
    (tmp_path / "empty" / "sub01").mkdir(parents=True)
    (WRITE["samm"](tmp_path / "loop") / "loop").symlink_to(".")
    assert not any(r.recognises(tmp_path / place) for r in READERS.values() for place in ("empty", "away", "loop"))


def test_every_layout_gives_the_same_clips(tmp_path):
    for name, reader in READERS.items():
        expected = clips_digest(reader.read(WRITE[name](tmp_path / name)).clips)
        for number, (layout, kind) in enumerate(LAYOUTS[name]):
            folder = WRITE[name](tmp_path / f"{name}-{number}" / "copy", **layout)
            assert reader.recognises(folder), layout
            reading = reader.read(folder)
            assert clips_digest(reading.clips) == expected, layout
            assert reading.cropped == (kind == "cropped"), layout
            assert reading.layout.startswith(f"{kind} frames in {layout['tree']}, "), layout
            for clip in reading.clips.itertuples():
                assert set(range(clip.onset, clip.offset + 1)) <= set(reader.frames(folder, clip.path)), layout


def test_the_apex_must_be_between_onset_and_offset():
    for onset, apex, offset, settled, annotated in (
        (3, 3, 9, 3, True), (3, 9, 9, 9, True), (3, 2, 9, 6, False), (3, 10, 8, 5, False), (3, None, 8, 5, False)
    ):  # fmt: skip
        found, why = settled_apex(onset, apex, offset)
        assert (found, why == "") == (settled, annotated)


def test_sheets_are_found_and_choices_among_them_reported(tmp_path):
    for number, sheet in enumerate([*SHEETS, f"CASME2-RAW/{SHEETS[0]}", f"docs/2014/{SHEETS[2]}"]):
        reading = CASME2.read(miniature.write_casme2(tmp_path / str(number), sheet=sheet))
        assert len(reading.clips) == 6
        assert f"sheet {sheet.rpartition('/')[2]}" in reading.layout
    for place in ("0", "4"):  # the tree itself, with the sheet beside it and in it
        reading = CASME2.read(tmp_path / place / "CASME2-RAW")
        assert (len(reading.clips), reading.clips.path[0]) == (6, "sub01/EP21_01f")
        assert reading.layout.startswith("raw frames in CASME2-RAW, ")
        assert reading.clips.objective_class.notna().all() == (place == "0")  # in the second sheet, also beside it
    miniature.write_casme2(tmp_path / "trees", tree="Cropped", prefix="reg_img")
    reading = CASME2.read(miniature.write_casme2(tmp_path / "trees", tree="CASME2_RAW_selected"))
    assert (reading.cropped, reading.clips.path[0]) == (False, "CASME2_RAW_selected/sub01/EP21_01f")
    (note,) = copy_notes(reading)
    assert "CASME2_RAW_selected (raw selected), not of Cropped (cropped)" in note
    miniature.write_casme2(tmp_path / "trees", tree="raw/CASME2-RAW")
    assert CASME2.read(tmp_path / "trees").clips.path[0].startswith("raw/CASME2-RAW/")
    for sheet in SHEETS:
        miniature.write_casme2(tmp_path / "sheets", sheet=sheet)
    reading = CASME2.read(tmp_path / "sheets")
    assert "sheet CASME2-coding-20190701.xlsx" in reading.layout
    (note,) = copy_notes(reading)
    assert "CASME2-coding-20190701.xlsx, not " in note
    assert all(sheet in note for sheet in SHEETS)


def test_objective_classes_are_joined_by_name(tmp_path):
    reading = CASME2.read(miniature.write_casme2(tmp_path / "without", classes=None))
    assert reading.clips.objective_class.tolist() == [None] * 6
    assert "Objective" not in reading.layout
    miniature.write_casme2(tmp_path)
    rows = [["Subject", "Filename", "Objective Class"], [2, "EP29f", "vi"], [1, "EP21_01f", 3.0], ["01", "EP21_02", 8]]
    miniature.write_sheet(tmp_path / "CASME2-ObjectiveClasses.xlsx", rows)
    reading = CASME2.read(tmp_path)
    assert reading.clips.objective_class.tolist() == ["III", None, None, "VI", None, None]
    assert [n.detail for n in reading.notes if n.about == "casme2/sub01/EP21_02"] == ["'8'"]
    number = lambda cells: [int(cell) if str(cell).isdigit() else cell for cell in cells]  # noqa: E731
    grid = [number(row[:1]) + row[1:10] for row in miniature.samm_grid()]
    miniature.write_samm(tmp_path / "samm", sheet=None)
    miniature.write_sheet(tmp_path / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx", grid)
    clips = SAMM.read(tmp_path / "samm").clips  # subjects as numbers, without objective classes
    assert clips.subject.tolist() == ["006", "006", "011", "030"]
    assert clips.objective_class.tolist() == [None] * 4


def test_names_are_matched_regardless_of_case(tmp_path):
    for name, renamed, path in (
        ("casme2", {"CASME2-RAW/sub01": "SUB1", "CASME2-RAW/sub02/EP29f": "ep29F", "CASME2-RAW": "casme2-raw"},
         "casme2-raw/SUB1/EP21_01f"),
        ("smic-hs", {"HS/s1/micro/negative/s1_ne_51": "S01_NE_51", "HS/s1/micro/negative": "Negative",
                     "HS/s1/micro": "MICRO", "HS/s1": "S01"}, "HS/S01/MICRO/Negative/S01_NE_51"),
    ):  # fmt: skip
        folder = WRITE[name](tmp_path / name)
        expected = READERS[name].read(folder)
        for old, new in renamed.items():
            (folder / old).rename((folder / old).with_name(new))
        reading = READERS[name].read(folder)
        assert clips_digest(reading.clips) == clips_digest(expected.clips)
        assert clip_notes(reading) == clip_notes(expected)
        assert reading.clips.path[0] == path


def test_known_errors_are_corrected_on_request(tmp_path):
    # Clips with known corrections and synthetic numbers.
    folder = miniature.write_casme2(tmp_path / "known", [["05", "EP09_05f", 60, 60, 123, "4", "disgust", 3]])
    reading = CASME2.read(folder)
    assert spans(reading) == [[60, 96, 123, "corrected"]]
    (note,) = reading.notes
    assert (note.kind, note.about) == ("corrected", "casme2/sub05/EP09_05f")
    assert note.detail == "apex 96 instead of 60, according to github.com/MELABIPCAS/FED-PsyAU"
    reading = CASME2.read(folder, corrections=False)
    assert spans(reading) == [[60, 60, 123, "annotated"]]
    assert "corrected" not in [kind for _, kind, _ in clip_notes(reading)]
    other = miniature.write_casme2(tmp_path / "lacking", [["05", "EP09_05f", 6, 8, 12, "4", "disgust", 3]])
    reading = CASME2.read(other)  # without the frame of the correction
    assert (spans(reading), reading.notes) == ([[6, 8, 12, "annotated"]], [])
    rows = [
        ["028", "028_4_1", 1090, 1300, 1110, "4", "Anger", "III", 5],  # an apex outside
        ["013", "013_1_9", 5730, 5735, 5745, "4", "Anger", "III", 5],  # an offset that is too late
    ]
    reading = SAMM.read(miniature.write_samm(tmp_path / "samm", rows))
    assert spans(reading) == [[5730, 5735, 5739, "annotated"], [1090, 1105, 1110, "corrected"]]
    names = ["samm/013/013_1_9", "samm/028/028_4_1"]
    assert [(clip, kind) for clip, kind, _ in clip_notes(reading)] == [(name, "corrected") for name in names]
    uncorrected = spans(SAMM.read(tmp_path / "samm", corrections=False))
    assert [(offset, source) for *_, offset, source in uncorrected] == [(5745, "annotated"), (1110, "midpoint")]


def test_the_slower_cameras_of_smic_are_another_database(tmp_path):
    for other in ("VIS", "NIR", "SMIC-VIS", "SMIC_NIR", "NIR_crops", "vis"):
        folder = miniature.write_smic(tmp_path / f"of {other}", tree=f"SMIC_all_cropped/{other}", prefix="reg_image")
        assert not SMIC.recognises(folder)
        assert "HS/s1/micro/negative/s1_ne_01" in refusal(SMIC.read, folder, error=DataError)
        miniature.write_smic(folder, tree="SMIC_all_cropped/HS", prefix="reg_image")
        assert SMIC.read(folder).clips.path[0].startswith("SMIC_all_cropped/HS/")
    assert SMIC.read(folder / "SMIC_all_cropped" / "HS").cropped  # by the frames' names


def test_clips_in_folders_of_others_are_reported(tmp_path):
    tree = miniature.write_samm(tmp_path / "samm") / "SAMM"
    (tree / "006" / "006_8_1").rename(tree / "011" / "006_8_1")
    excluded = {note.about for note in SAMM.read(tmp_path / "samm").notes if note.kind == "excluded"}
    assert {"SAMM/011/006_8_1", "samm/006/006_8_1"} <= excluded
    place = miniature.write_smic(tmp_path) / "HS"
    (place / "s1/micro/negative/s1_ne_51").rename(place / "s1/micro/positive/s1_ne_51")
    (place / "s1/micro/positive/s1_ne_51/image000103.bmp").unlink()
    for image in (place / "s3/micro/surprise/s3_sur_51").iterdir():
        image.unlink()
    (place / "s11/micro/positive").rename(place / "s11/micro/psoitive")
    reading = SMIC.read(tmp_path)
    assert reading.clips.emotion.tolist() == ["negative", "positive", "negative"]  # the name decides the class
    assert [(n.about, n.kind) for n in reading.notes if n.detail == "HS/s1/micro/positive/s1_ne_51"] == [
        ("smic-hs/s01/s01_ne_51", "note")
    ]
    assert sorted((about, kind) for about, kind, _ in clip_notes(reading)) == [
        ("HS/s11/micro/psoitive", "excluded"),
        *[("smic-hs/s01/s01_ne_51", "note")] * 2,  # of another class; a missing frame
        ("smic-hs/s03/s03_sur_51", "excluded"),
    ]
    shutil.copytree(place / "s1/micro/positive/s1_ne_51", place / "s1/micro/negative/s1_ne_51")
    assert "both smic-hs/s01/s01_ne_51" in refusal(SMIC.read, tmp_path, error=DataError)
    for image in miniature.write_smic(tmp_path / "empty").rglob("*.bmp"):
        image.unlink()
    assert "no frames (5 of 5 excluded)" in refusal(SMIC.read, tmp_path / "empty", error=DataError)
