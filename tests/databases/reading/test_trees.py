import os
import struct

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.databases.reading.trees import FolderContent, frames_and_strays, picture_size, survey


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def numbered(folder):
    return {number: path.name for number, path in frames_and_strays(folder)[0].items()}


def test_frames_are_numbered_by_the_last_digits_and_others_strays(tmp_path):
    names = {9: "006_1_9.bmp", 10: "006_1_10.png", 11: "006_1_11.jpeg", 123: "006_1_00123.jpg", 124: "006_1_0124.JPG"}
    touch(tmp_path, *sorted(names.values()))
    assert list(numbered(tmp_path).items()) == list(names.items())
    shapes = ("{}.jpg", "img{}.jpg", "reg_image{:06d}.bmp", "006_{:05d}.jpg", "frame {} (a).png")
    for number, shape in enumerate(shapes):
        names = [shape.format(number) for number in (46, 47, 48)]
        strays = ["apex1.jpg", "cover.png", f"{names[0][:-4]} (2).jpg", "x_y99.bmp"]
        folder = touch(tmp_path / str(number), *names, *strays, "notes7.txt")
        assert numbered(folder) == dict(zip((46, 47, 48), names, strict=True))
        assert sorted(frames_and_strays(folder)[1]) == sorted(strays), shape


@given(st.sets(st.integers(0, 10**9), max_size=20), st.data())
def test_any_zero_fill_gives_the_same_numbers(tmp_path_factory, numbers, data):
    folder = tmp_path_factory.mktemp("clip")
    touch(folder, *(f"img{number:0{data.draw(st.integers(1, 12))}d}.jpg" for number in numbers))
    assert set(numbered(folder)) == numbers


def test_ambiguous_and_unreadable_folders_are_refused(tmp_path, monkeypatch):
    for number, names in enumerate((("img1.jpg", "img01.jpg"), ("img1.jpg", "img1.PNG"), ("IMG7.bmp", "img7.jpg"))):
        folder = touch(tmp_path / str(number), *names, "img8.jpg")
        line = refusal(frames_and_strays, folder, case=names, error=DataError)
        assert all(text in line for text in (str(folder), *names, "both frame"))
    for target in (".", "..", "loop", "../../.."):
        folder = touch(tmp_path / "links" / target.replace(".", "x") / "b", "img1.jpg")
        (folder / "loop").symlink_to(target)
        assert "b/loop is a link" in refusal(frames_and_strays, folder, case=target, error=DataError)
        surveyed = lambda top: list(survey(top, lambda _: False))  # noqa: E731
        assert "b/loop is a link" in refusal(surveyed, folder.parent, case=target, error=DataError)
    links = touch(tmp_path / "two")
    (links / "a").symlink_to("b")
    (links / "b").symlink_to("a")
    assert "is a link to itself" in refusal(FolderContent.of, links, error=DataError)
    assert "away can't be read (No such file" in refusal(frames_and_strays, tmp_path / "away", error=DataError)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert "can't be read (Permission denied)" in refusal(frames_and_strays, tmp_path, error=DataError)


def test_other_links_count_as_targets_and_system_files_not(tmp_path):
    touch(tmp_path / "elsewhere" / "clip", "img1.jpg")
    here = touch(tmp_path / "here")
    (here / "clip").symlink_to(tmp_path / "elsewhere" / "clip")
    (here / "img2.jpg").symlink_to(tmp_path / "elsewhere" / "clip" / "img1.jpg")
    (here / "nowhere").symlink_to(tmp_path / "away")
    assert FolderContent.of(here) == FolderContent(here, ("clip",), ("img2.jpg",))
    assert (list(numbered(here)), list(numbered(here / "clip"))) == ([2], [1])
    strays = ("img2.jpg.lnk", "sub01.lnk", "Thumbs.db", "desktop.ini", ".DS_Store", "._a.xlsx")
    full = touch(tmp_path / "full", "a.xlsx", "img1.jpg", *strays)
    for name in ("__MACOSX", "img6.jpg"):
        (full / name).mkdir()
    assert FolderContent.of(full) == FolderContent(full, ("img6.jpg",), ("a.xlsx", "img1.jpg"))
    assert list(numbered(full)) == [1]


def test_a_survey_goes_three_levels_down(tmp_path):
    for path in ("a/b/c/d/e", "f/g", "f/.hidden", "__MACOSX/x"):
        (tmp_path / path).mkdir(parents=True)
    places = survey(tmp_path, ends=lambda place: place.path.name == "f")
    assert [str(place.path.relative_to(tmp_path)) for place in places] == [".", "a", "f", "a/b", "a/b/c"]


def test_the_size_of_a_picture_is_read_from_its_head(tmp_path):
    for suffix in (".jpg", ".png", ".bmp"):
        for shape in ((5, 9, 3), (33, 17, 3), (480, 640, 3), (7, 7)):
            path = tmp_path / f"img1{suffix}"
            path.write_bytes(cv2.imencode(suffix, np.zeros(shape, np.uint8))[1].tobytes())
            assert picture_size(path) == (shape[1], shape[0])
    table, size = b"\xff\xc4" + struct.pack(">H", 7) + bytes(5), b"\xff\xc2" + struct.pack(">HBHH", 11, 8, 30, 40)
    path.write_bytes(b"\xff\xd8" + table + size + bytes(10))  # behind a table
    assert picture_size(path) == (40, 30)
    path.write_bytes(b"BM" + bytes(16) + struct.pack("<ii", 40, -30) + bytes(10))  # stored top down
    assert picture_size(path) == (40, 30)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM"]))
def test_pictures_without_a_head_have_no_size(tmp_path_factory, content, head):
    path = tmp_path_factory.getbasetemp() / "any.jpg"
    path.write_bytes(head + content)
    size = picture_size(path)
    assert size is None or (size[0] > 0 and size[1] > 0)
    path.write_bytes(head)
    assert picture_size(path) is None
