"""Clips in parallel: in threads, since OpenCV releases the interpreter lock, or in processes, since dlib holds it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cv2
import numpy.typing as npt

from merbench.prepare.frames import ClipFrames

Array = npt.NDArray[Any]
Build = Callable[[ClipFrames], Array]

#: Fewest clips for each process: its start takes as long as some ten clips, and its copy of dlib's model 100 MB.
CLIPS_A_PROCESS = 10


def in_parallel(
    work: Mapping[str, ClipFrames], build: Build, workers: int | None = None, processes: bool = False
) -> Generator[tuple[str, Future[Array]], None, None]:
    """Run `build` over `work` and yield the results; few are in flight, so memory stays flat.

    In threads; or, with `processes` and enough clips, in processes of their own, which import `build`, are not hit by
    Ctrl-C, and end with this one, however it ends. OpenCV's own threads are switched off meanwhile: clips in parallel
    scale better than the loops within one.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = workers or cores or 1
    several = min(threads, len(work) // CLIPS_A_PROCESS) if processes else 1
    with _processes(several) if several > 1 else _threads(threads) as pool:
        most = 2 * (several if several > 1 else threads)
        flying: dict[Future[Array], str] = {}
        for key, clip in work.items():
            flying[pool.submit(build, clip)] = key
            while len(flying) >= most:
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    yield flying.pop(future), future
        while flying:
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                yield flying.pop(future), future


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    own_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(own_threads)


class _Processes(ProcessPoolExecutor):
    """Processes that are started without the main script: each would run it, and all that it imports, once more."""

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        """Submit a call, which may start a process."""
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return super().submit(*arguments, **options)
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    pool = _Processes(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Begin a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
