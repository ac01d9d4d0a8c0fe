"""Eulerian motion magnification (Wu et al., SIGGRAPH 2012): brightness changes within a band of frequencies amplified.

Of their two magnifiers the one for colour: a single level of a Gaussian pyramid, all colours alike. The band, the
difference of two first-order low-passes, is the one of their recursive filter, here in Hz, so that the same
movement is magnified alike at any frame rate. Level, band and factor are choices of this project.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.prepare.frames import Image

LEVEL = 2
#: Hz; movements from about 0.1 s to 1 s.
LOW, HIGH = 0.5, 5.0
ALPHA = 10.0


def magnified(frames: Iterable[tuple[int, Image]], fps: float) -> Iterator[tuple[int, Image]]:
    """Yield each numbered frame magnified, in their order: ``frame + 10 * band``, rounded and cut to 0..255.

    The band is the difference of two low-passes of the frame's second pyramid level, enlarged again; a low-pass with
    cutoff f moves a share of ``1 - exp(-2 pi f t)`` towards each frame, t seconds after the one before, and starts at
    the first frame. So a clip without movement stays as it is, bit for bit, and so does the first frame.
    """
    state: list[npt.NDArray[np.float32]] = []
    before = 0
    for number, frame in frames:
        sizes = [frame.shape[1::-1]]
        level: Any = frame.astype(np.float32)
        for _ in range(LEVEL):
            level = cv2.pyrDown(level)
            sizes.append(level.shape[1::-1])
        shares = [1 - np.exp(-2 * np.pi * cutoff * (number - before) / fps) for cutoff in (LOW, HIGH)]
        pasts = state or [level, level]
        state = [past + np.float32(share) * (level - past) for past, share in zip(pasts, shares, strict=True)]
        before = number
        band: Any = state[1] - state[0]
        for size in sizes[-2::-1]:
            band = cv2.pyrUp(band, dstsize=size)
        exact = frame + np.float32(ALPHA) * band.reshape(frame.shape)
        yield number, np.clip(np.rint(exact), 0, 255).astype(np.uint8)
