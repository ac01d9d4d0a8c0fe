import csv
import re
import shutil
import struct
import zlib

import cv2
import numpy as np
import pytest
from merbench.protocols import megc2019
from support.refusals import refusal

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.databases import Release, Source
from merbench.contracts.errors import DataError
from merbench.contracts.inputs import DynamicImage, Flow
from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.databases.registrations import open_source
from merbench.databases.releases.megc2019_flow28 import DATABASE, FLOW, IMAGES, LIST
from merbench.prepare.arrays import input_digests, prepare_inputs

FIRST = "sub06_EP01_01f .png"  # an image of the small release: casme2, sub06, EP01_01f, negative


def _rows(folder):
    with (folder / LIST).open(newline="") as file:
        return list(csv.reader(file))


def _write(folder, rows):
    with (folder / LIST).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _read_all(folder):
    clips = DATABASE.read(folder).clips
    return clips, DATABASE.arrays(folder, clips, FLOW)


def _digests(folder):
    reading = DATABASE.read(folder)
    return input_digests(prepare_inputs([Source(DATABASE, folder, reading)], reading.clips, {"flow": FLOW}))


@pytest.fixture
def trees(small_release, tmp_path):
    """Return a function that writes the small release as a tree: images called `pattern`, with training copies."""

    def write(name, pattern="<subject>_<clip> .png"):
        rows = _rows(small_release)[1:]
        for _, subject, clip, label, *_ in rows:
            image = (small_release / IMAGES / f"{subject}_{clip} .png").read_bytes()
            for fold in {row[1] for row in rows}:
                place = tmp_path / name / fold / ("u_test" if fold == subject else "u_train") / label
                place.mkdir(parents=True, exist_ok=True)
                (place / pattern.replace("<subject>", subject).replace("<clip>", clip)).write_bytes(image)
        return tmp_path / name

    return write


def test_the_release_is_a_release():
    assert isinstance(DATABASE, Release)
    assert DATABASE.card.offers == (FLOW,)


def test_a_small_copy_has_the_clips_and_classes_of_its_list(small_release):
    reading = DATABASE.read(small_release)
    listed = sorted(
        (*normalised(*row[:3]), ("negative", "positive", "surprise")[int(row[3])]) for row in _rows(small_release)[1:]
    )
    assert reading.clips[[*IDENTITY, "emotion"]].to_numpy().tolist() == [list(row) for row in listed]
    assert len(listed) == 24
    assert reading.layout == "HTNet's flat layout"
    assert (small_release / reading.clips.path[0]).is_file()


def test_both_layouts_give_the_same_clips_and_values(small_release, trees):
    flat = DATABASE.read(small_release)
    for name, pattern in (("a", "<clip>.png"), ("b", "<subject>_<clip> .png")):
        other = DATABASE.read(trees(name, pattern))
        assert other.layout == "STSTNet's tree"
        assert flat.clips.drop(columns="path").equals(other.clips.drop(columns="path"))
        assert _digests(trees(name, pattern)) == _digests(small_release)


def test_the_order_of_rows_and_columns_is_ignored(small_release):
    before, digests = DATABASE.read(small_release).clips, _digests(small_release)
    header, *rows = _rows(small_release)
    _write(small_release, [row[::-1] for row in [header, *rows[::-1]]])
    assert DATABASE.read(small_release).clips.equals(before)
    assert _digests(small_release) == digests


def test_images_in_other_spellings_are_found(small_release):
    before, digests = DATABASE.read(small_release).clips.drop(columns="path"), _digests(small_release)
    for image in list((small_release / IMAGES).iterdir()):
        image.rename(image.with_name(image.name.replace(" .png", ".png").replace("006_006", "6_006")))
    _write(small_release, [[row[0], "6" if row[1] == "006" else row[1], *row[2:]] for row in _rows(small_release)])
    assert DATABASE.read(small_release).clips.drop(columns="path").equals(before)
    assert _digests(small_release) == digests


def test_files_of_the_operating_system_are_ignored(small_release, trees):
    tree = trees("tree")
    for folder in (small_release, small_release / IMAGES, tree, tree / "sub06", tree / "sub06" / "u_test"):
        (folder / ".DS_Store").write_bytes(b"x")
    (tree / ".cache").mkdir()
    assert len(DATABASE.read(small_release).clips) == len(DATABASE.read(tree).clips) == 24


def test_values_are_in_the_order_of_the_clips(small_release):
    clips, values = _read_all(small_release)
    assert values.shape == (24, 28, 28, 3)
    assert values.dtype == np.uint8
    order = np.array([7, 3, 20])
    np.testing.assert_array_equal(DATABASE.arrays(small_release, clips.iloc[order], FLOW), values[order])


def test_u_v_and_strain_are_red_green_and_blue(small_release):
    # A PNG written byte by byte, red 10, green 20, blue 30 in every pixel, in the order that the format prescribes.
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 28, 28, 8, 2, 0, 0, 0)
    lines = zlib.compress((b"\0" + bytes([10, 20, 30]) * 28) * 28)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    (small_release / IMAGES / FIRST).write_bytes(png)
    clips, values = _read_all(small_release)
    assert clip_names(clips)[0] == "casme2/sub06/EP01_01f"
    assert np.unique(values[0].reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


def test_rows_and_columns_of_an_image_are_not_turned(small_release):
    image = np.zeros((28, 28, 3), dtype=np.uint8)
    image[3, 20] = 255
    (small_release / IMAGES / FIRST).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    values = _read_all(small_release)[1][0]
    assert np.argwhere(values[:, :, 0]).tolist() == [[3, 20]]


def test_another_input_than_the_offered_one_is_refused(small_release):
    clips = DATABASE.read(small_release).clips
    for spec in (Flow(size=56), Flow(normalise="none"), Flow(channels=("u", "v")), DynamicImage()):
        assert "megc2019-flow28 offers flow" in refusal(DATABASE.arrays, small_release, clips, spec, case=spec)


def _png(image):
    return lambda folder: (folder / IMAGES / FIRST).write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _bytes(change):
    def damage(folder):
        path = folder / IMAGES / FIRST
        path.write_bytes(change(path.read_bytes()))

    return damage


def _list(change):
    def damage(folder):
        rows = _rows(folder)
        change(rows)
        _write(folder, rows)

    return damage


def _cell(column, value):
    return _list(lambda rows: rows[1].__setitem__(column, value))


IMAGE_DAMAGES = {
    "56 x 56": (_png(np.zeros((56, 56, 3), np.uint8)), r"uint8 \(56, 56, 3\), expected uint8 \(28, 28, 3\)"),
    "28 x 27": (_png(np.zeros((28, 27, 3), np.uint8)), r"\(28, 27, 3\), expected"),
    "grey": (_png(np.zeros((28, 28), np.uint8)), r"\(28, 28\), expected"),
    "with opacity": (_png(np.zeros((28, 28, 4), np.uint8)), r"\(28, 28, 4\), expected"),
    "16 bit": (_png(np.zeros((28, 28, 3), np.uint16)), r"uint16 \(28, 28, 3\), expected uint8"),
    "half a PNG": (_bytes(lambda content: content[: len(content) // 2]), "not a readable PNG"),
    "almost a PNG": (_bytes(lambda content: content[:-20]), "not a readable PNG"),
    "only the head of a PNG": (_bytes(lambda content: content[:33]), "not a readable PNG"),
    "a changed byte": (_bytes(lambda png: png[:200] + bytes([png[200] ^ 1]) + png[201:]), "not a readable PNG"),
    "an empty file": (_bytes(lambda content: b""), "not a readable PNG"),
    "text": (_bytes(lambda content: b"<html>404</html>"), "not a readable PNG"),
}


def _refused(cases, copy, call):
    """Damage a copy in each way, and look for the folder and the expected words in the line of the refusal."""
    for number, (case, (damage, expected)) in enumerate(cases.items()):
        folder = copy(number)
        damage(folder)
        line = refusal(call, folder, case=case, error=DataError)
        assert str(folder) in line, case
        assert re.search(expected, line), (case, line)


@pytest.fixture
def flat(small_release, tmp_path):
    """Return a function that copies the small release."""
    return lambda number: shutil.copytree(small_release, tmp_path / f"flat-{number}")


def test_a_damaged_image_is_refused_with_its_clip(flat):
    named = f"{FIRST}, the image of casme2/sub06/EP01_01f, .*"
    _refused({case: (damage, named + said) for case, (damage, said) in IMAGE_DAMAGES.items()}, flat, _read_all)


def test_an_image_that_vanishes_after_reading_is_refused(small_release):
    clips = DATABASE.read(small_release).clips
    (small_release / IMAGES / FIRST).unlink()
    line = refusal(DATABASE.arrays, small_release, clips, FLOW, error=DataError)
    assert f"{FIRST}, the image of casme2/sub06/EP01_01f, can't be read: No such file" in line


COPY_DAMAGES = {
    "no image of a clip": (lambda folder: (folder / IMAGES / FIRST).unlink(), "no image for casme2/sub06/EP01_01f"),
    "no list": (lambda folder: (folder / LIST).unlink(), f"is incomplete: it has {IMAGES}, but not {LIST}"),
    "no images": (lambda folder: shutil.rmtree(folder / IMAGES), f"is incomplete: it has {LIST}, but not {IMAGES}/"),
    "neither": (lambda folder: [shutil.rmtree(folder / IMAGES), (folder / LIST).unlink()], "not a copy of"),
    "a row twice": (_list(lambda rows: rows.append(rows[1])), "duplicate clips casme2/sub06/EP01_01f"),
    "two labels for a clip": (
        _list(lambda rows: rows.append([*rows[1][:3], "2", *rows[1][4:]])),
        "duplicate clips casme2/sub06/EP01_01f",
    ),
    "another class": (_cell(3, "3"), f"{LIST}, line 2: unknown class '3', expected 0 .* 1 .* 2"),
    "a class word": (_cell(3, "negative"), f"{LIST}, line 2: unknown class 'negative'"),
    "no class": (_cell(3, ""), f"{LIST}, line 2: unknown class ''"),
    "another dataset": (_cell(0, "mmew"), f"{LIST}, line 2: unknown dataset 'mmew', expected casme2, samm or smic"),
    "no clip": (_cell(2, ""), f"{LIST}, line 2: casme2: subject 'sub06', clip ''"),
    "a bad clip name": (_cell(2, "clip 1"), f"{LIST}, line 2: casme2: subject 'sub06', clip 'clip 1'"),
    "a bad subject": (_cell(1, "s06"), f"{LIST}, line 2: casme2: subject 's06', clip 'EP01_01f'"),
    "a clip of another subject": (
        _list(lambda rows: next(row for row in rows if row[0] == "samm").__setitem__(1, "007")),
        f"{LIST}, line 10: samm: subject '007', clip '006_1_1'",
    ),
    "cells moved by one": (_list(lambda rows: rows[1].insert(0, rows[1].pop())), f"{LIST}, line 2: "),
    "column names moved by one": (_list(lambda rows: rows[0].insert(0, rows[0].pop())), f"{LIST}, line 2: "),
    "a column without its name": (
        _list(lambda rows: rows[0].__setitem__(3, "class")),
        f"{LIST} lacks the columns label",
    ),
    "no column names": (_list(lambda rows: rows.pop(0)), f"{LIST} lacks the columns dataset, sub, filename_o, label"),
    "a row cut short": (_list(lambda rows: rows[-1].__delitem__(slice(2, None))), f"{LIST}, line 25: "),
    "a row too long": (_list(lambda rows: rows[5].extend(["x", "y"])), LIST),
    "an empty list": (lambda folder: (folder / LIST).write_bytes(b""), LIST),
    "a list without clips": (_list(lambda rows: rows.__delitem__(slice(1, None))), ": no clips"),
    "a list that is not text": (lambda folder: (folder / LIST).write_bytes(b"\xff\xfe\x00\x01"), LIST),
}


def test_a_damaged_copy_is_refused_with_file_and_row(flat):
    _refused(COPY_DAMAGES, flat, DATABASE.read)


def test_every_missing_image_is_named(small_release):
    names = clip_names(DATABASE.read(small_release).clips)
    for image in (small_release / IMAGES).iterdir():
        image.unlink()
    with pytest.raises(DataError, match="no image for") as caught:
        DATABASE.read(small_release)
    assert [name for name in names if name not in str(caught.value)] == []


def _move(source, target):
    def damage(folder):
        found = next(folder.glob(source))
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        found.rename(folder / target)

    return damage


def _copy(target):
    return lambda folder: shutil.copy(next(folder.glob("s06/u_test/2/*")), folder / target)


TREE_DAMAGES = {
    "a folder that is not a subject": (lambda folder: (folder / "weights").mkdir(), "weights: "),
    "a subject without test clips": (lambda folder: shutil.rmtree(folder / "006" / "u_test"), "006 has no u_test/"),
    "no test clips": (lambda folder: [image.unlink() for image in folder.glob("006/u_test/*/*")], "tree/006"),
    "another class": (_move("s06/u_test/2/*", "s06/u_test/3/s06_sur_01.png"), "3: unknown class '3', expected 0"),
    "a misnamed image": (_move("s06/u_test/2/*", "s06/u_test/2/clip.png"), r"clip\.png .*smic-hs"),
    "a clip of another subject": (_move("006/u_test/0/*", "006/u_test/0/007_1_1.png"), r"007_1_1\.png .*samm"),
    "a clip in two classes": (_copy("s06/u_test/0/s06_sur_01.png"), "duplicate clips smic-hs/s06/s06_sur_01"),
    "a clip under two names": (_copy("s06/u_test/2/ s06_sur_01.png"), "duplicate clips smic-hs/s06/s06_sur_01"),
}


def test_a_damaged_tree_is_refused_with_the_file(trees):
    for pattern in ("<clip>.png", "<subject>_<clip> .png"):
        _refused(
            TREE_DAMAGES, lambda number, pattern=pattern: trees(f"{pattern[1]}-{number}/tree", pattern), DATABASE.read
        )


def test_half_a_copy_of_either_layout_is_recognised(small_release, trees, tmp_path):
    assert DATABASE.recognises(small_release)
    assert DATABASE.recognises(trees("tree"))
    assert not DATABASE.recognises(tmp_path / "absent")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "clips.csv").write_text("x")
    assert not DATABASE.recognises(tmp_path / "other")
    (small_release / LIST).unlink()
    assert DATABASE.recognises(small_release)


def test_the_real_copy_has_the_442_clips_of_the_list(shared):
    clips, values = _read_all(shared / "data/megc2019-flow28")
    assert len(clips) == 442
    assert len(clips[["dataset", "subject"]].drop_duplicates()) == 68
    assert clips.dataset.value_counts().to_dict() == {"smic-hs": 164, "casme2": 145, "samm": 133}
    assert clips.emotion.value_counts().to_dict() == {"negative": 250, "positive": 109, "surprise": 83}
    official = load_protocol(megc2019).official()
    assert clips[[*IDENTITY, "emotion"]].to_numpy().tolist() == official.to_numpy().tolist()
    assert values.shape == (442, 28, 28, 3)
    # Each channel of each image is scaled to 0..255 by itself.
    assert (values.min(axis=(1, 2)) <= 1).mean() > 0.95
    assert (values.max(axis=(1, 2)) >= 254).mean() > 0.95


def test_the_packaged_list_is_the_organisers_list(shared):
    with (shared / "data/megc2019_official_list.csv").open(newline="") as file:
        rows = [[*normalised(*row[:3]), ("negative", "positive", "surprise")[int(row[3])]] for row in csv.reader(file)]
    assert load_protocol(megc2019).official().to_numpy().tolist() == sorted(rows)


def test_all_unusable_images_are_named_at_once(small_release):
    images = sorted((small_release / IMAGES).iterdir())
    images[0].write_bytes(b"")
    images[5].write_bytes(b"no picture")
    source = open_source("megc2019-flow28", small_release)
    with pytest.raises(DataError) as caught:
        prepare_inputs([source], source.clips, {"flow": FLOW})
    assert all(image.name in str(caught.value) for image in (images[0], images[5]))
