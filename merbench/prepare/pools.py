"""Clips in parallel: in threads, since OpenCV releases the interpreter lock, or in processes, since dlib holds it."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

import cv2
import numpy.typing as npt

from merbench.contracts.errors import DataError
from merbench.prepare.frames import ClipFrames

Array = npt.NDArray[Any]
Build = Callable[[ClipFrames], Array]
BuildTogether = Callable[[list[ClipFrames]], list[Array | DataError]]
_Work = TypeVar("_Work")
_Made = TypeVar("_Made")

#: Least work for each process: its start takes about as long, and its copy of dlib's model 100 MB.
SECONDS_A_PROCESS = 2.0


def in_parallel(
    work: Mapping[str, _Work], build: Callable[[_Work], _Made], workers: int | None = None, processes: bool = False
) -> Generator[tuple[str, Future[_Made]], None, None]:
    """Run `build` over `work` and yield the results; few are in flight, so memory stays flat.

    In threads; or, with `processes` and enough work by the time of the second clip, in other processes and one thread
    of this one, which works while they start. Processes import `build`, are not hit by Ctrl-C, and end with this one,
    however it ends. OpenCV's own threads are switched off meanwhile: clips in parallel scale better than the loops
    within one.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads, others = workers or cores or 1, 0
    items = list(work.items())
    if processes and threads > 1:
        seconds = 0.0
        for key, clip in items[:2]:  # the first also loads models
            begin = time.perf_counter()
            future = _built(build, clip)
            seconds = time.perf_counter() - begin
            yield key, future
        items = items[2:]
        others = max(min(threads, int(seconds * len(items) / SECONDS_A_PROCESS)) - 1, 0)
    with _threads(1 if others else threads) as here, _processes(others) as elsewhere:
        pools, free = (here, elsewhere), [2 if others else 2 * threads, 2 * others]
        flying: dict[Future[_Made], tuple[str, int]] = {}
        for key, clip in items:
            while not any(free):
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    done, pool = flying.pop(future)
                    free[pool] += 1
                    yield done, future
            pool = int(free[1] > 0)
            free[pool] -= 1
            flying[pools[pool].submit(build, clip)] = key, pool
        while flying:
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                yield flying.pop(future)[0], future


def several_at_once(
    work: Mapping[str, ClipFrames], build: BuildTogether, count: int
) -> Generator[tuple[str, Future[Array]], None, None]:
    """Run `build` over `count` clips at a time, in one thread beside this one, and yield the result of each clip."""
    keys = list(work)
    batches = {keys[begin]: keys[begin : begin + count] for begin in range(0, len(keys), count)}
    clips = {first: [work[key] for key in batch] for first, batch in batches.items()}
    for first, future in in_parallel(clips, build, workers=1):
        for key, made in zip(batches[first], future.result(), strict=True):
            own: Future[Array] = Future()
            if isinstance(made, DataError):
                own.set_exception(made)
            else:
                own.set_result(made)
            yield key, own


def _built(build: Callable[[_Work], _Made], clip: _Work) -> Future[_Made]:
    """Build a clip here and now."""
    future: Future[_Made] = Future()
    try:
        future.set_result(build(clip))
    except Exception as error:  # noqa: BLE001 - raised where the result is read
        future.set_exception(error)
    return future


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
    pool = _Processes(count or 1, multiprocessing.get_context("spawn"), initializer=_begin)
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
