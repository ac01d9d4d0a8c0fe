"""Data of one's own: a table of twelve clips, and how tables and videos are written."""

import csv

import cv2
import numpy as np

HEADER = ["subject", "clip", "emotion", "onset", "apex", "offset"]
#: Frames of P1 and P4 are in folders, of P2 in videos, of P3 an onset and an apex picture.
ROWS = [
    [f"P{person}", f"clip {number}", word, 3, 8, 15]
    for person in range(1, 5)
    for number, word in enumerate(("Happy", "sad", "surprise"), start=1)
]


def write_video(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for number in range(frames):
        video.write(np.full((48, 64, 3), 10 * number % 250, np.uint8))
    video.release()


def write_table(path, rows, header=HEADER):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path
