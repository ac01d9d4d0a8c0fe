import shutil

from support import miniature
from support.miniature import clip_notes, copy_notes

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_names, clips_digest
from merbench.contracts.databases import FrameDatabase
from merbench.databases.readers.casme2 import DATABASE
from merbench.databases.reading.framed import settled_apex

SHEETS = [
    "CASME2-coding-20140508.xlsx",
    "CASME2-coding-20190701.xlsx",
    "CASME2_label_Ver_2.xls",
    "casme2-coding-updated.xlsx",
]


def test_a_copy_has_the_clips_of_its_sheet(tmp_path):
    assert isinstance(DATABASE, FrameDatabase)
    assert DATABASE.card.offers is None
    reading = DATABASE.read(miniature.write_casme2(tmp_path))
    clips = reading.clips
    assert clip_names(clips) == [
        "casme2/sub01/EP21_01f",
        "casme2/sub01/EP21_02",
        "casme2/sub02/EP26_02_01",
        "casme2/sub02/EP29f",
        "casme2/sub03/EP21_2",
        "casme2/sub03/EP27_03f",
    ]
    assert clips.emotion.tolist() == ["happiness", "disgust", "others", "surprise", "repression", "sadness"]
    assert clips.onset.tolist() == [46, 3, 10, 7, 5, 1]
    assert clips.apex.tolist() == [49, 5, 12, 9, 5, 4]
    assert clips.offset.tolist() == [53, 8, 15, 12, 9, 6]
    assert clips.apex_source.tolist() == ["annotated"] * 2 + ["midpoint"] * 2 + ["annotated"] * 2
    assert clips.fps.unique().tolist() == [200]
    assert clips.objective_class.tolist() == ["I", "IV", "VII", "II", "III", "V"]
    assert clips.aus.tolist() == [*map(read_coding, [12, "4+L10", "?", "L1+L2", "4+7"]), None]
    assert clips.path[0] == "CASME2-RAW/sub01/EP21_01f"
    assert not reading.cropped
    assert [(clip, kind) for clip, kind, _ in clip_notes(reading)] == [
        ("casme2/sub02/EP26_02_01", "corrected"),
        ("casme2/sub02/EP29f", "corrected"),
        ("casme2/sub03/EP21_2", "note"),
    ]
    shutil.copytree(tmp_path, tmp_path.with_name("elsewhere"))
    assert DATABASE.read(tmp_path.with_name("elsewhere")).clips.equals(clips)


def test_the_apex_must_be_between_onset_and_offset():
    for onset, apex, offset, settled, annotated in (
        (3, 3, 9, 3, True),
        (3, 9, 9, 9, True),
        (3, 2, 9, 6, False),
        (3, 10, 8, 5, False),
        (3, None, 8, 5, False),
    ):
        found, why = settled_apex(onset, apex, offset)
        assert (found, why == "") == (settled, annotated)


def test_every_layout_gives_the_same_clips(tmp_path):
    expected = clips_digest(DATABASE.read(miniature.write_casme2(tmp_path / "plain")).clips)
    for tree, prefix, kind in (
        ("CASME2-RAW", "img", "raw"),
        ("CASME2_RAW", "img", "raw"),
        ("CASME2_RAW_selected", "img", "raw selected"),
        ("CASME2-RAW-Selected/CASME2_RAW_selected", "img", "raw selected"),
        ("Cropped", "reg_img", "cropped"),
        ("Cropped_original", "reg_img", "cropped"),
        ("Cropped-updated/Cropped", "reg_img", "cropped"),
        ("a/b/CASME2-RAW", "img", "raw"),
    ):
        folder = miniature.write_casme2(tmp_path / kind / tree / "copy", tree=tree, prefix=prefix, margin=0)
        assert DATABASE.recognises(folder)
        reading = DATABASE.read(folder)
        assert clips_digest(reading.clips) == expected
        assert reading.cropped == (kind == "cropped")
        assert reading.layout.startswith(f"{kind} frames in {tree}, sheet CASME2-coding-20140508.xlsx")
        assert copy_notes(reading) == []
        for clip in reading.clips.itertuples():
            assert list(DATABASE.frames(folder, clip.path)) == list(range(clip.onset, clip.offset + 1))


def test_sheets_are_found_in_and_beside_the_tree(tmp_path):
    for number, sheet in enumerate([*SHEETS, f"CASME2-RAW/{SHEETS[0]}", f"docs/2014/{SHEETS[2]}"]):
        reading = DATABASE.read(miniature.write_casme2(tmp_path / str(number), sheet=sheet))
        assert len(reading.clips) == 6
        assert f"sheet {sheet.rpartition('/')[2]}" in reading.layout
    reading = DATABASE.read(tmp_path / "4" / "CASME2-RAW")  # the tree itself, with the sheet in it
    assert len(reading.clips) == 6
    assert reading.clips.path[0] == "sub01/EP21_01f"
    assert reading.layout.startswith("raw frames in CASME2-RAW, ")


def test_raw_trees_are_preferred_and_the_choice_is_reported(tmp_path):
    miniature.write_casme2(tmp_path, tree="Cropped", prefix="reg_img")
    miniature.write_casme2(tmp_path, tree="CASME2_RAW_selected")
    reading = DATABASE.read(tmp_path)
    assert not reading.cropped
    assert reading.clips.path[0].startswith("CASME2_RAW_selected/")
    (note,) = copy_notes(reading)
    assert "CASME2_RAW_selected (raw selected), not of Cropped (cropped)" in note
    miniature.write_casme2(tmp_path, tree="raw/CASME2-RAW")
    assert DATABASE.read(tmp_path).clips.path[0].startswith("raw/CASME2-RAW/")


def test_the_newest_sheet_is_used_and_the_choice_is_reported(tmp_path):
    for sheet in SHEETS:
        miniature.write_casme2(tmp_path, sheet=sheet)
    reading = DATABASE.read(tmp_path)
    assert "sheet CASME2-coding-20190701.xlsx" in reading.layout
    (note,) = copy_notes(reading)
    assert "CASME2-coding-20190701.xlsx, not " in note
    assert all(sheet in note for sheet in SHEETS)


def test_objective_classes_are_joined_by_name(tmp_path):
    reading = DATABASE.read(miniature.write_casme2(tmp_path / "without", classes=None))
    assert reading.clips.objective_class.tolist() == [None] * 6
    assert "Objective" not in reading.layout
    miniature.write_casme2(tmp_path)
    rows = [["Subject", "Filename", "Objective Class"], [2, "EP29f", "vi"], [1, "EP21_01f", 3.0], ["01", "EP21_02", 8]]
    miniature.write_sheet(tmp_path / "CASME2-ObjectiveClasses.xlsx", rows)
    reading = DATABASE.read(tmp_path)
    assert reading.clips.objective_class.tolist() == ["III", None, None, "VI", None, None]
    assert [n.detail for n in reading.notes if n.about == "casme2/sub01/EP21_02"] == ["'8'"]


def test_names_are_matched_regardless_of_case(tmp_path):
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


def test_known_errors_are_corrected_on_request(tmp_path):
    # A clip with a known correction and synthetic numbers; frames 58 to 125 are on disk.
    folder = miniature.write_casme2(tmp_path / "known", [["05", "EP09_05f", 60, 60, 123, "4", "disgust", 3]])
    reading = DATABASE.read(folder)
    assert reading.clips[["onset", "apex", "offset", "apex_source"]].to_numpy().tolist() == [[60, 96, 123, "corrected"]]
    (note,) = reading.notes
    assert (note.kind, note.about) == ("corrected", "casme2/sub05/EP09_05f")
    assert note.detail == "apex 96 instead of 60, after github.com/MELABIPCAS/FED-PsyAU"
    reading = DATABASE.read(folder, corrections=False)
    assert reading.clips[["apex", "apex_source"]].to_numpy().tolist() == [[60, "annotated"]]
    assert clip_notes(reading, "corrected") == []
    other = miniature.write_casme2(tmp_path / "lacking", [["05", "EP09_05f", 6, 8, 12, "4", "disgust", 3]])
    reading = DATABASE.read(other)  # without the frame of the correction
    assert reading.clips[["apex", "apex_source"]].to_numpy().tolist() == [[8, "annotated"]]
    assert reading.notes == []


def test_each_reader_recognises_only_its_own_database(tmp_path_factory):
    for name in ("casme2", "samm", "smic"):
        tmp_path = tmp_path_factory.mktemp("case")
        from merbench.databases.readers import samm, smic_hs

        folder = getattr(miniature, f"write_{name}")(tmp_path / name)
        readers = {"casme2": DATABASE, "samm": samm.DATABASE, "smic": smic_hs.DATABASE}
        assert [each for each, reader in readers.items() if reader.recognises(folder)] == [name]
        (tmp_path / "empty" / "sub01").mkdir(parents=True)
        assert not any(r.recognises(tmp_path / place) for r in readers.values() for place in ("empty", "away")), name
