"""The frames of one clip, read on demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.action_units import Coding
from merbench.contracts.errors import DataError

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClipFrames:
    """One clip as inputs are built from it: annotated frame numbers, files and action units.

    The name is like ``casme2/sub01/EP02_01f``. Frames are counted as the database does; a missing one is replaced by
    the nearest on disk. There is at least one file, in order of number. `cropped`: the pictures are cropped faces.
    `aus` is None if action units are not annotated.
    """

    name: str
    onset: int
    apex: int
    offset: int
    files: Mapping[int, Path]
    cropped: bool = False
    aus: Coding | None = None

    def nearest(self, number: float) -> int:
        """Return the number of the frame nearest to `number`; of two, the earlier."""
        return min(self.files, key=lambda known: (abs(known - number), known))

    def image(self, number: int) -> Image:
        """Read a frame, BGR, (height, width, 3); DataError with file and clip if it is unreadable, or not of 8 bits."""
        path = self.files[number]
        try:
            content = np.fromfile(path, dtype=np.uint8)
        except OSError as error:
            raise DataError(f"{path}, a frame of {self.name}, can't be read: {error.strerror or error}") from error
        try:
            image: Any = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if content.size else None
        except cv2.error:  # the header has more pixels than OpenCV accepts
            image = None
        if image is None:
            raise DataError(f"{path}, a frame of {self.name}, is not a readable picture; copy it again")
        if image.dtype != np.uint8:
            found = "16 bits per channel, with an unknown range"
            raise DataError(f"{path}, a frame of {self.name}, has {found}; convert the frames to 8 bits")
        return np.asarray(image, dtype=np.uint8)
