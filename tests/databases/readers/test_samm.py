import pytest

from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.databases.readers.samm import DATABASE


def test_the_database_is_one_of_frames():
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None


def test_a_copy_has_the_clips_of_its_sheet(miniature, tmp_path):
    reading = DATABASE.read(miniature.write_samm(tmp_path))
    clips = reading.clips
    assert clip_names(clips) == ["samm/006/006_8_1", "samm/006/006_8_2", "samm/011/011_9_1", "samm/030/030_8_1"]
    assert clips.emotion.tolist() == ["happiness", "contempt", "disgust", "other"]
    assert clips[["onset", "apex", "offset"]].to_numpy().tolist() == [
        [562, 565, 570],
        [99, 101, 104],
        [12340, 12342, 12345],
        [5, 7, 9],
    ]
    assert clips.apex_source.tolist() == ["annotated", "annotated", "midpoint", "annotated"]
    assert clips.fps.unique().tolist() == [200]
    assert [str(aus) for aus in clips.aus] == ["A12B+R15", "(R6 or R12)+R15", "10A/B", "?"]
    assert clips.objective_class.tolist() == ["I", "VII", "IV", "VII"]
    assert reading.layout == "raw frames in SAMM, sheet SAMM_Micro_FACS_Codes_v2.xlsx (MICRO_ONLY)"
    assert [(remark.clip, remark.kind) for remark in reading.remarks] == [("samm/011/011_9_1", "repaired")]


def test_frames_have_the_sheets_numbers_with_four_digits_or_five(miniature, tmp_path):
    folder = miniature.write_samm(tmp_path)
    clips = DATABASE.read(folder).clips
    for clip in clips.itertuples():
        assert list(DATABASE.frames(folder, clip.path)) == list(range(clip.onset, clip.offset + 1))
    names = [next(iter(DATABASE.frames(folder, path).values())).name for path in clips.path]
    assert names == ["006_00562.jpg", "006_0099.jpg", "011_12340.jpg", "030_00005.jpg"]


@pytest.mark.parametrize("preamble", [0, 9, 13])
@pytest.mark.parametrize("sheet", ["SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx"])
def test_the_header_may_stand_on_row_14_or_row_1(miniature, tmp_path, preamble, sheet):
    expected = clips_digest(DATABASE.read(miniature.write_samm(tmp_path / "plain")).clips)
    reading = DATABASE.read(miniature.write_samm(tmp_path / "copy", sheet=sheet, preamble=preamble))
    assert clips_digest(reading.clips) == expected


def test_of_two_sheets_the_dated_one_is_taken_and_that_is_said(miniature, tmp_path):
    miniature.write_samm(tmp_path)
    miniature.write_samm(tmp_path, sheet="SAMM_20181215_Micro_FACS_Codes_v2.xlsx")
    (note,) = DATABASE.read(tmp_path).notes
    other = tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx"
    assert note == f"the sheet SAMM_20181215_Micro_FACS_Codes_v2.xlsx is taken, not {other}"


def test_subjects_as_numbers_and_a_sheet_without_objective_classes(miniature, tmp_path):
    miniature.write_samm(tmp_path, sheet=None)
    grid = [
        [int(row[0]) if row and row[0] in ("006", "011", "030") else (row or [None])[0], *row[1:10]]
        for row in miniature.samm_grid()
    ]
    miniature.write_sheet(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", grid)
    clips = DATABASE.read(tmp_path).clips
    assert clips.subject.tolist() == ["006", "006", "011", "030"]
    assert clips.objective_class.tolist() == [None] * 4


@pytest.mark.parametrize("tree", ["SAMM_CROP", "crops/SAMM"])
def test_a_cropped_tree_is_known_by_its_name(miniature, tmp_path, tree):
    assert DATABASE.read(miniature.write_samm(tmp_path / "copy", tree=tree)).cropped
    assert not DATABASE.read(miniature.write_samm(tmp_path / "cropped" / "copy")).cropped


def test_known_errors_of_apex_and_offset_are_corrected(miniature, tmp_path):
    rows = [
        ["028", "028_4_1", 1090, 1300, 1110, "4", "Anger", "III", 5],  # an apex outside
        ["013", "013_1_9", 5730, 5735, 5745, "4", "Anger", "III", 5],  # an offset that is too late
    ]
    reading = DATABASE.read(miniature.write_samm(tmp_path, rows))
    columns = ["clip", "onset", "apex", "offset", "apex_source"]
    assert reading.clips[columns].to_numpy().tolist() == [
        ["013_1_9", 5730, 5735, 5739, "annotated"],
        ["028_4_1", 1090, 1105, 1110, "corrected"],
    ]
    assert sorted((remark.clip, remark.kind) for remark in reading.remarks) == [
        ("samm/013/013_1_9", "corrected"),
        ("samm/028/028_4_1", "corrected"),
    ]
    as_it_is = DATABASE.read(tmp_path, corrections=False)
    assert as_it_is.clips.offset.tolist() == [5745, 1110]
    assert as_it_is.clips.apex_source.tolist() == ["annotated", "midpoint"]


def test_other_folders_are_not_recognised(miniature, tmp_path):
    assert DATABASE.recognises(miniature.write_samm(tmp_path / "samm"))
    assert not DATABASE.recognises(miniature.write_casme2(tmp_path / "casme2"))
    assert not DATABASE.recognises(miniature.write_smic(tmp_path / "smic"))
