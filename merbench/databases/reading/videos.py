"""Videos, decoded by OpenCV: every frame by its position, counted from the beginning, never by seeking."""

import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import DataError

_VIDEO = re.compile(r"\.(?:avi|mp4|mov|mkv|wmv|mpe?g|webm|m4v)$", re.IGNORECASE)
_MOST_FRAMES = 10_000_000  # a header may say anything
_LAST = threading.local()  # a thread's open video: path, capture, position of its next frame


def is_video(path: Path) -> bool:
    """Return whether a file has the ending of a video."""
    return _VIDEO.search(path.name) is not None


def frame_count(path: Path) -> int:
    """Return how many frames a video says it has; DataError if not even the first can be decoded."""
    import cv2

    video = _opened(path)
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    if not 1 <= count <= _MOST_FRAMES or not video.read()[0]:
        raise DataError(f"{path} is a video whose frames can't be decoded: convert it, for example to H.264 or MJPEG")
    return count


def frame_rate(path: Path) -> float | None:
    """Return the frames a second that a video says it has, None if it does not say."""
    import cv2

    rate = float(_opened(path).get(cv2.CAP_PROP_FPS))
    return rate if rate > 0 else None


def video_frame(path: Path, position: int) -> npt.NDArray[np.uint8]:
    """Return the frame at a position from 0, BGR; DataError if the video ends before."""
    last: tuple[Path | None, Any, int] = getattr(_LAST, "video", (None, None, 0))
    name, video, at = last
    if name != path or at > position:
        video, at = _opened(path), 0
    while at < position and video.grab():
        at += 1
    read, picture = video.read() if at == position else (False, None)
    _LAST.video = (path, video, at + 1) if read else (None, None, 0)
    if not read or picture is None:
        raise DataError(f"{path} ends after {at} frames, frame {position + 1} is needed: convert or copy it again")
    return np.asarray(picture, dtype=np.uint8)


def _opened(path: Path) -> Any:
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is damaged is said once, in an error's line
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DataError(f"{path} can't be read as a video: is it whole, and its codec known to OpenCV?")
    return video
