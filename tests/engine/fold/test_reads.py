"""Files that a method reads from outside its folder are kept with the fold, and its card must say what they are."""

import hashlib
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file
from support.folds import noting, outcome

from merbench.engine.fold.reads import changed_since


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.npy"
    np.save(path, np.arange(3))
    return path


@pytest.fixture
def read(task):
    """Return what a method reads that does something in fit, or in predict."""

    def run(fit=lambda: None, predict=lambda: None):
        method = noting(lambda *_: fit(), lambda *_: predict())
        return outcome(task(method)).read

    return run


def test_files_read_in_fit_or_predict_are_kept_with_their_checksums(read, weights, tmp_path):
    expected = {str(weights): hashlib.sha256(weights.read_bytes()).hexdigest()}
    link = tmp_path / "link.npy"
    link.symlink_to(weights)
    for way in (lambda: np.load(weights), weights.read_bytes, lambda: open(weights, "rb").close()):  # noqa: PTH123
        assert read(way) == read(predict=way) == expected
    assert read(lambda: np.load(link)) == {str(link): expected[str(weights)]}
    picture, database, net = (str(tmp_path / name) for name in ("face.png", "faces.db", "net.safetensors"))
    cv2.imwrite(picture, np.zeros((4, 4), np.uint8))
    sqlite3.connect(database).execute("create table faces (clip)").connection.close()
    save_file({"weight": np.zeros(3)}, net)
    for path, way in (
        (picture, lambda: cv2.imread(picture)),
        (picture, lambda: cv2.VideoCapture(filename=picture)),
        (database, lambda: sqlite3.connect(database).close()),
        (database, lambda: sqlite3.connect(f"file:{database}?mode=ro", uri=True).close()),
        (net, lambda: load_file(net)),
        (net, lambda: safetensors.safe_open(net, "np")),
    ):
        assert list(read(way)) == [path]
    if Path("/dev/shm").is_dir():
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
            assert list(read(Path(shared.name).read_bytes)) == [shared.name]
    os.mkfifo(tmp_path / "pipe")
    assert read(lambda: (open("/dev/urandom", "rb").close(), os.close(os.open(tmp_path / "pipe", os.O_RDWR)))) == {}  # noqa: PTH123
    assert read(lambda: sqlite3.connect(tmp_path / "own.db").close()) == read(lambda: sqlite3.connect(":memory:")) == {}
    assert cv2.imread.__name__ == "imread"
    assert not hasattr(cv2.imread, "__wrapped__")
    assert changed_since(expected) == []
    np.save(weights, np.arange(4))
    assert changed_since(expected) == [str(weights)]
    weights.unlink()
    assert changed_since(expected) == []


def test_own_files_libraries_and_what_it_wrote_are_not_counted(read, tmp_path):
    own = Path(noting.__code__.co_filename)

    def written():
        (tmp_path / "scratch.txt").write_text("x")
        (tmp_path / "scratch.txt").read_text()

    def probed():
        with pytest.raises(FileNotFoundError):
            (tmp_path / "absent.json").read_text()

    for way in (own.read_text, Path(np.__file__).read_text, written, probed, lambda: __import__("this_is_new", None)):
        if way.__name__ == "<lambda>":
            sys.path.append(str(tmp_path))
            (tmp_path / "this_is_new.py").write_text("")
        assert read(way) == {}, way
    sys.path.remove(str(tmp_path))
    scratch = tmp_path / "scratch.txt"
    assert list(read(scratch.read_text)) == [str(scratch)]  # what another fold wrote


def test_of_many_files_a_common_digest_is_kept(read, tmp_path):
    for number in range(101):
        (tmp_path / f"{number:03}.txt").write_text(str(number))
    (found,) = read(lambda: [path.read_text() for path in tmp_path.iterdir()])
    assert found == f"101 files, first {tmp_path / '000.txt'}"
