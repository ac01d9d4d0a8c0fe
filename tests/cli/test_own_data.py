"""Data of one's own: docs/your-own-data.md, followed from a folder of pictures and a table to a table of results."""

import cv2
import numpy as np
import pytest
import yaml
from support import miniature
from support.cases import says
from support.own import ROWS, write_table, write_video

from merbench.databases import DATABASES

pytestmark = pytest.mark.usefixtures("quick_flow")


@pytest.fixture
def table(tmp_path, home):
    """Write frames and a table of twelve clips of four people."""
    for person, clip, *_ in ROWS:
        miniature.write_frames(tmp_path / "frames" / person / clip, range(1, 21), "img{}.jpg")
    yield write_table(tmp_path / "clips.csv", ROWS)
    DATABASES.forget()


def test_the_page_leads_from_a_table_and_pictures_to_results(done, refused, table, tmp_path):
    says(done("data", "template", "--out", "empty.csv"), "empty.csv: fill it in, then merbench data add NAME")
    refused("data", "template", "--out", "empty.csv")
    refused("data", "template", "--out", "empty.xlsx")
    refused("data", "show", "frames")
    add = ("data", "add", "my-lab", "--clips", table, "--frames", "frames", "--cropped")
    says(done(*add), "my-lab: cropped frames in frames, table clips.csv, 12 clips, 4 subjects | protocols new --data")
    said = done("protocols", "new", "--data", "my-lab")
    says(said, "my-lab-3.yaml: 12 clips of 4 subjects; happy 4, sad 4, surprise 4", "class sad has 4 clips")
    refused("protocols", "new", "--data", "my-lab")  # which exists already
    content = yaml.safe_load((tmp_path / "my-lab-3.yaml").read_text())
    assert content["datasets"]["my-lab"]["classes"] == {word: [word] for word in ("happy", "sad", "surprise")}
    says(done("check-protocol", "./my-lab-3.yaml", "--data", "my-lab"), "agrees with the protocol's counts")
    run = ("run", "majority", "-p", "./my-lab-3.yaml", "--data", "my-lab")
    says(done(*run), "majority seed 0: 4/4 folds", "my-lab-3 on my-lab")
    says(done("data", "list"), "my-lab")
    says(done("data", "show", "my-lab", "--out", "sheet.png"), "sheet.png: 12 clips of my-lab")  # fps are not known
    says(done("data", "remove", "my-lab"), "no longer registered")
    refused("run", "majority", "-p", "./my-lab-3.yaml", "--data", "my-lab")


def test_databases_with_the_same_pictures_or_arrays_are_not_crossed(done, refused, table, tmp_path):
    done("data", "add", "my-lab", "--clips", table, "--frames", "frames", "--cropped")
    rows = [["Q" + row[0][1:], *row[1:]] for row in ROWS]
    (tmp_path / "frames").rename(tmp_path / "other")
    for place in (tmp_path / "other").iterdir():
        place.rename(place.with_name("Q" + place.name[1:]))
    (tmp_path / "frames").mkdir()
    for person in (row[0] for row in ROWS[::3]):
        (tmp_path / "frames" / person).symlink_to(tmp_path / "other" / f"Q{person[1:]}")
    done("data", "add", "other", "--clips", write_table(tmp_path / "q.csv", rows), "--frames", "other", "--cropped")
    refused("run", "majority", "-p", "lodo:my-lab+other")
    refused("check-protocol", "cross:my-lab->other")
    for name, prefix, file in (("one", "P", table), ("two", "Q", tmp_path / "q.csv")):
        values = {f"{prefix}{row[0][1:]}/{row[1]}": np.arange(5) + number for number, row in enumerate(ROWS)}
        np.savez(tmp_path / f"{name}.npz", **values)
        done("data", "add", name, "--clips", file, "--arrays", f"{name}.npz")
    refused("run", "majority", "-p", "lodo:one+two", "--data", "one+two")
    DATABASES.forget()


def test_rows_without_one_emotion_lone_people_and_tiny_classes_are_pointed_out(done, refused, tmp_path, home):
    rows = [
        ["P1", "a", "happy"],
        ["P1", "b", "sad+fear"],
        ["P2", "c", "happy"],
        ["P2", "d", "Very Sad"],
        ["P3", "e", ""],
    ]
    for person, clip, _ in rows:
        miniature.write_frames(tmp_path / "frames" / person / clip, range(1, 6), "{}.jpg")
    table = write_table(tmp_path / "clips.csv", rows, ["subject", "clip", "emotion"])
    done("data", "add", "few", "--clips", table, "--frames", "frames")
    said = done("protocols", "new", "--data", "few", "--out", "few.yaml")
    says(said, "few.yaml: 3 clips of 2 subjects; happy 2, very-sad 1", "subjects with one clip: few/P1")
    says(said, "class very-sad has clips of one subject only", "2 clips without one emotion are excluded: few/P1/b")
    done("check-protocol", "./few.yaml", "--data", "few")
    for row, word in zip(rows, ("高兴", "惊讶", "Freude!", "freude", "高兴"), strict=True):
        row[2] = word
    write_table(table, rows, ["subject", "clip", "emotion"])
    said = done("protocols", "new", "--data", "few", "--out", "words.yaml")
    says(
        said,
        "emotion-1 1, emotion-2 2, freude 2",
        "class emotion-2 has the clips of '高兴'",
        "class freude has the clips of 'freude', 'freude!'",
    )
    DATABASES.forget()


def test_arrays_are_added_and_checked(done, refused, table, tmp_path):
    values = {f"{person}/{clip}": np.full(7, number) for number, (person, clip, *_) in enumerate(ROWS)}
    np.savez(tmp_path / "x.npz", **values)
    add = ("data", "add", "mine", "--clips", table)
    says(done(*add, "--arrays", "x.npz"), "every clip has features(mine, 7)")
    says(done("protocols", "new", "--data", "mine"), "merbench run majority -p ./mine-3.yaml --data mine")
    refused(*add, "--arrays", "x.npz", "--as", "{kind: flow, size: 28, channels: [u, v]}")
    for words in (("--arrays", "no.npz"), ("--frames", "no"), (), ("--frames", "frames", "--arrays", "x.npz"),
                  ("--frames", "frames", "--as", "{kind: flow}"), ("--arrays", "x.npz", "--as", "{kind: smell}"),
                  ("--frames", "frames", "--column", "begin=x"),
                  ("--arrays", "x.npz", "--as", "null"), ("--arrays", "x.npz", "--cropped")):  # fmt: skip
        refused(*add, *words)
    refused("data", "add", "casme2")
    refused("data", "add", "casme2", "frames", "--fps", "30")
    refused("data", "add", "My Lab", "--clips", table, "--frames", "frames")


def test_a_video_or_the_folder_of_a_clip_is_shown_as_it_is(done, refused, tmp_path, home):
    write_video(tmp_path / "clip.avi", 12)
    miniature.write_frames(tmp_path / "one", range(5, 15), "img{}.jpg", side=64)
    for name, frames in (("clip.avi", "9,3"), ("clip.avi", "3,13"), ("one", "1,9"), ("one", "a")):
        refused("data", "show", name, "--frames", frames)
    refused("data", "show", "casme2", "--frames", "1,2")
    (tmp_path / "bad.avi").write_bytes(b"RIFF")
    (tmp_path / "clips.csv").write_bytes(b"subject,clip")
    for name in ("bad.avi", "clips.csv", "no.avi"):
        refused("data", "show", name)


@pytest.mark.slow
def test_the_face_of_a_video_is_found(done, tmp_path, home):
    astronaut = pytest.importorskip("skimage.data").astronaut()[:300, 100:400, ::-1]
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (300, 300))
    for shift in range(6):
        video.write(np.ascontiguousarray(np.roll(astronaut, shift, axis=1)))
    video.release()
    says(done("data", "show", "a.avi", "--frames", "1,4", "--out", "a.png"), "a.png: 1 clip of video")
    assert cv2.imread(str(tmp_path / "a.png")).std() > 10
