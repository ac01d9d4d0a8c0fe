from support import miniature
from support.miniature import clip_notes

from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.databases.readers.samm import DATABASE

SHEET, DATED = "SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx"


def test_a_copy_has_the_clips_and_frames_of_its_sheet(tmp_path):
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None
    reading = DATABASE.read(miniature.write_samm(tmp_path))
    clips = reading.clips
    assert clip_names(clips) == ["samm/006/006_8_1", "samm/006/006_8_2", "samm/011/011_9_1", "samm/030/030_8_1"]
    assert clips.emotion.tolist() == ["happiness", "contempt", "disgust", "other"]
    numbers = [[562, 565, 570], [99, 101, 104], [12340, 12342, 12345], [5, 7, 9]]
    assert clips[["onset", "apex", "offset"]].to_numpy().tolist() == numbers
    assert clips.apex_source.tolist() == ["annotated", "annotated", "midpoint", "annotated"]
    assert clips.fps.unique().tolist() == [200]
    assert [str(aus) for aus in clips.aus] == ["A12B+R15", "(R6 or R12)+R15", "10A/B", "?"]
    assert clips.objective_class.tolist() == ["I", "VII", "IV", "VII"]
    assert reading.layout == f"raw frames in SAMM, sheet {SHEET} (MICRO_ONLY)"
    assert [(note.about, note.kind) for note in reading.notes] == [("samm/011/011_9_1", "corrected")]
    for clip in clips.itertuples():
        assert list(DATABASE.frames(tmp_path, clip.path)) == list(range(clip.onset, clip.offset + 1))
    names = [next(iter(DATABASE.frames(tmp_path, path).values())).name for path in clips.path]
    assert names == ["006_00562.jpg", "006_0099.jpg", "011_12340.jpg", "030_00005.jpg"]


def test_layouts_and_sheets_give_the_same_clips(tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_samm(tmp_path / "plain")).clips)
    for preamble in (0, 9, 13):
        for sheet in (SHEET, DATED):
            folder = miniature.write_samm(tmp_path / sheet / str(preamble), sheet=sheet, preamble=preamble)
            assert clips_digest(DATABASE.read(folder).clips) == expected
    for tree in ("SAMM_CROP", "crops/SAMM"):
        assert DATABASE.read(miniature.write_samm(tmp_path / tree / "copy", tree=tree)).cropped
    assert not DATABASE.read(miniature.write_samm(tmp_path / "cropped" / "copy")).cropped
    miniature.write_samm(tmp_path / "plain", sheet=DATED)
    (note,) = [each.text for each in DATABASE.read(tmp_path / "plain").notes if not each.about]
    assert f"{DATED}, not {tmp_path / 'plain' / SHEET}" in note


def test_subjects_may_be_numbers_and_objective_classes_absent(tmp_path):
    miniature.write_samm(tmp_path, sheet=None)
    grid = [
        [int(row[0]) if row and row[0] in ("006", "011", "030") else (row or [None])[0], *row[1:10]]
        for row in miniature.samm_grid()
    ]
    miniature.write_sheet(tmp_path / SHEET, grid)
    clips = DATABASE.read(tmp_path).clips
    assert clips.subject.tolist() == ["006", "006", "011", "030"]
    assert clips.objective_class.tolist() == [None] * 4


def test_known_errors_of_apex_and_offset_are_corrected(tmp_path):
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
    names = ["samm/013/013_1_9", "samm/028/028_4_1"]
    assert [(clip, kind) for clip, kind, _ in clip_notes(reading)] == [(name, "corrected") for name in names]
    uncorrected = DATABASE.read(tmp_path, corrections=False)
    assert uncorrected.clips.offset.tolist() == [5745, 1110]
    assert uncorrected.clips.apex_source.tolist() == ["annotated", "midpoint"]
