import shutil

import pytest

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.databases.readers.casme2 import DATABASE
from merbench.databases.reading.framed import settled_apex

LAYOUTS = [
    ("CASME2-RAW", "img", "raw"),
    ("CASME2_RAW", "img", "raw"),
    ("CASME2_RAW_selected", "img", "raw selected"),
    ("CASME2-RAW-Selected/CASME2_RAW_selected", "img", "raw selected"),
    ("Cropped", "reg_img", "cropped"),
    ("Cropped_original", "reg_img", "cropped"),
    ("Cropped-updated/Cropped", "reg_img", "cropped"),
    ("a/b/CASME2-RAW", "img", "raw"),
]
SHEETS = [
    "CASME2-coding-20140508.xlsx",
    "CASME2-coding-20190701.xlsx",
    "CASME2_label_Ver_2.xls",
    "casme2-coding-updated.xlsx",
]


def remarks(reading, kind):
    return {(remark.clip, remark.reason) for remark in reading.remarks if remark.kind == kind}


def test_the_database_is_one_of_frames():
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None


def test_a_copy_has_the_clips_of_its_sheet(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path))
    assert clip_names(reading.clips) == [
        "casme2/sub01/EP21_01f",
        "casme2/sub01/EP21_02",
        "casme2/sub02/EP26_02_01",
        "casme2/sub02/EP29f",
        "casme2/sub03/EP21_2",
        "casme2/sub03/EP27_03f",
    ]
    clips = reading.clips
    assert clips.emotion.tolist() == ["happiness", "disgust", "others", "surprise", "repression", "sadness"]
    assert clips.onset.tolist() == [46, 3, 10, 7, 5, 1]
    assert clips.offset.tolist() == [53, 8, 15, 12, 9, 6]
    assert clips.fps.unique().tolist() == [200]
    assert clips.objective_class.tolist() == ["I", "IV", "VII", "II", "III", "V"]
    assert clips.aus.tolist() == [*map(read_coding, [12, "4+L10", "?", "L1+L2", "4+7"]), None]
    assert clips.path[0] == "CASME2-RAW/sub01/EP21_01f"
    assert not reading.cropped


def test_an_apex_that_is_missing_or_outside_becomes_the_middle_and_one_at_the_onset_is_noted(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path))
    assert reading.clips.apex.tolist() == [49, 5, 12, 9, 5, 4]
    assert reading.clips.apex_source.tolist() == [
        "annotated",
        "annotated",
        "midpoint",
        "midpoint",
        "annotated",
        "annotated",
    ]
    assert remarks(reading, "repaired") == {
        ("casme2/sub02/EP26_02_01", "the sheet has no apex: the middle is taken"),
        ("casme2/sub02/EP29f", "the apex lies outside onset to offset: the middle is taken"),
    }
    assert remarks(reading, "noted") == {("casme2/sub03/EP21_2", "the apex is the onset")}
    assert remarks(reading, "left out") == remarks(reading, "corrected") == set()


@pytest.mark.parametrize(
    ("onset", "apex", "offset", "settled", "annotated"),
    [(3, 3, 9, 3, True), (3, 9, 9, 9, True), (3, 2, 9, 6, False), (3, 10, 8, 5, False), (3, None, 8, 5, False)],
)
def test_the_apex_rule(onset, apex, offset, settled, annotated):
    found, why = settled_apex(onset, apex, offset)
    assert found == settled
    assert (why == "") == annotated


@pytest.mark.parametrize(("tree", "prefix", "kind"), LAYOUTS)
def test_every_layout_gives_the_same_clips_and_says_what_it_is(miniature, tmp_path, tree, prefix, kind):
    expected = clips_digest(DATABASE.read(miniature.write_casme2(tmp_path / "plain")).clips)
    folder = miniature.write_casme2(tmp_path / "copy", tree=tree, prefix=prefix, margin=0)
    assert DATABASE.recognises(folder)
    reading = DATABASE.read(folder)
    assert clips_digest(reading.clips) == expected
    assert reading.cropped == (kind == "cropped")
    assert reading.layout.startswith(f"{kind} frames in {tree}, sheet CASME2-coding-20140508.xlsx")
    assert reading.notes == []
    for clip in reading.clips.itertuples():
        frames = DATABASE.frames(folder, clip.path)
        assert list(frames) == list(range(clip.onset, clip.offset + 1))


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("place", ["", "CASME2-RAW/", "docs/2014/"])
def test_every_sheet_is_found_beside_or_inside_the_tree(miniature, tmp_path, sheet, place):
    reading = DATABASE.read(miniature.write_casme2(tmp_path, sheet=place + sheet))
    assert len(reading.clips) == 6
    assert f"sheet {sheet}" in reading.layout


def test_the_tree_itself_may_be_given_where_it_holds_the_sheet(miniature, tmp_path):
    miniature.write_casme2(tmp_path, sheet="CASME2-RAW/CASME2-coding-20140508.xlsx")
    reading = DATABASE.read(tmp_path / "CASME2-RAW")
    assert len(reading.clips) == 6
    assert reading.clips.path[0] == "sub01/EP21_01f"
    assert reading.layout.startswith("raw frames in CASME2-RAW, ")


def test_raw_is_preferred_to_selected_and_that_to_cropped_which_is_said(miniature, tmp_path):
    miniature.write_casme2(tmp_path, tree="Cropped", prefix="reg_img")
    miniature.write_casme2(tmp_path, tree="CASME2_RAW_selected")
    reading = DATABASE.read(tmp_path)
    assert not reading.cropped
    assert reading.clips.path[0].startswith("CASME2_RAW_selected/")
    assert reading.notes == ["frames are taken from CASME2_RAW_selected (raw selected), not from Cropped (cropped)"]
    miniature.write_casme2(tmp_path, tree="raw/CASME2-RAW")
    assert DATABASE.read(tmp_path).clips.path[0].startswith("raw/CASME2-RAW/")


def test_the_newest_sheet_is_taken_and_that_is_said(miniature, tmp_path):
    for sheet in SHEETS:
        miniature.write_casme2(tmp_path, sheet=sheet)
    reading = DATABASE.read(tmp_path)
    assert "sheet CASME2-coding-20190701.xlsx" in reading.layout
    (note,) = reading.notes
    assert note.startswith("the sheet CASME2-coding-20190701.xlsx is taken, not ")
    assert all(sheet in note for sheet in SHEETS)


def test_without_the_file_of_objective_classes_there_are_none(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path, classes=None))
    assert reading.clips.objective_class.tolist() == [None] * 6
    assert "Objective" not in reading.layout


def test_objective_classes_are_joined_by_name_and_may_be_written_roman_or_not_at_all(miniature, tmp_path):
    miniature.write_casme2(tmp_path)
    rows = [["Subject", "Filename", "Objective Class"], [2, "EP29f", "vi"], [1, "EP21_01f", 3.0], ["01", "EP21_02", 8]]
    miniature.write_sheet(tmp_path / "CASME2-ObjectiveClasses.xlsx", rows)
    reading = DATABASE.read(tmp_path)
    assert dict(zip(clip_names(reading.clips), reading.clips.objective_class, strict=True)) == {
        "casme2/sub01/EP21_01f": "III",
        "casme2/sub01/EP21_02": None,
        "casme2/sub02/EP26_02_01": None,
        "casme2/sub02/EP29f": "VI",
        "casme2/sub03/EP21_2": None,
        "casme2/sub03/EP27_03f": None,
    }
    reason = "the objective class is none of I to VII, and counts as not given"
    assert ("casme2/sub01/EP21_02", reason) in remarks(reading, "noted")


def test_names_are_matched_whatever_their_case(miniature, tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_casme2(tmp_path / "plain")).clips)
    folder = miniature.write_casme2(tmp_path / "copy", tree="casme2-raw")
    tree = folder / "casme2-raw"
    (tree / "sub01").rename(tree / "SUB1")
    (tree / "sub02" / "EP29f").rename(tree / "sub02" / "ep29F")
    for image in list((tree / "sub03" / "EP21_2").iterdir()):
        image.rename(image.with_name(image.name.upper()))
    reading = DATABASE.read(folder)
    assert clips_digest(reading.clips) == expected
    assert reading.clips.path[3] == "casme2-raw/sub02/ep29F"
    assert len(DATABASE.frames(folder, reading.clips.path[4])) == 9


# A clip that a correction is known for, with made-up numbers; frames 58 to 125 lie on disk.
KNOWN = [["05", "EP09_05f", 60, 60, 123, "4", "disgust", 3]]


def test_a_known_error_of_the_sheet_is_corrected_with_reason_and_source(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path, KNOWN))
    assert reading.clips[["onset", "apex", "offset", "apex_source"]].to_numpy().tolist() == [[60, 96, 123, "corrected"]]
    (remark,) = reading.remarks
    assert (remark.kind, remark.clip) == ("corrected", "casme2/sub05/EP09_05f")
    assert remark.reason == "the sheet's apex is the onset"
    assert remark.detail == "apex 96 instead of 60, after github.com/MELABIPCAS/FED-PsyAU"


def test_without_corrections_the_sheet_is_taken_as_it_is(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path, KNOWN), corrections=False)
    assert reading.clips[["apex", "apex_source"]].to_numpy().tolist() == [[60, "annotated"]]
    assert remarks(reading, "corrected") == set()


def test_a_made_up_copy_that_lacks_the_corrected_frame_is_not_touched(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path, [["05", "EP09_05f", 6, 8, 12, "4", "disgust", 3]]))
    assert reading.clips[["apex", "apex_source"]].to_numpy().tolist() == [[8, "annotated"]]
    assert reading.remarks == []


def test_the_same_bytes_give_the_same_table_wherever_they_lie(miniature, tmp_path):
    first = DATABASE.read(miniature.write_casme2(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    assert DATABASE.read(tmp_path / "elsewhere" / "two").clips.equals(first.clips)


def test_other_folders_are_not_recognised(miniature, tmp_path):
    assert not DATABASE.recognises(miniature.write_samm(tmp_path / "samm"))
    assert not DATABASE.recognises(miniature.write_smic(tmp_path / "smic"))
    assert not DATABASE.recognises(tmp_path / "away")
    (tmp_path / "empty" / "sub01").mkdir(parents=True)
    assert not DATABASE.recognises(tmp_path / "empty")
