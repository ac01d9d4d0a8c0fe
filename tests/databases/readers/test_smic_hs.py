import pytest

from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.contracts.errors import DataError
from merbench.databases.readers.smic_hs import DATABASE

CROPPED = {"tree": "SMIC_all_cropped/HS", "prefix": "reg_image"}


def test_the_database_is_one_of_frames():
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None


def test_a_clip_goes_from_its_first_to_its_last_frame_with_the_apex_in_the_middle(miniature, tmp_path):
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
    assert clips[["onset", "apex", "offset"]].to_numpy().tolist() == [
        [100, 103, 106],
        [20, 21, 23],
        [9, 10, 12],
        [1234567, 1234569, 1234571],
        [1, 3, 5],
    ]
    assert clips.apex_source.unique().tolist() == ["midpoint"]
    assert clips.fps.unique().tolist() == [100]
    assert clips.aus.tolist() == clips.objective_class.tolist() == [None] * 5
    assert clips.path[0] == "HS/s1/micro/negative/s1_ne_51"
    assert reading.remarks == []
    assert reading.notes == ["SMIC annotates no apex: it is taken in the middle of onset and offset"]


@pytest.mark.parametrize(
    ("layout", "cropped"),
    [
        (CROPPED, True),
        ({"tree": "cropped/SMIC-HS", "prefix": "image"}, True),
        ({"tree": "SMIC/SMIC_all_raw/HS"}, False),
        ({"tree": "SMIC-HS"}, False),
        ({"tree": "SMIC (HS, VIS, NIR)/HS"}, False),
        ({"tree": "SMIC_VIS_NIR_HS/SMIC_HS"}, False),
    ],
)
def test_every_layout_gives_the_same_clips(miniature, tmp_path, layout, cropped):
    expected = clips_digest(DATABASE.read(miniature.write_smic(tmp_path / "plain")).clips)
    folder = miniature.write_smic(tmp_path / "copy", **layout)
    assert DATABASE.recognises(folder)
    reading = DATABASE.read(folder)
    assert clips_digest(reading.clips) == expected
    assert reading.cropped == cropped
    assert (
        reading.layout == f"{'cropped' if cropped else 'raw'} frames in {layout['tree']}, classes from the clips' names"
    )
    assert list(DATABASE.frames(folder, reading.clips.path[2])) == [9, 10, 11, 12]


def test_a_cropped_tree_is_known_by_its_frames_where_its_name_says_nothing(miniature, tmp_path):
    miniature.write_smic(tmp_path, **CROPPED)
    assert DATABASE.read(tmp_path / "SMIC_all_cropped" / "HS").cropped


def test_raw_frames_are_preferred_to_cropped_ones(miniature, tmp_path):
    miniature.write_smic(tmp_path, **CROPPED)
    miniature.write_smic(tmp_path, tree="SMIC_all_raw/HS")
    reading = DATABASE.read(tmp_path)
    assert not reading.cropped
    assert "frames are taken from SMIC_all_raw/HS (raw), not from SMIC_all_cropped/HS (cropped)" in reading.notes


@pytest.mark.parametrize("other", ["VIS", "NIR", "SMIC-VIS", "SMIC_NIR", "NIR_crops", "vis"])
def test_the_slower_cameras_are_another_database(miniature, tmp_path, other):
    miniature.write_smic(tmp_path, tree=f"SMIC_all_cropped/{other}", prefix="reg_image")
    assert not DATABASE.recognises(tmp_path)
    with pytest.raises(DataError, match=r"no clip folders such as HS/s1/micro/negative/s1_ne_01 were found"):
        DATABASE.read(tmp_path)
    miniature.write_smic(tmp_path, **CROPPED)
    assert DATABASE.read(tmp_path).clips.path[0].startswith("SMIC_all_cropped/HS/")


def test_folders_may_have_padded_numbers_and_any_case(miniature, tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_smic(tmp_path / "plain")).clips)
    tree = miniature.write_smic(tmp_path / "copy") / "HS"
    (tree / "s1" / "micro" / "negative" / "s1_ne_51").rename(tree / "s1" / "micro" / "negative" / "S01_NE_51")
    (tree / "s1" / "micro" / "negative").rename(tree / "s1" / "micro" / "Negative")
    (tree / "s1" / "micro").rename(tree / "s1" / "MICRO")
    (tree / "s1").rename(tree / "S01")
    reading = DATABASE.read(tmp_path / "copy")
    assert clips_digest(reading.clips) == expected
    assert reading.remarks == []
    assert reading.clips.path[0] == "HS/S01/MICRO/Negative/S01_NE_51"


def test_the_name_says_the_class_and_a_folder_that_contradicts_it_is_noted(miniature, tmp_path):
    place = miniature.write_smic(tmp_path) / "HS" / "s1" / "micro"
    (place / "negative" / "s1_ne_51").rename(place / "positive" / "s1_ne_51")
    reading = DATABASE.read(tmp_path)
    assert reading.clips.emotion[0] == "negative"
    (remark,) = reading.remarks
    assert (remark.clip, remark.kind) == ("smic-hs/s01/s01_ne_51", "noted")
    assert remark.reason == "the folder is another class's than the clip's name, which counts"
    assert remark.detail == "HS/s1/micro/positive/s1_ne_51"


def test_missing_frames_are_noted_and_an_empty_folder_is_left_out(miniature, tmp_path):
    place = miniature.write_smic(tmp_path) / "HS"
    (place / "s1" / "micro" / "negative" / "s1_ne_51" / "image000103.bmp").unlink()
    for image in (place / "s3" / "micro" / "surprise" / "s3_sur_51").iterdir():
        image.unlink()
    reading = DATABASE.read(tmp_path)
    assert len(reading.clips) == 4
    assert sorted((remark.clip, remark.kind, remark.reason) for remark in reading.remarks) == [
        ("smic-hs/s01/s01_ne_51", "noted", "frames are missing between onset and offset"),
        ("smic-hs/s03/s03_sur_51", "left out", "the clip's folder holds no frame"),
    ]
