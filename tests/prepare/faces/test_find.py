import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.prepare.faces import find as faces
from merbench.prepare.faces.find import FaceAlignment, find_face, five_points

SIZE = 128
# Marked by hand in scikit-image's astronaut: left and right pupil, nose tip, left and right mouth corner.
MARKED = np.array([(203.5, 101), (246, 103), (223, 127), (203, 140), (245, 141)])
WHERE = "casme2/sub01/EP02_01f, frame 46 (/data/img46.jpg)"

with_dlib = pytest.mark.skipif(not faces.landmarks_installed(), reason="dlib is not installed (the extra faces)")
both_ways = pytest.mark.parametrize("way", [pytest.param("landmarks", marks=with_dlib), "haar"])


@pytest.fixture(scope="module")
def astronaut():
    """Return the one real face: BGR, 512 x 512, the face about 100 pixels wide."""
    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


def _moved(image, turn=0.0, scale=1.0, shift=(0, 0)):
    """Return the picture moved, and the matrix that says where its points are now."""
    matrix = cv2.getRotationMatrix2D((225, 120), turn, scale)
    matrix[:, 2] += shift
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), matrix


def _land(alignment, points, size=SIZE):
    """Return where points of a picture land in the prepared face, found by drawing them: no formula of the code."""
    landed, (rows, columns) = [], (np.arange(600), np.arange(1100))
    for x, y in points:
        dot = 255 * np.outer(np.exp(-((rows - y) ** 2) / 18), np.exp(-((columns - x) ** 2) / 18))
        face = FaceAlignment(alignment.matrix).apply(dot.astype(np.uint8), size).astype(float)
        landed.append([(place * face).sum() / face.sum() for place in np.indices(face.shape)[::-1]])
    return np.array(landed)


def _landed(picture, way, points=MARKED):
    return _land(find_face(picture, way, WHERE), points)


@with_dlib
def test_landmarks_are_found_and_level_the_eyes(astronaut):
    alignment = find_face(astronaut, "landmarks", WHERE)
    assert alignment.landmarks.shape == (68, 2)
    assert np.linalg.norm(five_points(alignment.landmarks) - MARKED, axis=1).max() < 4
    left, right, nose, left_mouth, right_mouth = _land(alignment, MARKED)
    assert left[0] == pytest.approx(SIZE - right[0], abs=4)
    assert left[1] < nose[1] < left_mouth[1]
    assert 0.3 * SIZE < right[0] - left[0] < 0.45 * SIZE
    assert max(abs(left[1] - right[1]), abs(left_mouth[1] - right_mouth[1])) < 3
    turned = find_face(_moved(astronaut, turn=8)[0], "landmarks", WHERE)
    for size in (64, 200):
        shown = _land(turned, five_points(turned.landmarks), size)
        np.testing.assert_allclose(five_points(turned.points(size)), shown, atol=0.6)


@both_ways
def test_a_face_that_is_moved_darkened_or_beside_a_smaller_one_lands_at_the_same_place(astronaut, way):
    turns = ({"turn": 6}, {"turn": -10}, {"turn": 8, "scale": 0.8, "shift": (-30, 20)}) if way == "landmarks" else ()
    moves = [_moved(astronaut, **move) for move in ({"shift": (70, 55)}, {"scale": 1.5}, *turns)]
    cases = [(picture, MARKED @ m[:, :2].T + m[:, 2], 0.04 if turns else 0.06) for picture, m in moves]
    both = np.full((300, 800, 3), 128, dtype=np.uint8)
    both[:, :512] = astronaut[:300]
    both[100:250, 530:786] = cv2.resize(astronaut[:300], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cases += [((astronaut * 0.25).astype(np.uint8), MARKED, 0.05), (both, MARKED, 0.04)]
    still = _landed(astronaut, way)
    for number, (picture, points, limit) in enumerate(cases):
        assert np.linalg.norm(_landed(picture, way, points) - still, axis=1).max() < limit * SIZE, number


def test_haar_does_not_turn_the_face(astronaut):
    alignment = find_face(astronaut, "haar", WHERE)
    assert alignment.landmarks is None
    np.testing.assert_allclose(alignment.matrix[:, :2], alignment.matrix[0, 0] * np.eye(2))
    landed = _land(alignment, MARKED)
    assert ((landed > 0.2 * SIZE) & (landed < 0.8 * SIZE)).all()


@both_ways
def test_pictures_without_one_face_are_refused(astronaut, way):
    for expected, picture in (
        ("2 faces", np.concatenate([astronaut[:300], astronaut[:300]], axis=1)),  # of equal size
        ("no face", np.ascontiguousarray(astronaut[220:])),
        ("no face", np.zeros((40, 60, 3), np.uint8)),
        ("no face", np.full((9, 9, 3), 255, np.uint8)),
    ):
        line = refusal(find_face, picture, way, WHERE, case=picture.shape, error=DataError)
        assert expected in line
        assert WHERE in line


def test_a_face_mostly_outside_the_picture_is_refused(astronaut, monkeypatch):
    for shift in (0.4, 0.6):
        square = faces._square(np.eye(2), np.array([511.5 + (shift - 0.5) * 100, 200.0]), 100.0)
        monkeypatch.setattr(faces, "_haar", lambda image, where, square=square: square)
        if shift == 0.6:
            assert "mostly outside the picture" in refusal(find_face, astronaut, "haar", WHERE, error=DataError)
        else:
            face = find_face(astronaut, "haar", WHERE).apply(astronaut, 10)
            assert (face[:, -1] == faces.BORDER).all()


def test_the_one_face_is_the_surest_and_its_points_are_eyes_nose_tip_and_mouth_corners():
    assert faces._the_one([(0.3, 90), (1.2, 90)], WHERE) == 1
    assert faces._the_one([(1.2, 50), (0.3, 90)], WHERE) == 0
    points = np.random.default_rng(0).normal(size=(68, 2))
    eyes = [points[36:42].mean(axis=0), points[42:48].mean(axis=0)]
    np.testing.assert_allclose(five_points(points), [*eyes, *points[[30, 48, 54]]])


def test_delivered_takes_the_whole_picture_stretched_to_a_square_by_averages(astronaut):
    square = np.ascontiguousarray(astronaut[:128, 100:228])
    alignment = find_face(square, "delivered", WHERE)
    assert alignment.landmarks is None
    np.testing.assert_array_equal(alignment.apply(square, 128), square)
    wide = np.zeros((60, 200, 3), dtype=np.uint8)
    wide[:, 100:] = 255  # the right half
    wide[45:, :, 1] = 77  # the lowest quarter
    face = find_face(wide, "delivered", WHERE).apply(wide, 40)
    assert face.shape == (40, 40, 3)
    assert [np.unique(part).tolist() for part in (face[:, 21:, 0], face[:, :19, 0])] == [[255], [0]]
    assert [np.unique(part).tolist() for part in (face[31:, :, 1], face[:29, :19, 1])] == [[77], [0]]
    noise = np.random.default_rng(0).normal(128, 40, (512, 512, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    face = find_face(noise, "delivered", WHERE).apply(noise, 64)
    assert face.std() == pytest.approx(noise.std() / 8, rel=0.15)  # 64 pixels make one


@pytest.mark.parametrize("way", [pytest.param("landmarks", marks=[with_dlib, pytest.mark.slow]), "haar"])
def test_threads_find_the_same_faces(astronaut, way):
    pictures = [_moved(astronaut, shift=(9 * step, 0))[0] for step in range(3)]
    alone = [find_face(picture, way, WHERE).matrix for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: find_face(picture, way, WHERE).matrix, pictures * 2))
    np.testing.assert_array_equal(together, alone * 2)


def test_dlib_is_imported_only_where_it_is_used_and_its_lack_says_how_to_install_it(astronaut, monkeypatch):
    code = "import merbench.prepare.kinds.build, sys; sys.exit('dlib' in sys.modules or 'pkg_resources' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    monkeypatch.setattr(faces, "find_spec", lambda name: None)
    faces._load_predictor.cache_clear()
    line = refusal(find_face, astronaut, "landmarks", WHERE)
    assert ("uv sync --extra faces" in line, "pip install 'merbench[faces]'" in line) == (True, True)
