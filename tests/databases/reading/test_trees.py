import os
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.errors import DataError
from merbench.databases.reading.trees import FolderContent, frames_and_strays, numbered_frames, picture_size, survey


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_frames_are_numbered_by_the_last_digits(tmp_path):
    touch(tmp_path, "006_1_00123.jpg", "006_1_0124.JPG", "006_1_9.bmp", "006_1_10.png", "006_1_11.jpeg")
    assert {number: path.name for number, path in numbered_frames(tmp_path).items()} == {
        9: "006_1_9.bmp",
        10: "006_1_10.png",
        11: "006_1_11.jpeg",
        123: "006_1_00123.jpg",
        124: "006_1_0124.JPG",
    }
    assert list(numbered_frames(tmp_path)) == [9, 10, 11, 123, 124]


def test_pictures_of_another_name_are_strays(tmp_path_factory):
    for shape in ("{}.jpg", "img{}.jpg", "reg_image{:06d}.bmp", "006_{:05d}.jpg", "frame {} (a).png"):
        tmp_path = tmp_path_factory.mktemp("case")
        names = [shape.format(number) for number in (46, 47, 48)]
        strays = ["apex1.jpg", "cover.png", f"{names[0][:-4]} (2).jpg", "x_y99.bmp"]
        touch(tmp_path, *names, *strays, "notes7.txt")
        frames, found = frames_and_strays(tmp_path)
        assert {number: path.name for number, path in frames.items()} == dict(zip((46, 47, 48), names, strict=True)), (
            shape
        )
        assert sorted(found) == sorted(strays), shape


@given(st.sets(st.integers(0, 10**9), max_size=20), st.data())
def test_any_zero_fill_gives_the_same_numbers(tmp_path_factory, numbers, data):
    folder = tmp_path_factory.mktemp("clip")
    touch(folder, *(f"img{number:0{data.draw(st.integers(1, 12))}d}.jpg" for number in numbers))
    assert set(numbered_frames(folder)) == numbers


def test_stray_files_and_folders_are_passed_over(tmp_path):
    touch(
        tmp_path,
        "img1.jpg",
        "img2.jpg.lnk",
        "Thumbs.db",
        ".DS_Store",
        "._img3.jpg",
        "cover.jpg",
        "list4.txt",
        "img5.mp4",
    )
    (tmp_path / "img6.jpg").mkdir()
    assert list(numbered_frames(tmp_path)) == [1]


def test_two_pictures_of_one_number_are_refused(tmp_path_factory):
    for one, other in (("img1.jpg", "img01.jpg"), ("img1.jpg", "img1.PNG"), ("IMG7.bmp", "img7.jpg")):
        tmp_path = tmp_path_factory.mktemp("case")
        touch(tmp_path, one, other, "img8.jpg")
        with pytest.raises(DataError, match=r"are both frame \d; remove one of them$") as caught:
            numbered_frames(tmp_path)
        assert one in str(caught.value)
        assert other in str(caught.value)
        assert str(tmp_path) in str(caught.value), (one, other)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"away can't be read \(No such file or directory\): check its permissions"):
        numbered_frames(tmp_path / "away")


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        DataError, match=r"can't be read \(Permission denied\): check its permissions, or copy it again$"
    ):
        numbered_frames(tmp_path)


def test_a_link_that_leads_back_is_one_line(tmp_path_factory):
    for target in (".", "..", "loop", "../../.."):
        tmp_path = tmp_path_factory.mktemp("case")
        folder = touch(tmp_path / "a" / "b", "img1.jpg")
        (folder / "loop").symlink_to(target)
        with pytest.raises(DataError, match=r"b/loop is a link to itself or to a folder above it: remove it$"):
            numbered_frames(folder)
        with pytest.raises(DataError, match="remove it"):
            list(survey(tmp_path, ends=lambda place: False))


def test_two_links_that_lead_to_each_other_are_one_line(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DataError, match="is a link to itself"):
        FolderContent.of(tmp_path)


def test_other_links_count_as_what_they_lead_to(tmp_path):
    touch(tmp_path / "elsewhere" / "clip", "img1.jpg")
    here = touch(tmp_path / "here")
    (here / "clip").symlink_to(tmp_path / "elsewhere" / "clip")
    (here / "img2.jpg").symlink_to(tmp_path / "elsewhere" / "clip" / "img1.jpg")
    (here / "nowhere").symlink_to(tmp_path / "away")
    place = FolderContent.of(here)
    assert place.folders == ("clip",)
    assert "img2.jpg" in place.files
    assert list(numbered_frames(here)) == [2]
    assert list(numbered_frames(here / "clip")) == [1]


def test_files_of_operating_systems_are_ignored(tmp_path):
    touch(tmp_path, "a.xlsx", "sub01.lnk", "Thumbs.db", "desktop.ini", ".DS_Store", "._a.xlsx")
    (tmp_path / "__MACOSX").mkdir()
    assert FolderContent.of(tmp_path) == FolderContent(tmp_path, (), ("a.xlsx",))


def test_a_survey_goes_three_levels_down(tmp_path):
    for path in ("a/b/c/d/e", "f/g", "f/.hidden", "__MACOSX/x"):
        (tmp_path / path).mkdir(parents=True)
    seen = [
        str(place.path.relative_to(tmp_path)) for place in survey(tmp_path, ends=lambda place: place.path.name == "f")
    ]
    assert seen == [".", "a", "f", "a/b", "a/b/c"]


def test_the_size_of_a_picture_is_read_from_its_head(tmp_path_factory):
    for suffix in (".jpg", ".png", ".bmp"):
        for shape in ((5, 9, 3), (33, 17, 3), (480, 640, 3), (7, 7)):
            tmp_path = tmp_path_factory.mktemp("case")
            path = tmp_path / f"img1{suffix}"
            written, content = cv2.imencode(suffix, np.zeros(shape, np.uint8))
            assert written, (suffix, shape)
            path.write_bytes(content.tobytes())
            assert picture_size(path) == (shape[1], shape[0])


def test_sizes_behind_tables_and_of_pictures_stored_top_down(tmp_path):
    path = tmp_path / "img1.jpg"
    table, size = b"\xff\xc4" + struct.pack(">H", 7) + bytes(5), b"\xff\xc2" + struct.pack(">HBHH", 11, 8, 30, 40)
    path.write_bytes(b"\xff\xd8" + table + size + bytes(10))
    assert picture_size(path) == (40, 30)
    path.write_bytes(b"BM" + bytes(16) + struct.pack("<ii", 40, -30) + bytes(10))
    assert picture_size(path) == (40, 30)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM"]))
def test_what_has_no_such_head_has_no_size(tmp_path_factory, content, head):
    path = tmp_path_factory.getbasetemp() / "any.jpg"
    path.write_bytes(head + content)
    size = picture_size(path)
    assert size is None or (size[0] > 0 and size[1] > 0)
    path.write_bytes(head)
    assert picture_size(path) is None
