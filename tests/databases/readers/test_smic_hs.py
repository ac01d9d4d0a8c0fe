import pytest
from support import miniature
from support.miniature import clip_notes, copy_notes

from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.contracts.errors import DataError
from merbench.databases.readers.smic_hs import DATABASE

CROPPED = {"tree": "SMIC_all_cropped/HS", "prefix": "reg_image"}


def test_clips_are_their_frames_with_the_apex_in_the_middle(tmp_path):
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None
    reading = DATABASE.read(miniature.write_smic(tmp_path))
    clips = reading.clips
    assert clip_names(clips) == [
        "smic-hs/s01/s01_ne_51",
        "smic-hs/s01/s01_po_51",
        "smic-hs/s03/s03_sur_51",
        "smic-hs/s11/s11_ne_52",
        "smic-hs/s11/s11_po_51",
    ]
    assert clips.emotion.tolist() == ["negative", "positive", "surprise", "negative", "positive"]
    numbers = [[100, 103, 106], [20, 21, 23], [9, 10, 12], [1234567, 1234569, 1234571], [1, 3, 5]]
    assert clips[["onset", "apex", "offset"]].to_numpy().tolist() == numbers
    assert clips.apex_source.unique().tolist() == ["midpoint"]
    assert clips.fps.unique().tolist() == [100]
    assert clips.aus.tolist() == clips.objective_class.tolist() == [None] * 5
    assert clips.path[0] == "HS/s1/micro/negative/s1_ne_51"
    assert clip_notes(reading) == []
    (note,) = copy_notes(reading)
    assert "midpoint" in note


def test_every_layout_gives_the_same_clips(tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_smic(tmp_path / "plain")).clips)
    for number, (layout, kind) in enumerate((
        (CROPPED, "cropped"),
        ({"tree": "cropped/SMIC-HS", "prefix": "image"}, "cropped"),
        ({"tree": "SMIC/SMIC_all_raw/HS"}, "raw"),
        ({"tree": "SMIC-HS"}, "raw"),
        ({"tree": "SMIC (HS, VIS, NIR)/HS"}, "raw"),
        ({"tree": "SMIC_VIS_NIR_HS/SMIC_HS"}, "raw"),
    )):  # fmt: skip
        folder = miniature.write_smic(tmp_path / str(number), **layout)
        assert DATABASE.recognises(folder)
        reading = DATABASE.read(folder)
        assert clips_digest(reading.clips) == expected
        assert reading.cropped == (kind == "cropped")
        assert reading.layout == f"{kind} frames in {layout['tree']}, classes from the clips' names"
        assert list(DATABASE.frames(folder, reading.clips.path[2])) == [9, 10, 11, 12]
    assert DATABASE.read(tmp_path / "0" / "SMIC_all_cropped" / "HS").cropped  # by the frames' names
    miniature.write_smic(tmp_path / "0", tree="SMIC_all_raw/HS")
    reading = DATABASE.read(tmp_path / "0")
    assert not reading.cropped
    assert "SMIC_all_raw/HS (raw), not of SMIC_all_cropped/HS (cropped)" in copy_notes(reading)[0]


def test_the_slower_cameras_are_another_database(tmp_path):
    for other in ("VIS", "NIR", "SMIC-VIS", "SMIC_NIR", "NIR_crops", "vis"):
        folder = miniature.write_smic(tmp_path / f"of {other}", tree=f"SMIC_all_cropped/{other}", prefix="reg_image")
        assert not DATABASE.recognises(folder)
        with pytest.raises(DataError, match="HS/s1/micro/negative/s1_ne_01"):
            DATABASE.read(folder)
        miniature.write_smic(folder, **CROPPED)
        assert DATABASE.read(folder).clips.path[0].startswith("SMIC_all_cropped/HS/")


def test_folders_may_have_padded_numbers_and_any_case(tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_smic(tmp_path / "plain")).clips)
    tree = miniature.write_smic(tmp_path / "copy") / "HS"
    (tree / "s1" / "micro" / "negative" / "s1_ne_51").rename(tree / "s1" / "micro" / "negative" / "S01_NE_51")
    (tree / "s1" / "micro" / "negative").rename(tree / "s1" / "micro" / "Negative")
    (tree / "s1" / "micro").rename(tree / "s1" / "MICRO")
    (tree / "s1").rename(tree / "S01")
    reading = DATABASE.read(tmp_path / "copy")
    assert clips_digest(reading.clips) == expected
    assert clip_notes(reading) == []
    assert reading.clips.path[0] == "HS/S01/MICRO/Negative/S01_NE_51"


def test_the_clips_name_decides_the_class(tmp_path):
    place = miniature.write_smic(tmp_path) / "HS" / "s1" / "micro"
    (place / "negative" / "s1_ne_51").rename(place / "positive" / "s1_ne_51")
    reading = DATABASE.read(tmp_path)
    assert reading.clips.emotion[0] == "negative"
    (note,) = [note for note in reading.notes if note.about]
    assert (note.about, note.kind) == ("smic-hs/s01/s01_ne_51", "note")
    assert note.detail == "HS/s1/micro/positive/s1_ne_51"


def test_missing_frames_are_noted_and_empty_folders_excluded(tmp_path):
    place = miniature.write_smic(tmp_path) / "HS"
    (place / "s1" / "micro" / "negative" / "s1_ne_51" / "image000103.bmp").unlink()
    for image in (place / "s3" / "micro" / "surprise" / "s3_sur_51").iterdir():
        image.unlink()
    reading = DATABASE.read(tmp_path)
    assert len(reading.clips) == 4
    assert clip_notes(reading) == [
        ("smic-hs/s01/s01_ne_51", "note", "frames are missing between onset and offset"),
        ("smic-hs/s03/s03_sur_51", "excluded", "the clip's folder has no frames"),
    ]
