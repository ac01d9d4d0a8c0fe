"""The 36 facial regions of MDMO (Liu et al., TAFFC 2016), as polygons of 68 landmarks."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

#: Between two landmarks, and above a landmark of the brows, beside the landmarks' own numbers from 0.
Corner = int | tuple[int, int] | str
REGIONS: tuple[tuple[Corner, Corner, Corner, Corner], ...] = (
    (17, "17", "19", 19), (19, "19", "21", 21), (21, "21", "middle", 27),  # forehead
    (27, "middle", "22", 22), (22, "22", "24", 24), (24, "24", "26", 26),
    (1, 0, 17, 36), (36, 17, 19, 38), (38, 19, 21, 39), (39, 21, 27, 28),  # brows and eyes
    (28, 27, 22, 42), (42, 22, 24, 43), (43, 24, 26, 45), (45, 26, 16, 15),
    (3, 2, (2, 41), (3, 29)), ((3, 29), (2, 41), 41, 39), ((3, 29), 39, 28, 29),  # below the eyes
    (29, 28, 42, (13, 29)), ((13, 29), 42, 46, (14, 46)), ((13, 29), (14, 46), 14, 13),
    ((4, 33), (3, 29), 29, 33), (33, 29, (13, 29), (12, 33)),  # beside nose and mouth
    ((5, 59), (4, 33), 33, 59), (55, 33, (12, 33), (11, 55)),
    ((6, 58), (5, 59), 59, 58), ((8, 57), (6, 58), 58, 57),  # below the mouth
    ((10, 56), (8, 57), 57, 56), ((11, 55), (10, 56), 56, 55),
    (4, 3, (3, 29), (4, 33)), ((12, 33), (13, 29), 13, 12),  # cheeks
    (5, 4, (4, 33), (5, 59)), ((11, 55), (12, 33), 12, 11),
    (6, 5, (5, 59), (6, 58)), (8, 6, (6, 58), (8, 57)),  # jaw
    (10, 8, (8, 57), (10, 56)), (11, 10, (10, 56), (11, 55)),
)  # fmt: skip
#: How far the forehead is above the brows, of the face's side: 20 of 112 pixels, as in meb's code.
LIFT = 20 / 112


def corners_of(points: npt.NDArray[Any], size: int) -> npt.NDArray[np.float64]:
    """Return the corners of the regions, (36, 4, 2), of 68 landmarks in a face of `size` pixels."""

    def at(corner: Corner) -> npt.NDArray[np.float64]:
        if corner == "middle":
            return np.asarray((at("21") + at("22")) / 2)
        if isinstance(corner, str):
            x, y = points[int(corner)]
            return np.array([x, max(y - LIFT * size, 0)])
        return np.asarray(points[list(corner)].mean(axis=0) if isinstance(corner, tuple) else points[corner])

    return np.array([[at(corner) for corner in region] for region in REGIONS])


def masks_of(points: npt.NDArray[Any], size: int) -> npt.NDArray[np.bool_]:
    """Return the pixels of the regions, edges included, (36, size, size)."""
    masks = np.zeros((len(REGIONS), size, size), np.uint8)
    for mask, polygon in zip(masks, corners_of(points, size).astype(np.int32), strict=True):
        cv2.fillPoly(mask, [polygon], 1)
    return masks.astype(bool)
