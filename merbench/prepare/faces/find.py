"""The face: found in one picture, then every frame is warped to the same square.

``landmarks`` aligns as MEDN's authors do (github.com/CXHu1008/Micro-expression-Data-Processing, processing_tools.py):
dlib's frontal detector with one upsampling and its 68 points; the line between the eye centres is turned horizontal;
five anchors (eye centres, nose tip, mouth corners) give a box, and the face is a square about its centre, 2.4 times as
wide as the box's longer side; outside the picture is grey 128. ``haar`` takes the box of OpenCV's
frontal-face cascade as a square, somewhat enlarged and unturned. ``delivered`` takes the whole picture, stretched to
a square if it is not one, as is usual with the databases' own crops.

A face is only accepted if it is unambiguous: a wrong crop is worse than none.
"""

import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import DataError, MerbenchError
from merbench.prepare.frames import Image

Points = npt.NDArray[np.float64]
Found = Literal["landmarks", "haar", "delivered"]

#: Side of the face square, in longer sides of the anchors' box (MEDN's test script).
ENLARGE = 2.4
#: Side of the face square, in widths of Haar's box, which may end above the chin.
HAAR_ENLARGE = 1.2
#: dlib's confidence above which a detection counts: clothes and backgrounds reach .3, sharp frontal faces .6 to 2.
CONFIDENT = 0.3
#: Haar's confidence above which a detection counts: patterns that look like faces reach 1.6, faces 5 to 6.
HAAR_CONFIDENT = 2.0
#: A second detection is a rival if it is at least this confident, and at least this wide, relative to the first.
RIVAL_CONFIDENCE, RIVAL_WIDTH = 0.5, 0.75
#: Share of the face square that must be inside the picture.
INSIDE = 0.5

BORDER = (128, 128, 128)
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)  # left and right in the picture
NOSE_TIP, MOUTH_CORNERS = 30, (48, 54)

#: How to get landmarks.
INSTALL = "uv sync --extra faces, or pip install 'merbench[faces]'"

_LANDMARKS_PACKAGES = ("dlib", "face_recognition_models")
_NEXT = "crop this database's frames yourself and register the cropped tree, or exclude the clip in your protocol"
_cv2: Any = cv2  # its type stubs miss the module `data`
_of_thread = threading.local()
_loading = threading.Lock()


@dataclass(frozen=True)
class FaceAlignment:
    """The transform from a picture to the face square.

    The matrix (2, 3) takes picture coordinates (pixel centres are whole numbers) to the face square, whose edges are 0
    and 1. Landmarks, (68, 2), are x and y in the picture in dlib's order; None unless the face was found by them.
    """

    matrix: npt.NDArray[np.float64]
    landmarks: Points | None = None

    @classmethod
    def of(cls, array: npt.NDArray[np.float64]) -> "FaceAlignment":
        """Return the alignment that :meth:`array` gave."""
        return cls(np.ascontiguousarray(array[:3].T), np.ascontiguousarray(array[3:]) if len(array) > 3 else None)

    def array(self) -> npt.NDArray[np.float64]:
        """Return the transposed matrix, and below it the landmarks if there are any: shape (3, 2) or (71, 2)."""
        return np.concatenate([self.matrix.T, *([] if self.landmarks is None else [self.landmarks])])

    def apply(self, image: Image, size: int) -> Image:
        """Return the face, `size` x `size`: one bilinear warp, averaged where it shrinks to less than half."""
        shrinking = 1 / max(np.linalg.norm(size * self.matrix[:, :2], axis=0))
        fine = max(1, int(shrinking))  # bilinear alone would skip pixels, which adds noise to the flow
        side = size * fine
        large = cv2.warpAffine(image, self._pixels(side), (side, side), flags=cv2.INTER_LINEAR, borderValue=BORDER)
        return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA) if fine > 1 else large)

    def points(self, size: int) -> Points:
        """Return the landmarks in pixels of a face of `size`, shape (68, 2); requires landmarks."""
        assert self.landmarks is not None
        matrix = self._pixels(size)
        return self.landmarks @ matrix[:, :2].T + matrix[:, 2]

    def _pixels(self, size: int) -> npt.NDArray[np.float64]:
        """Return the matrix to pixel centres: the square's edge is half a pixel before the first of them."""
        return size * self.matrix - [[0, 0, 0.5], [0, 0, 0.5]]


def landmarks_installed() -> bool:
    """Return whether dlib and its 68-point model are installed (the extra ``faces``); imports neither."""
    return all(find_spec(name) is not None for name in _LANDMARKS_PACKAGES)


def dlib_version() -> str:
    """Return the version of dlib, or an empty text if landmarks are not installed."""
    if not landmarks_installed():
        return ""
    import dlib

    return str(dlib.__version__)


def find_face(image: Image, faces: Found, where: str, landmarks: bool = False) -> FaceAlignment:
    """Find the face of a picture, BGR; thread-safe, and always with the same result for the same picture.

    `where` names the picture in error lines: the clip and its file. `landmarks` finds the 68 points also for
    ``delivered``. DataError for no face, several of similar size, or a face square mostly outside the picture;
    MerbenchError if landmarks are requested and dlib is not installed.
    """
    height, width = image.shape[:2]
    points = _landmarks(image, where) if landmarks or faces == "landmarks" else None
    if points is not None and faces == "landmarks":
        matrix = _upright(points)
    elif faces == "haar":
        matrix = _haar(image, where)
    else:
        matrix = np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height]])
    if _inside(matrix, width, height) < INSIDE:
        raise DataError(f"{where}: the face is mostly outside the picture; {_NEXT}")
    return FaceAlignment(matrix, points)


def eye_centres(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the centres of the left and the right eye of 68 points, shape (2, 2)."""
    return np.stack([points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)])


def five_points(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the five anchors of 68 points: left and right eye centre, nose tip, left and right mouth corner."""
    return np.concatenate([eye_centres(points), points[[NOSE_TIP, *MOUTH_CORNERS]]])


def _upright(points: Points) -> npt.NDArray[np.float64]:
    """Return the matrix to the square about the anchors once the eye line is horizontal."""
    left, right = eye_centres(points)
    cos, sin = (right - left) / np.linalg.norm(right - left)
    turn = np.array([[cos, sin], [-sin, cos]])
    anchors = five_points(points) @ turn.T
    low, high = anchors.min(axis=0), anchors.max(axis=0)
    return _square(turn, (low + high) / 2, ENLARGE * float((high - low).max()))


def _square(turn: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], side: float) -> npt.NDArray[np.float64]:
    return np.column_stack([turn / side, 0.5 - centre / side])


def _inside(matrix: npt.NDArray[np.float64], width: int, height: int) -> float:
    """Return the share of the face square, on a grid of 32 x 32, that is inside the picture."""
    steps = (np.arange(32) + 0.5) / 32
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    x, y = np.linalg.solve(matrix[:, :2], (grid - matrix[:, 2]).T)
    return float(((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)).mean())


def _the_one(finds: list[tuple[float, float]], where: str) -> int:
    """Return the index of the face among detections (confidence, width): the clearly largest confident one."""
    best = max((confidence for confidence, _ in finds), default=0.0)
    sure = [index for index, (confidence, _) in enumerate(finds) if confidence >= RIVAL_CONFIDENCE * best]
    sure.sort(key=lambda index: -finds[index][1])
    if not sure:
        raise DataError(f"{where}: no face was found; {_NEXT}")
    if len(sure) > 1 and finds[sure[1]][1] > RIVAL_WIDTH * finds[sure[0]][1]:
        raise DataError(f"{where}: {len(sure)} faces of similar size were found; {_NEXT}")
    return sure[0]


def _landmarks(image: Image, where: str) -> Points:
    with _loading:
        predictor = _load_predictor()
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    boxes, confidences, _ = _detector().run(rgb, 1, CONFIDENT)
    finds = [(confidence, box.width()) for box, confidence in zip(boxes, confidences, strict=True)]
    shape = predictor(rgb, boxes[_the_one(finds, where)])
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)


def _haar(image: Image, where: str) -> npt.NDArray[np.float64]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    least = min(grey.shape) // 8  # smaller detections are patterns that look like faces
    boxes, _, confidences = _cascade().detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(least, least), outputRejectLevels=True
    )
    finds = [(float(sure), box) for sure, box in zip(confidences, boxes, strict=True) if sure >= HAAR_CONFIDENT]
    x, y, width, height = finds[_the_one([(sure, float(box[2])) for sure, box in finds], where)][1]
    centre = np.array([x + (width - 1) / 2, y + (height - 1) / 2])
    return _square(np.eye(2), centre, HAAR_ENLARGE * float(max(width, height)))


def _detector() -> Any:
    """Return this thread's detector, which has state."""
    if not hasattr(_of_thread, "detector"):
        import dlib

        _of_thread.detector = dlib.get_frontal_face_detector()
    return _of_thread.detector


def _cascade() -> Any:
    """Return this thread's cascade, which has state."""
    if not hasattr(_of_thread, "cascade"):
        _of_thread.cascade = cv2.CascadeClassifier(_cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    return _of_thread.cascade


@cache
def _load_predictor() -> Any:
    """Return the 68-point model, 100 MB shared by all threads; it has no state."""
    if not landmarks_installed():
        raise MerbenchError(f"68 landmarks need {' and '.join(_LANDMARKS_PACKAGES)}: {INSTALL}")
    import dlib

    models = find_spec("face_recognition_models")  # found, not imported: its __init__ needs obsolete packages
    assert models is not None
    assert models.origin is not None
    path = Path(models.origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"
    if not path.is_file():
        raise MerbenchError(f"{path} is missing; install it again: {INSTALL}")
    return dlib.shape_predictor(str(path))
