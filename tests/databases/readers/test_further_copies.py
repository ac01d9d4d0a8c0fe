"""Readers that were never tried on a real copy: whole and broken miniatures of the layouts that their users report."""

import shutil

import pytest
from support import miniature
from support.miniature import FURTHER, clip_notes, copy_notes
from support.refusals import refusal

from merbench.contracts.clips import clips_digest
from merbench.contracts.databases import SAME_PEOPLE, FrameDatabase
from merbench.contracts.errors import DataError
from merbench.contracts.inputs import DynamicImage, Flow, Frames
from merbench.databases import DATABASES
from merbench.databases.readers.identity import normalised
from merbench.databases.registrations import recognise, register
from merbench.engine.plan.catalogue import protocol as find_protocol
from merbench.prepare.arrays import missing_inputs, prepare_input

#: Subject/clip, emotion, onset, apex, offset, source of the apex, action units, first frame; frames a second.
CLIPS = {
    "casme": (60, [
        ("sub01/EP41_5", "tense", 12, 14, 18, "annotated", "4", "EP41_5-9.jpg"),
        ("sub07/EP42_1f", "surprise", 9, 10, 13, "annotated", "1+2", "EP42_1f-008.jpg"),
    ]),
    "mmew": (90, [
        ("S03/S03-01-052", "happiness", 1, 4, 8, "annotated", "6+12", "1.jpg"),
        ("S13/S13-07-051", "others", 1, 3, 5, "midpoint", None, "1.jpg"),
    ]),
    "mmew-macro": (90, [
        ("S03/S03-05-001", "fear", 1, 1, 1, "annotated", None, "S03-05-001.jpg"),
        *((f"S13/S13-01-{n:03d}", "happiness", 1, 1, 1, "annotated", None, f"S13-01-{n:03d}.jpg") for n in (1, 2, 3)),
    ]),
    "casme3": (30, [
        ("spNO.1/a_12_15", "others", 12, 12, 15, "annotated", "12", "1.jpg"),
        ("spNO.1/a_4_9", "disgust", 4, 6, 9, "annotated", "4+7", "1.jpg"),
        ("spNO.40/e_3_5", "fear", 3, 4, 5, "annotated", "1", "1.jpg"),
    ]),
    "casme3-c": (30, [
        ("spNO.1/12_15", "surprise", 12, 13, 15, "midpoint", "13?", "1.jpg"),
        ("spNO.1/4_9", "negative", 4, 6, 9, "midpoint", "4+L7", "1.jpg"),
        ("spNO.12/3_6", "others", 3, 4, 6, "midpoint", None, "1.jpg"),
    ]),
    "casme3-macro": (30, [
        ("spNO.1/a_12_15", "macro", 12, 13, 15, "annotated", "4+L14", "1.jpg"),
        ("spNO.1/a_4_9", "macro", 4, 6, 9, "annotated", "4+7", "1.jpg"),
        ("spNO.40/e_3_5", "macro", 3, 3, 5, "annotated", None, "1.jpg"),
    ]),
    "dfme": ({200, 500}, [
        ("sub0003/sub0003_ha_51", "happiness", 4, 6, 9, "annotated", "6+12", "0001.png"),
        ("sub0310/sub0310_an_51", "anger", 2, 3, 5, "annotated", "4", "0001.png"),
        ("sub0310/sub0310_an_52", "others", 1, 3, 5, "annotated", "4", "0001.png"),
    ]),
    "4dme": (60, [
        ("S02/S2_1st_051_02", "negative", 1, 2, 5, "annotated", "4", "Frame_000000001.jpg"),
        ("S13/S13_1st_051_01", "positive+surprise", 12, 14, 16, "annotated", "1+2(k)", "Frame_000000012.jpg"),
    ]),
    "cas-me-2": (30, [
        ("s15/0101_1_12", "negative", 12, 15, 20, "annotated", "4+10", "img1.jpg"),
        ("s15/0101_2_30", "macro-negative", 30, 33, 36, "midpoint", "4", "img1.jpg"),
        ("s16/0505_2_3", "macro-positive", 3, 5, 9, "annotated", "12", "img_1.jpg"),
    ]),
    "samm-lv": (200, [
        ("006/006_1_1_58", "macro", 58, 59, 64, "annotated", "4", "006_1_00055.jpg"),
        ("006/006_1_2_62", "micro", 62, 65, 70, "annotated", "A12B", "006_1_00055.jpg"),
        ("007/007_4_1_3", "macro", 3, 3, 9, "annotated", "4", "007_4_0001.jpg"),
    ]),
    "smic-e-hs": (100, [
        ("s03/s03_ne_02", "negative", 14, 16, 18, "midpoint", None, "image000010.jpg"),
        ("s03/s03_ne_03", "negative", 21, 22, 24, "midpoint", None, "image000010.jpg"),
        ("s11/s11_po_51", "positive", 5, 6, 8, "midpoint", None, "image000001.jpg"),
    ]),
    **{name: (25, [
        ("s11/s11_ne_52", "negative", 1234567, 1234569, 1234571, "midpoint", None, "image1234567.bmp"),
        ("s11/s11_po_51", "positive", 1, 3, 5, "midpoint", None, "image00001.bmp"),
    ]) for name in ("smic-vis", "smic-nir")},
}  # fmt: skip
#: Notes on clips, and how many there are on the copy.
NOTES = {
    "mmew": ([("mmew/S13/S13-07-051", "corrected")], 0),
    "mmew-macro": ([], 1),
    "casme3": ([("casme3/spNO.1/a_12_15", "note"), ("casme3/spNO.40/e_3_0", "excluded")], 0),
    "casme3-c": ([], 1),
    "casme3-macro": ([("casme3-macro/spNO.40/e_3_5", "note")], 1),
    "cas-me-2": ([("cas-me-2/s15/0101_2_30", "corrected"), ("cas-me-2/s16/0505_1_3", "excluded")], 0),
    "samm-lv": ([("samm-lv/007/007_4_1_3", "note")], 0),
    "smic-e-hs": ([("SMIC-HS-E_annotation.xlsx, Sheet1, row 4", "excluded")], 1),
    **dict.fromkeys(("smic-vis", "smic-nir"), ([], 1)),
}
#: Clip in a log, one spelling.
SPELLINGS = {
    "casme": (("1", "ep41_5"), ("sub01", "EP41_5")),
    "mmew": (("3", "s03-01-052"), ("S03", "S03-01-052")),
    "mmew-macro": (("3", "s03-05-001"), ("S03", "S03-05-001")),
    "casme3": (("1", "A_012_15"), ("spNO.1", "a_12_15")),
    "casme3-c": (("1", "012_15"), ("spNO.1", "12_15")),
    "casme3-macro": (("1", "A_012_15"), ("spNO.1", "a_12_15")),
    "dfme": (("310", "SUB0310_AN_51"), ("sub0310", "sub0310_an_51")),
    "4dme": (("13", "s13_1st_051_01"), ("S13", "S13_1st_051_01")),
    "cas-me-2": (("15", "0101_01_012"), ("s15", "0101_1_12")),
    "samm-lv": (("6", "6_1_2_062"), ("006", "006_1_2_62")),
    "smic-e-hs": (("3", "S3_NE_2"), ("s03", "s03_ne_02")),
    "smic-vis": (("11", "s11_ne_2"), ("s11", "s11_ne_02")),
    "smic-nir": (("11", "s11_ne_2"), ("s11", "s11_ne_02")),
}


@pytest.mark.parametrize("name", CLIPS)
def test_miniatures_have_the_clips_of_their_sheets(name, tmp_path):
    reader, (fps, clips) = DATABASES.get(name), CLIPS[name]
    assert isinstance(reader, FrameDatabase)
    assert reader.card.untried
    folder = miniature.write_further(tmp_path / "copy", name)
    reading = reader.read(folder)
    found = [
        (f"{r.subject}/{r.clip}", r.emotion, r.onset, r.apex, r.offset, r.apex_source, r.aus and str(r.aus),
         next(iter(reader.frames(folder, r.path).values())).name) for r in reading.clips.itertuples()
    ]  # fmt: skip
    assert found == clips
    assert set(reading.clips.fps) == (fps if isinstance(fps, set) else {fps})
    notes, of_copy = NOTES.get(name, ([], 0))
    assert [(about, kind) for about, kind, _ in clip_notes(reading)] == notes
    assert len(copy_notes(reading)) == of_copy
    written, spelled = SPELLINGS[name]
    assert normalised(name, *written) == (name, *spelled) == normalised(name, *spelled)


def test_every_copy_is_recognised_by_its_reader_alone(tmp_path):
    readers = {name: each for name, each in DATABASES.load_all()[0].items() if hasattr(each, "tree")}
    for name in CLIPS:
        folder = miniature.write_further(tmp_path / name, name)
        both = ["casme3"] * (name == "casme3-macro")  # in whose tree they are
        assert [each for each, reader in readers.items() if reader.recognises(folder)] == [*both, name]
    miniature.write_further(tmp_path / "casme3-macro", "casme3")
    assert recognise(tmp_path / "casme3-macro") == "casme3"
    assert len(DATABASES.get("casme3-macro").read(tmp_path / "casme3-macro").clips) == 3
    assert not readers["casme"].recognises(miniature.write_casme2(tmp_path / "two", tree="CASME/Cropped"))


def test_each_camera_reads_its_own_tree(tmp_path):
    for word in ("HS", "VIS", "NIR"):
        clips = [[f"s11_ne_{len(word)}{ord(word[0])}", 1, 5, 6]]
        miniature.write_smic(tmp_path, clips, f"SMIC_all_cropped/{word}", "reg_image")
    for word, number in (("hs", 272), ("vis", 386), ("nir", 378)):
        reading = DATABASES.get(f"smic-{word}").read(tmp_path)
        assert reading.clips["clip"].tolist() == [f"s11_ne_{number}"]
        assert reading.cropped
    shared = {**SAME_PEOPLE, **DATABASES.get("smic-e-hs").card.same_people}
    assert {shared[name] for name in ("smic-vis", "smic-nir", "smic-e-hs")} == {"smic-hs"}


def test_mmew_is_read_by_emotion_and_by_person(tmp_path):
    folder = miniature.write_further(tmp_path, "mmew")
    expected = DATABASES.get("mmew").read(folder)
    for clip in list((folder / MICRO).glob("*/*")):
        place = folder / MICRO / clip.name[:3] / clip.parent.name
        place.mkdir(parents=True)
        clip.rename(place / clip.name)
    for name in ("happiness", "others"):
        (folder / MICRO / name).rmdir()
    reading = DATABASES.get("mmew").read(folder)
    assert clips_digest(reading.clips) == clips_digest(expected.clips)
    assert reading.layout.startswith(f"raw frames in {MICRO}, ")


def test_single_pictures_of_mmew_serve_inputs_without_movement_and_are_not_crossed(tmp_path, home):
    folder = miniature.write_further(tmp_path / "copy", "mmew")
    miniature.write_further(folder, "mmew-macro")
    assert recognise(folder) == "mmew"
    source = register("mmew-macro", folder)
    assert len(source.clips) == 4
    refused = {
        "flow": Flow(faces="delivered"), "frames": Frames(faces="delivered", count=3), "image": DynamicImage()
    }  # fmt: skip
    said = missing_inputs([source], refused)
    assert [line.endswith("mmew-macro has single pictures, which show no movement") for line in said] == [True] * 3
    one = Frames(faces="delivered", size=8, span="onset", count=1)
    assert missing_inputs([source], {"x": one}) == []
    assert prepare_input([source], source.clips, one).batch().shape == (4, 1, 8, 8, 1)
    line = refusal(find_protocol, "lodo:mmew-macro+mmew")
    assert "MMEW macro has single pictures, which are for pretraining only" in line


def test_the_newest_version_of_a_sheet_is_read(tmp_path):
    folder = miniature.write_further(tmp_path, "casme3")
    sheet, grid, _ = FURTHER["casme3"]
    miniature.write_sheet(folder / sheet.replace("_v2.xlsx", "_v1.xls"), grid[:2])
    reading = DATABASES.get("casme3").read(folder)
    assert sheet in reading.layout
    assert len(reading.clips) == 3


@pytest.mark.parametrize(("coding", "delimiter"), [("utf-8-sig", ","), ("gbk", ";"), ("utf-8", "\t"), ("utf-16", "\t")])
def test_a_sheet_may_be_csv(coding, delimiter, tmp_path):
    folder = miniature.write_further(tmp_path, "mmew")
    expected = DATABASES.get("mmew").read(folder)
    sheet, grid, _ = FURTHER["mmew"]
    (folder / sheet).unlink()
    lines = [delimiter.join("" if cell is None else str(cell) for cell in [*row[:7], "\u5907\u6ce8"]) for row in grid]
    (folder / "MMEW_Micro_Exp.csv").write_bytes("\r\n".join(lines).encode(coding))
    reading = DATABASES.get("mmew").read(folder)
    assert clips_digest(reading.clips) == clips_digest(expected.clips)
    assert reading.layout.endswith("sheet MMEW_Micro_Exp.csv (CSV)")
    (folder / "MMEW_Micro_Exp.csv").write_bytes(b"\xff" + "\r\n".join(lines).encode(coding))
    assert "damaged" in refusal(DATABASES.get("mmew").read, folder, error=DataError)


def cell(row, column, value):
    """Return a damage that writes one cell; `row` counts from the header, 0."""

    def damage(folder, sheet, grid):
        changed = [list(cells) for cells in grid]
        changed[row][column] = value
        miniature.write_sheet(folder / sheet, changed)

    return damage


def gone(path):
    return lambda folder, *_: shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()


MICRO, GRAY = "MMEW_Final/Micro_Expression", "gray_micro/S2/S2_1st_051_02"
MACRO = "MMEW_Final/Macro_Expression/S13/happiness"
BROKEN = [
    ("casme", gone("casme.xlsx"), "no annotation sheet such as casme.xlsx"),
    ("casme", gone("CASME_raw_selected"), "no clip folders such as CASME_raw_selected/sub01/EP01_5"),
    ("casme", cell(0, 3, "Begin"), "lacks the columns OnsetF"),
    ("casme", cell(2, 1, "EP41_5"), None),  # of another subject: no clip has two rows, one has no folder
    ("mmew", gone("MMEW_Micro_Exp.xlsx"), "no annotation sheet such as MMEW_Micro_Exp.xlsx"),
    ("mmew", gone(MICRO), "no clip folders such as Micro_Expression/happiness/S03-01-002"),
    ("mmew", lambda f, *_: shutil.copytree(f / MICRO / "others", f / MICRO / "fear"), "both mmew/S13/S13-07-051"),
    ("mmew-macro", gone("MMEW_Final"), "no clip folders such as Macro_Expression/S01/happiness"),
    ("mmew-macro", gone("MMEW_Final/Macro_Expression/S3/fear/S03-05-001.jpg"), None),
    ("mmew-macro", lambda f, *_: (f / MACRO / "S13-01-001.jpg").rename(f / MACRO / "S14-01-001.jpg"), None),
    ("mmew-macro", lambda f, *_: shutil.copytree(f / MACRO, f / MACRO.replace("happ", "HAPP")), "are both mmew-macro/"),
    ("mmew", cell(1, 1, "S04-01-052"), None),  # of another person than the column Subject
    ("casme3", gone("part_A/spNO.1"), None),
    ("casme3", cell(2, 2, "4") and cell(4, 4, "2"), None),
    ("casme3", lambda f, s, g: miniature.write_sheet(f / s, [*g, g[1]]), None),
    ("4dme", gone(GRAY), None),
    ("4dme", cell(0, 6, "Mood"), "lacks the columns Emotion"),
    ("4dme", cell(2, 6, None), None),
    ("cas-me-2", cell(0, 1, "disgust1_1"), "has no sheet CASFEcode_final|CASMEcode_final, only Sheet1"),
    ("cas-me-2", gone("rawpic/s16"), None),
    ("samm-lv", gone("SAMM_longvideos/007_4"), None),
    ("samm-lv", cell(9, 7, "Kind"), "lacks the columns Type"),
    ("samm-lv", cell(10, 7, None), None),
    ("smic-e-hs", cell(1, 3, "MISSING <-"), None),
    ("smic-e-hs", lambda f, s, g: (f / s).write_bytes(b"x"), "not an Excel file"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_copies_say_so_in_one_line_or_exclude_the_clip(number, tmp_path):
    name, damage, said = BROKEN[number]
    folder = miniature.write_further(tmp_path, name)
    damage(folder, *FURTHER[name][:2])
    if said:
        assert said in refusal(DATABASES.get(name).read, folder, error=DataError)
    else:
        reading = DATABASES.get(name).read(folder)
        whole = dict(NOTES.get(name, ([], 0))[0])
        excluded = {note.about for note in reading.notes if note.kind == "excluded"} - set(whole)
        assert excluded or len(reading.clips) < len(CLIPS[name][1])
