import csv
import re
import shutil

import cv2
import numpy as np
import pytest
from merbench.protocols import megc2019
from PIL import Image
from support.refusals import refusal

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.databases import Release
from merbench.contracts.errors import DataError
from merbench.contracts.inputs import DynamicImage, Flow
from merbench.contracts.protocols import load_protocol
from merbench.databases.readers.identity import normalised
from merbench.databases.registrations import open_source
from merbench.databases.releases.megc2019_flow28 import DATABASE, FLOW, IMAGES, LIST
from merbench.prepare.arrays import input_digests, prepare_inputs

FIRST = "sub06_EP01_01f .png"  # an image of the small release: casme2, sub06, EP01_01f, negative
CLASSES = ("negative", "positive", "surprise")


def _rows(folder):
    with (folder / LIST).open(newline="") as file:
        return list(csv.reader(file))


def _write(folder, rows):
    with (folder / LIST).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _read_all(folder):
    clips = DATABASE.read(folder).clips
    return clips, DATABASE.arrays(folder, clips, FLOW)


def _content(folder):
    """Return the clips without their paths, and the digests of their inputs."""
    source = open_source("megc2019-flow28", folder)
    inputs = prepare_inputs([source], source.clips, {"flow": FLOW})
    return source.clips.drop(columns="path").to_csv(), input_digests(inputs)


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


def test_a_small_copy_has_the_clips_and_classes_of_its_list(small_release):
    assert isinstance(DATABASE, Release)
    assert DATABASE.card.offers == (FLOW,)
    reading = DATABASE.read(small_release)
    listed = sorted((*normalised(*row[:3]), CLASSES[int(row[3])]) for row in _rows(small_release)[1:])
    assert reading.clips[[*IDENTITY, "emotion"]].to_numpy().tolist() == [list(row) for row in listed]
    assert (len(listed), reading.layout) == (24, "HTNet's flat layout")
    assert (small_release / reading.clips.path[0]).is_file()


def test_layouts_orders_and_spellings_give_the_same_content(small_release, trees):
    flat = _content(small_release)
    for name, pattern in (("a", "<clip>.png"), ("b", "<subject>_<clip> .png")):
        tree = trees(name, pattern)
        for folder in (tree, tree / "sub06", tree / "sub06" / "u_test"):
            (folder / ".DS_Store").write_bytes(b"x")
        (tree / ".cache").mkdir()
        assert DATABASE.recognises(tree)
        assert DATABASE.read(tree).layout == "STSTNet's tree"
        assert _content(tree) == flat
    for folder in (small_release, small_release / IMAGES):
        (folder / ".DS_Store").write_bytes(b"x")
    header, *rows = _rows(small_release)
    _write(small_release, [row[::-1] for row in [header, *rows[::-1]]])
    assert _content(small_release) == flat
    _write(small_release, [header, *([row[0], "6" if row[1] == "006" else row[1], *row[2:]] for row in rows)])
    assert _content(small_release) == flat  # a list that a spreadsheet program saved
    for image in list((small_release / IMAGES).glob("*.png")):
        image.rename(image.with_name(image.name.replace(" .png", ".png").replace("006_006", "6_006")))
    assert _content(small_release) == flat


def test_values_are_u_v_and_strain_in_the_order_of_the_clips(small_release):
    image = np.full((28, 28, 3), (10, 20, 30), np.uint8)  # as red, green and blue
    image[3, 20] = 255
    Image.fromarray(image).save(small_release / IMAGES / FIRST)
    clips, values = _read_all(small_release)
    assert clip_names(clips)[0] == "casme2/sub06/EP01_01f"
    assert (values.shape, values.dtype) == ((24, 28, 28, 3), np.uint8)
    assert values[0, 0, 0].tolist() == [10, 20, 30]
    assert np.argwhere(values[0, :, :, 0] == 255).tolist() == [[3, 20]]
    order = np.array([7, 3, 20])
    np.testing.assert_array_equal(DATABASE.arrays(small_release, clips.iloc[order], FLOW), values[order])
    for spec in (Flow(size=56), Flow(normalise="none"), Flow(channels=("u", "v")), DynamicImage()):
        assert "megc2019-flow28 offers flow" in refusal(DATABASE.arrays, small_release, clips, spec, case=spec)
    (small_release / IMAGES / FIRST).unlink()
    line = refusal(DATABASE.arrays, small_release, clips, FLOW, error=DataError)
    assert f"{FIRST}, the image of casme2/sub06/EP01_01f, can't be read: No such file" in line


def _image(change):
    """Return a damage that writes ``change(content)`` to an image."""
    return lambda folder: (folder / IMAGES / FIRST).write_bytes(change((folder / IMAGES / FIRST).read_bytes()))


def _png(shape, kind=np.uint8):
    return _image(lambda _: cv2.imencode(".png", np.zeros(shape, kind))[1].tobytes())


def _list(change):
    """Return a damage that writes the rows ``change(rows)`` to the list."""
    return lambda folder: _write(folder, change(_rows(folder)))


def _row(change, row=1):
    return _list(lambda rows: [*rows[:row], change(rows[row]), *rows[row + 1 :]])


def _cell(column, value, row=1):
    return _row(lambda cells: [*cells[:column], value, *cells[column + 1 :]], row)


IMAGE_DAMAGES = {
    "56 x 56": (_png((56, 56, 3)), r"uint8 \(56, 56, 3\), expected uint8 \(28, 28, 3\)"),
    "grey": (_png((28, 28)), r"\(28, 28\), expected"),
    "with opacity": (_png((28, 28, 4)), r"\(28, 28, 4\), expected"),
    "16 bit": (_png((28, 28, 3), np.uint16), r"uint16 \(28, 28, 3\), expected uint8"),
    "almost a PNG": (_image(lambda content: content[:-20]), "not a readable PNG"),
    "only the head of a PNG": (_image(lambda content: content[:33]), "not a readable PNG"),
    "a changed byte": (_image(lambda png: png[:200] + bytes([png[200] ^ 1]) + png[201:]), "not a readable PNG"),
    "an empty file": (_image(lambda content: b""), "not a readable PNG"),
    "text": (_image(lambda content: b"<html>404</html>"), "not a readable PNG"),
}
TWICE = "duplicate clips casme2/sub06/EP01_01f"
COPY_DAMAGES = {
    "no list": (lambda folder: (folder / LIST).unlink(), f"is incomplete: it has {IMAGES}, but not {LIST}"),
    "no images": (lambda folder: shutil.rmtree(folder / IMAGES), f"is incomplete: it has {LIST}, but not {IMAGES}/"),
    "neither": (lambda folder: [shutil.rmtree(folder / IMAGES), (folder / LIST).unlink()], "not a copy of"),
    "a row twice": (_list(lambda rows: [*rows, rows[1]]), TWICE),
    "two labels for a clip": (_list(lambda rows: [*rows, [*rows[1][:3], "2", *rows[1][4:]]]), TWICE),
    "another class": (_cell(3, "3"), f"{LIST}, line 2: unknown class '3', expected 0 .* 1 .* 2"),
    "a class word": (_cell(3, "negative"), f"{LIST}, line 2: unknown class 'negative'"),
    "another dataset": (_cell(0, "dfme"), f"{LIST}, line 2: unknown dataset 'dfme', expected casme2, samm or smic"),
    "no clip": (_cell(2, ""), f"{LIST}, line 2: casme2: subject 'sub06', clip ''"),
    "a bad subject": (_cell(1, "s06"), f"{LIST}, line 2: casme2: subject 's06', clip 'EP01_01f'"),
    "a clip of another subject": (_cell(1, "007", 9), f"{LIST}, line 10: samm: subject '007', clip '006_1_1'"),
    "cells moved by one": (_row(lambda cells: [cells[-1], *cells[:-1]]), f"{LIST}, line 2: "),
    "column names moved by one": (_row(lambda cells: [cells[-1], *cells[:-1]], 0), f"{LIST}, line 2: "),
    "a column without its name": (_cell(3, "class", 0), f"{LIST} lacks the columns label"),
    "no column names": (_list(lambda rows: rows[1:]), f"{LIST} lacks the columns dataset, sub, filename_o, label"),
    "a row cut short": (_list(lambda rows: [*rows[:-1], rows[-1][:2]]), f"{LIST}, line 25: "),
    "a row too long": (_row(lambda cells: [*cells, "x", "y"], 5), LIST),
    "an empty list": (lambda folder: (folder / LIST).write_bytes(b""), LIST),
    "a list without clips": (_list(lambda rows: rows[:1]), ": no clips"),
    "a list that is not text": (lambda folder: (folder / LIST).write_bytes(b"\xff\xfe\x00\x01"), LIST),
}


def _refused(cases, copy, call):
    """Damage a copy in each way, and look for the folder and the expected words in the line of the refusal."""
    for number, (case, (damage, expected)) in enumerate(cases.items()):
        folder = copy(number)
        damage(folder)
        assert DATABASE.recognises(folder) == (case != "neither")
        line = refusal(call, folder, case=case, error=DataError)
        assert str(folder) in line, case
        assert re.search(expected, line), (case, line)


def test_damaged_copies_are_refused_with_file_row_and_clip(small_release, tmp_path):
    named = f"{FIRST}, the image of casme2/sub06/EP01_01f, .*"
    images = {case: (damage, named + said) for case, (damage, said) in IMAGE_DAMAGES.items()}
    for kind, cases, call in (("copy", COPY_DAMAGES, DATABASE.read), ("image", images, _read_all)):
        _refused(cases, lambda n, kind=kind: shutil.copytree(small_release, tmp_path / f"{kind}-{n}"), call)
    # All missing and unusable images are named at once.
    images = sorted((small_release / IMAGES).iterdir())
    images[0].write_bytes(b"")
    images[5].write_bytes(b"no picture")
    clips = DATABASE.read(small_release).clips
    line = refusal(DATABASE.arrays, small_release, clips, FLOW, error=DataError)
    assert all(image.name in line for image in (images[0], images[5]))
    for image in images:
        image.unlink()
    line = refusal(DATABASE.read, small_release, error=DataError)
    assert "no image for" in line
    assert [name for name in clip_names(clips) if name not in line] == []


def _move(source, target, move=shutil.move):
    def damage(folder):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        move(next(folder.glob(source)), folder / target)

    return damage


TREE_DAMAGES = {
    "a folder that is not a subject": (lambda folder: (folder / "weights").mkdir(), "weights: "),
    "a subject without test clips": (lambda folder: shutil.rmtree(folder / "006" / "u_test"), "006 has no u_test/"),
    "no test clips": (lambda folder: [image.unlink() for image in folder.glob("006/u_test/*/*")], "tree/006"),
    "another class": (_move("s06/u_test/2/*", "s06/u_test/3/s06_sur_01.png"), "3: unknown class '3', expected 0"),
    "a misnamed image": (_move("s06/u_test/2/*", "s06/u_test/2/clip.png"), r"clip\.png .*smic-hs"),
    "a clip of another subject": (_move("006/u_test/0/*", "006/u_test/0/007_1_1.png"), r"007_1_1\.png .*samm"),
}
for label in (0, 2):
    damage = _move("s06/u_test/2/*", f"s06/u_test/{label}/ s06_sur_01.png", shutil.copy)
    TREE_DAMAGES[f"a clip twice, in class {label}"] = damage, "duplicate clips smic-hs/s06/s06_sur_01"


def test_a_damaged_tree_is_refused_with_the_file(trees):
    for pattern in ("<clip>.png", "<subject>_<clip> .png"):
        copy = lambda number, pattern=pattern: trees(f"{pattern[1]}-{number}/tree", pattern)  # noqa: E731
        _refused(TREE_DAMAGES, copy, DATABASE.read)


def test_the_real_copy_has_the_442_clips_of_the_list(shared):
    clips, values = _read_all(shared / "data/megc2019-flow28")
    assert len(clips) == 442
    assert len(clips[["dataset", "subject"]].drop_duplicates()) == 68
    assert clips.dataset.value_counts().to_dict() == {"smic-hs": 164, "casme2": 145, "samm": 133}
    assert clips.emotion.value_counts().to_dict() == {"negative": 250, "positive": 109, "surprise": 83}
    official = load_protocol(megc2019).official().to_numpy().tolist()
    assert clips[[*IDENTITY, "emotion"]].to_numpy().tolist() == official
    # Each channel of each image is scaled to 0..255 by itself.
    assert (values.min(axis=(1, 2)) <= 1).mean() > 0.95
    assert (values.max(axis=(1, 2)) >= 254).mean() > 0.95
    with (shared / "data/megc2019_official_list.csv").open(newline="") as file:
        rows = [[*normalised(*row[:3]), CLASSES[int(row[3])]] for row in csv.reader(file)]
    assert official == sorted(rows)


def test_images_are_the_published_ones_or_counted(small_release, trees):
    assert (open_source("megc2019-flow28", small_release).name, DATABASE.read(small_release).notes) == (
        "megc2019-flow28", [],
    )  # fmt: skip
    for tree in (trees("a", "<clip>.png"), trees("b")):
        assert open_source("megc2019-flow28", tree).name == "megc2019-flow28"
    first = small_release / IMAGES / FIRST
    image = cv2.imread(str(first), cv2.IMREAD_UNCHANGED)
    changes = {
        "a metadata chunk": lambda: first.write_bytes(first.read_bytes() + b"x"),
        "a corner": lambda: cv2.imwrite(str(first), np.where(np.arange(28)[:, None, None] < 6, 255, image)),
        "another picture": lambda: shutil.copy(sorted(first.parent.iterdir())[0], first),
    }
    for name, change in changes.items():
        change()
        source = open_source("megc2019-flow28", small_release)
        (note,) = source.reading.notes
        found = (source.name, note.kind, note.text)
        assert found == ("megc2019-flow28-other-images", "disclosure", "23 of 24 images are the published ones"), name
