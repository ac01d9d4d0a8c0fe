"""The frames of one clip, read on demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import DataError
from merbench.contracts.inputs import FrameSpan, Span
from merbench.databases.reading.videos import is_video, video_frame
from merbench.prepare import sampling

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClipFrames:
    """One clip as inputs are built from it: annotated frame numbers and files.

    The name is like ``casme2/sub01/EP02_01f``. Frames are counted as the database does; a missing one is replaced by
    the nearest on disk. There is at least one file, in order of number. `cropped`: the pictures are cropped faces. The
    frame rate may be unknown. `version` numbers the versions from which frames with drawn positions are taken.
    """

    name: str
    onset: int
    apex: int
    offset: int
    files: Mapping[int, Path]
    cropped: bool = False
    fps: float | None = None
    version: int = 0

    def nearest(self, number: float) -> int:
        """Return the number of the frame nearest to `number`; of two, the earlier."""
        return min(self.files, key=lambda known: (abs(known - number), known))

    def ends(self, span: FrameSpan | Span) -> tuple[int, int]:
        """Return the first and the last frame number of a span."""
        return sampling.ends(span, self.onset, self.apex, self.offset, list(self.files))

    def image(self, number: int) -> Image:
        """Read a frame, BGR, (height, width, 3); DataError with file and clip if it is unreadable, or not of 8 bits."""
        path = self.files[number]
        if is_video(path):
            return video_frame(path, list(self.files).index(number))
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


def rgb(image: Image) -> Image:
    """Return a BGR picture as RGB."""
    return np.ascontiguousarray(image[:, :, ::-1])


def grey(image: Image) -> Image:
    """Return a BGR picture in grey, shape (height, width, 1)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[:, :, None]
