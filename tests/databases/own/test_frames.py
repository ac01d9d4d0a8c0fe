"""A table and frames of one's own: folders, videos, marked pictures; what is wrong is told row by row."""

import re
import shutil

import pytest
from support.own import HEADER, ROWS, write_table, write_video
from support.refusals import refusal

from merbench.contracts.errors import DataError, MerbenchError
from merbench.databases import DATABASES
from merbench.databases.own.definitions import OwnDefinition, register_own
from merbench.databases.own.table import COLUMNS, mapped_columns, template
from merbench.databases.registrations import open_registered, unregister
from merbench.prepare.arrays import clip_frames
from merbench.synthetic.copies import write_book


def own(lab, rows=ROWS, header=HEADER, **more):
    table = write_table(lab / "clips.csv", rows, header)
    return OwnDefinition(name="my-lab", clips=table, place=lab / "frames", **more)


def changed(row, column, value):
    return [[*r[:column], value, *r[column + 1 :]] if n == row else r for n, r in enumerate(ROWS, start=2)]


def test_clips_are_found_as_folders_videos_and_marked_pictures(lab):
    source = register_own(own(lab))
    assert source.clips.emotion.tolist() == ["happy", "sad", "surprise"] * 4
    spans = source.clips[["onset", "apex", "offset"]].to_numpy().tolist()
    assert spans == [[3, 8, 15]] * 6 + [[0, 1, 1]] * 3 + [[3, 8, 15]] * 3
    assert source.clips.fps.isna().tolist() == [False] * 0 + [True] * 3 + [False] * 3 + [True] * 6
    assert source.clips.path[0] == "p01/Clip_1"
    clips = clip_frames(source, source.clips)
    assert clips[3].image(3).mean() == pytest.approx(20, abs=2)  # a video's third frame
    assert clips[3].image(8).mean() == pytest.approx(70, abs=2)
    assert clips[3].image(1).mean() == pytest.approx(0, abs=2)
    assert [clips[6].files[number].name for number in (0, 1)] == ["P3_clip_1_onset.jpg", "P3_clip_1_apex.jpg"]
    assert DATABASES.get("my-lab").card.datasets == {"my-lab": "my-lab"}
    assert open_registered("my-lab").clips.equals(source.clips)
    unregister("my-lab")
    assert "my-lab" not in DATABASES.names()
    for name in ("home", "my.lab"):  # names that the registry could take for something else
        register_own(own(lab).model_copy(update={"name": name}))
        assert DATABASES.get(name).card.name == name
        assert open_registered(name).clips.dataset.unique() == [name]


def test_columns_are_mapped_and_further_ones_read(lab):
    header = ["Person", "Clip name", "Label", "Onset Frame", "apex", "offset", "Database", "frame rate", "AU", "path"]
    rows = [[*row, "lab-b" if row[0] == "P4" else None, 50, "4+L10", None] for row in ROWS]
    rows[0][-1] = "p04\\Clip_1"  # Windows separators
    rows[9][-1] = "p01/Clip_1"
    columns = mapped_columns(["subject=Person", "onset = Onset Frame"])
    source = register_own(own(lab, rows, header, columns=columns))
    assert source.clips.dataset.tolist() == ["lab-b"] * 3 + ["my-lab"] * 9
    assert set(source.clips.fps) == {50.0}
    assert {str(coding) for coding in source.clips.aus} == {"4+L10"}
    assert source.clips.path[0] == "p01/Clip_1"
    taken = [[*row, "casme2"] for row in ROWS]
    line = refusal(register_own, own(lab, taken, [*HEADER, "dataset"]))
    assert "another database holds the dataset 'casme2'" in line


def test_columns_of_one_name_are_refused(lab):
    for header, said in {
        ("subject", "clip", "emotion", "onset", "apex", "Onset"): r"onset \(column D\), Onset \(column F\) .* onset",
        ("subject", "clip", "label", "onset", "class", "offset"): r"label \(column C\), class \(column E\) .* emotion",
        ("subject", "clip", "emotion", "onset", "label", "offset"): None,  # merbench's own name is meant
    }.items():
        rows = [[*row[:4], "x" if "label" in header else 8, 15] for row in ROWS]
        definition = own(lab, rows, header)
        if said is None:
            assert register_own(definition).clips.emotion[0] == "happy"
        else:
            assert re.search(f"{said}: rename all but one", refusal(register_own, definition, error=DataError))


def test_sheets_columns_and_archives_that_are_not_read_are_said(lab):
    book = {"A": [HEADER, *ROWS[:3]], "B": [[*HEADER, "Mood", "Age"], *([*row, "x", 1] for row in ROWS[3:])]}
    write_book(lab / "clips.xlsx", book)
    definition = OwnDefinition(name="my-lab", clips=lab / "clips.xlsx", place=lab / "frames")
    notes = [note.text for note in register_own(definition).reading.notes]
    assert notes[:2] == ["not read, columns of other names: Mood, Age", "not read, other sheets with these columns: A"]
    shutil.rmtree(lab / "frames")
    (lab / "frames").mkdir()
    (lab / "frames" / "Lab.ZIP").write_bytes(b"PK")
    line = refusal(register_own, own(lab), error=DataError)
    assert f"in {lab / 'frames'}, which has archives (1, such as Lab.ZIP): unpack them; a #" in line


def test_pictures_of_another_subject_are_pointed_out(lab):
    source = register_own(own(lab))  # whose frames are alike for all people
    (note,) = [note.text for note in source.reading.notes if "same pictures" in note.text]
    assert "my-lab/P1/clip 1 and my-lab/P4/clip 1, " in note
    for path in (lab / "frames" / "p04").rglob("*.png"):
        path.write_bytes(path.read_bytes() + b" ")
    assert not [note for note in register_own(own(lab)).reading.notes if "P1" in note.text]


def test_the_template_names_every_column_and_is_empty(lab):
    lines = template().splitlines()
    assert [line.split(":")[0] for line in lines[: len(COLUMNS)]] == [f"# {name}" for name in COLUMNS]
    (lab / "clips.csv").write_text(template() + "P1,clip 1,sad,3,8,15,,,,\n")
    definition = OwnDefinition(name="my-lab", clips=lab / "clips.csv", place=lab / "frames")
    source = register_own(definition)
    assert source.clips["clip"].tolist() == ["clip 1"]
    assert not [note for note in source.reading.notes if "begins with #" in note.text]
    (lab / "clips.csv").write_text(template())
    assert "clips.csv has no row with a clip" in refusal(register_own, definition, error=DataError)


#: Row, column and value -> what is said of the row.
WRONG = {
    (2, 0, ""): "row 2: no subject: of merged cells, only the first has one",
    (3, 1, None): "row 3: no clip",
    (3, 0, "2024-03-01 00:00:00"): r"row 3 \('2024-03-01 00:00:00'\): the subject is a date: format the column as text",
    (4, 1, "nowhere"): r"row 4 \(P1/nowhere\): no folder, video or pictures of the clip in ",
    (2, 3, "soon"): r"row 2 \('soon'\): the onset is not a frame number",
    (2, 3, 3.5): r"row 2 \('3.5'\): the onset is not",
    (2, 3, -3): r"row 2 \('-3'\): the onset is not",
    (2, 3, None): r"row 2 \(None, 15\): onset and offset must both be given, or neither",
    (2, 3, 16): r"row 2 \(16, 15\): the onset is after the offset",
    (2, 4, 99): r"row 2 \(99 in 3 to 15\): the apex is not between",
    (2, 5, 40): r"row 2 \(offset 40, nearest 20; on disk 20 frames, 1 to 20\): no frame on disk is near",
    (5, 5, 40): r"row 5 \(offset 40, nearest 20; on disk 20 frames, 1 to 20\)",  # a video that is shorter
    (3, 1, "clip 1"): r"row 3 \(row 2, my-lab/P1/clip 1\): the clip has another row",
    (2, 0, "P9"): r"row 2 \(P9/clip 1\): no folder",  # other people's clips of this name are not taken
}


def test_what_is_wrong_is_told_row_by_row_all_at_once(lab):
    for (row, column, value), said in WRONG.items():
        line = refusal(register_own, own(lab, changed(row, column, value)), case=said, error=DataError)
        assert re.search(f"clips.csv: 1 row can't be used: {said}", line), line
    rows = [["", *ROWS[0][1:]], *ROWS[1:4], [*ROWS[4][:3], "soon", *ROWS[4][4:]], ["", *ROWS[5][1:]]]
    line = refusal(register_own, own(lab, rows), error=DataError)
    lone = "no subject: of merged cells, only the first has one"
    assert f"clips.csv: 3 rows can't be used: rows 2, 7: {lone}; row 6 ('soon'): the onset" in line
    more = [*HEADER, "fps", "aus", "dataset", "path"]
    for cells, said in {
        ("fast", None, None, None): "fps is not a number above 0",
        (0, None, None, None): "fps is not a number above 0",
        (None, "4+smile", None, None): "the action units are not readable",
        (None, None, "My Lab", None): "the dataset is not a name",
        (None, None, None, "p01/gone"): "p01/gone does not exist below",
        (None, None, None, "../frames/p01/Clip_1"): "../frames/p01/Clip_1 does not exist below",
        (None, None, None, "x" * 3000): "x… does not exist below",
        (None, None, None, "p04/Clip_1"): "the clip shares frames with another one",
    }.items():
        rows = [[*ROWS[0], *cells], *([*row, *[None] * 4] for row in ROWS[1:])]
        assert said in refusal(register_own, own(lab, rows, more), case=said, error=DataError)
    assert "my-lab" not in DATABASES.names()


def test_unusable_tables_videos_and_names_are_refused(lab):
    assert "lacks the columns subject" in refusal(register_own, own(lab, header=["who", *HEADER[1:]]))
    definition = own(lab)
    refused = lambda change: refusal(register_own, definition.model_copy(update=change))  # noqa: E731
    assert "is not a file" in refused({"clips": lab / "none.csv"})
    assert "casme2 is a database that merbench knows" in refused({"name": "casme2"})
    (lab / "frames" / "P02_clip-1.avi").write_bytes(b"RIFF no video")
    (lab / "frames" / "P02_clip-2.avi").write_bytes(b"RIFF no video")
    line = refusal(register_own, definition)
    assert "rows 5 (" in line
    assert "P02_clip-1.avi can't be read as a video" in line
    assert "P02_clip-2.avi can't be read as a video: is it whole, and its codec known to OpenCV?)" in line
    assert line.endswith("the clip's frames can't be read; a # before the subject leaves a row out")
    rows = [[("#" if row[0] == "P2" else "") + row[0], *row[1:]] for row in ROWS]
    source = register_own(own(lab, rows))
    assert set(source.clips.subject) == {"P1", "P3", "P4"}
    assert str(source.reading.notes[0]) == "rows whose subject begins with # are ignored: 5, 6, 7"
    definition = own(lab)
    write_video(lab / "frames" / "P02_clip-2.avi", 20)
    write_video(lab / "frames" / "P02_clip-1.avi", 20)
    (lab / "frames" / "P3_clip_1_apex.jpg").unlink()
    assert "a clip needs an onset and an apex picture" in refusal(register_own, definition)
    for text, said in {"onset": "write NAME=", "start=Onset": "unknown column 'start'"}.items():
        assert said in refusal(mapped_columns, [text], error=MerbenchError)
    (lab / "home" / "own").mkdir(parents=True, exist_ok=True)
    (lab / "home" / "own" / "half.json").write_text("{")
    DATABASES.forget()
    assert "half.json can't be read" in refusal(DATABASES.get, "half")
