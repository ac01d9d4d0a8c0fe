"""Clips of a few small frames: of plain grey, and of a real face that moves."""

import cv2
import numpy as np
import skimage.data

from merbench.prepare.frames import ClipFrames

ONSET, APEX, OFFSET = 12, 16, 21
NUMBERS = [number for number in range(10, 25) if number != 18]  # one frame is missing
SIZE = 48
FPS = 50


def written(folder, images, name="casme2/sub01/EP02_01f", cropped=True):
    """Write pictures, by their numbers, and return the clip."""
    folder.mkdir(exist_ok=True)
    files = {}
    for number, image in images.items():
        files[number] = folder / f"img{number}.png"
        assert cv2.imwrite(str(files[number]), image)
    return ClipFrames(name, ONSET, APEX, OFFSET, files, cropped, FPS)


def plain_clip(folder):
    """Return a clip of plain frames whose grey value is ten times their number."""
    return written(folder, {number: np.full((SIZE, SIZE, 3), 10 * number, np.uint8) for number in NUMBERS})


def moving_clip(folder, name="casme2/sub01/EP02_01f", cropped=True, step=2.5):
    """Return a clip of a real face that moves to the right until the apex and back, so many picture pixels a frame."""
    astronaut = np.ascontiguousarray(skimage.data.astronaut()[:256, 96:352, ::-1])
    moves = {n: np.array([[1.0, 0, step * max(0, 4 - abs(n - APEX))], [0, 1, 0]]) for n in NUMBERS}
    border = cv2.BORDER_REPLICATE
    images = {n: cv2.warpAffine(astronaut, move, (256, 256), borderMode=border) for n, move in moves.items()}
    return written(folder, images, name, cropped)
