"""Preparing flow into the store, against the same OpenCV calls in a bare thread pool, and its memory; dlib's faces in
processes against one process, and several inputs that share a face, or the flow of a pair, against each for itself.

Run: uv run python benchmarks/preparation.py [--clips 24] [--rounds 3] [--faces 250]
"""  # noqa: D205

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from _timing import interleaved, print_ratios

from merbench.contracts.inputs import Flow, Frames, Landmarks
from merbench.contracts.specifications import Specification
from merbench.prepare.arrays import clip_frames
from merbench.prepare.faces.find import landmarks_installed
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.face import face_of
from merbench.prepare.provide import provide
from merbench.prepare.store import SILENT, Shelf, ShelfFile
from merbench.synthetic.database import SMALL, synthetic_source

MEMORY_CLIPS = (100, 1600)


def bare(clip: ClipFrames) -> np.ndarray:
    """Prepare a clip according to the specification, with OpenCV alone."""
    onset, apex = (cv2.imread(str(clip.files[number])) for number in (clip.onset, clip.apex))
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    grey = cv2.cvtColor(onset, cv2.COLOR_BGR2GRAY)
    x, y, width, _ = cascade.detectMultiScale(grey, 1.1, 5, minSize=(grey.shape[0] // 8,) * 2)[0]
    scale = 128 / (1.2 * width)
    matrix = np.array([[scale, 0, 64 - scale * (x + width / 2)], [0, scale, 64 - scale * (y + width / 2)]])
    first, last = (cv2.cvtColor(cv2.warpAffine(f, matrix, (128, 128)), cv2.COLOR_BGR2GRAY) for f in (onset, apex))
    field = cv2.optflow.DualTVL1OpticalFlow_create().calc(first, last, None)
    (u_y, u_x), (v_y, v_x) = (np.gradient(field[:, :, channel]) for channel in (0, 1))
    strain = np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2)
    small = cv2.resize(np.dstack([field, strain]), (28, 28), interpolation=cv2.INTER_AREA)
    low, high = small.min(axis=(0, 1)), small.max(axis=(0, 1))
    return np.rint(255 * (small - low) / (high - low)).astype(np.uint8)


def compare_with_bare(clips: list[ClipFrames], rounds: int) -> None:
    """Print the times of both."""
    cores = len(os.sched_getaffinity(0))

    def opencv() -> None:
        cv2.setNumThreads(1)
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(bare, clips))

    def merbench() -> None:
        with tempfile.TemporaryDirectory() as home:
            os.environ["MERBENCH_HOME"] = home
            _store(clips, Flow(faces="haar"))

    seconds = interleaved({"OpenCV in a bare thread pool": opencv, "merbench, into the store": merbench}, rounds)
    print(f"TV-L1 flow of {len(clips)} clips, whole frames to 28x28, on {cores} cores, seconds")
    print_ratios(seconds, "OpenCV in a bare thread pool", 1.0, "s")
    print("aim: merbench at most 1.10 times the bare calls, that is at least 0.91x")


def _store(clips: list[ClipFrames], spec: Specification) -> None:
    provide(Shelf(ShelfFile.of("timed", spec)), clips, SILENT)


def enlarged(clips: list[ClipFrames], count: int, folder: Path) -> list[ClipFrames]:
    """Write onset and apex of `count` clips as pictures of 640 x 480, the size of CASME II, and return the clips."""
    found = []
    for index in range(count):
        clip, files = clips[index % len(clips)], {}
        for number in (clip.onset, clip.apex):
            large = cv2.resize(clip.image(number), (480, 480), interpolation=cv2.INTER_CUBIC)
            files[number] = folder / f"{index}-{number}.bmp"
            cv2.imwrite(str(files[number]), cv2.copyMakeBorder(large, 0, 0, 80, 80, cv2.BORDER_REPLICATE))
        found.append(replace(clip, name=f"timed/sub01/{index}", offset=clip.apex, files=files))
    return found


def compare_processes(clips: list[ClipFrames], rounds: int) -> None:
    """Print the times of finding faces by dlib in one process and in several."""
    face = face_of(Landmarks(faces="landmarks"))
    assert face is not None

    def one() -> None:
        with _fresh_home():
            Shelf(ShelfFile.of("timed", face)).provide(clips, partial(build, face), SILENT)

    def several() -> None:
        with _fresh_home():
            provide(Shelf(ShelfFile.of("timed", face)), clips, SILENT)

    cores = len(os.sched_getaffinity(0))
    seconds = interleaved({"one process, a thread per core": one, "a process per core": several}, rounds, warm_up=False)
    print(f"faces of {len(clips)} clips of 640 x 480 by dlib, on {cores} cores, starts included, seconds")
    print_ratios(seconds, "one process, a thread per core", 1.0, "s")
    print("aim: at least 1.80x on two cores")


def compare_sharing(clips: list[ClipFrames], specs: Sequence[Specification], what: str, rounds: int) -> None:
    """Print the times of preparing inputs, each in a store of its own and all in one."""

    def prepare(*together: Specification) -> None:
        with _fresh_home():
            for spec in together:
                _store(clips, spec)

    candidates = {"each for itself": lambda: [prepare(spec) for spec in specs], what: lambda: prepare(*specs)}
    seconds = interleaved(candidates, rounds, warm_up=False)
    print(f"{len(specs)} inputs of {len(clips)} clips, {what}, seconds: {'; '.join(map(str, specs))}")
    print_ratios(seconds, "each for itself", 1.0, "s")


#: Inputs that share the face of a clip, and such that share its flow too: those of STSTNet, of MEDN, and raw vectors.
FACES: tuple[Specification, ...] = (
    Flow(faces="landmarks"),
    Frames(faces="landmarks", span="onset-apex", count=2),
    Landmarks(faces="landmarks"),
)
FLOWS: tuple[Specification, ...] = (
    Flow(faces="haar"),
    Flow(faces="haar", size=56, channels=("u", "v"), normalise="hsv"),
    Flow(faces="haar", channels=("u", "v", "magnitude"), normalise="none"),
)


@contextmanager
def _fresh_home() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as home:
        os.environ["MERBENCH_HOME"] = home
        yield


def print_memory() -> None:
    """Print the peak memory of preparing few and many clips, each in its own process."""
    print("peak memory by number of clips (Farneback), MB")
    for count in MEMORY_CLIPS:
        done = subprocess.run(
            [sys.executable, __file__, "--memory-of", str(count)], capture_output=True, text=True, check=True
        )
        print(f"{count:>6} clips {done.stdout.strip():>8}")


def memory_of(clips: list[ClipFrames], count: int) -> float:
    """Prepare `count` clips, copies under other names, and return the process's peak memory in MB."""
    many = [replace(clips[index % len(clips)], name=f"timed/sub01/{index}") for index in range(count)]
    with tempfile.TemporaryDirectory() as home:
        os.environ["MERBENCH_HOME"] = home
        _store(many, Flow(faces="haar", algorithm="farneback"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faces", type=int, default=250)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    source = synthetic_source(SMALL)
    clips = clip_frames(source, source.clips)
    if options.memory_of:
        print(f"{memory_of(clips, options.memory_of):.0f}")
        return
    print_memory()  # first: a child's peak counts what this process held at its start
    if landmarks_installed():
        with tempfile.TemporaryDirectory() as folder:
            large = enlarged(clips, options.faces, Path(folder))
            compare_processes(large, options.rounds)
            compare_sharing(large[:40], FACES, "one face", options.rounds)
    compare_sharing(clips[: options.clips], FLOWS, "one flow", options.rounds)
    compare_with_bare(clips[: options.clips], options.rounds)


if __name__ == "__main__":
    main()
