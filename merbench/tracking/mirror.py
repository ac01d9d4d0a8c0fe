"""Mirror a grid while it runs: a process of its own does it, which the driver tells what has changed.

Importing MLflow, a slow server and a dead one cost that process its time, and no fold. It calls what ``merbench sync
mlflow`` calls; what it does not get done is left to that command.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Self

from merbench.engine.execute.grid import Observer, RunState
from merbench.engine.execute.units import Working
from merbench.engine.plan.runs import RunPlan
from merbench.records.outcome import FoldOutcome
from merbench.tracking.stores import Store

#: The mirror gives way to everything else.
NICENESS = 19
#: A run that is at work is told of again after this many seconds, not with each fold.
TOLD_AGAIN = 20.0
#: How long the end of a command waits for its mirror, which then goes on by itself for a while.
WAIT_SECONDS = 10.0

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Mirror:
    """The driver's end of the mirror process.

    Nothing here waits: lines to the process are written, and those from it read, by a thread each.

    Parameters
    ----------
    store : Store, optional
        Which MLflow; without one nothing is mirrored.
    runs : Path
        The folder of all runs.
    say : callable
        Shows a line to the user, from any thread.
    """

    def __init__(self, store: Store | None, runs: Path, say: Callable[[str], None]) -> None:
        self._store, self._runs, self._say = store, runs, say
        self._process: subprocess.Popen[str] | None = None
        self._threads: list[Thread] = []
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._told: dict[str, float] = {}
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the process finish what it was told of; this end waits no longer."""
        self._lines.put(None)

    def watching(self, observer: Observer) -> Observer:
        """Return an observer that passes everything on to another one, and tells this mirror what has changed."""
        return _Watching(observer, self)

    def started(self, run_id: str, pending: bool) -> None:
        """Tell that a run begins; one with nothing to do is looked at only in a store that was asked for."""
        if pending or (self._store and self._store.named):
            self.changed(run_id)

    def changed(self, run_id: str) -> None:
        """Tell that a run's records have changed."""
        if self._store is None:
            return
        self._told[run_id] = time.monotonic()
        if self._process is None:
            self._start(self._store)
        self._lines.put(json.dumps(str(self._runs / run_id)))

    def grown(self, run_id: str) -> None:
        """Tell that a run has a fold more, unless it was told of lately."""
        if time.monotonic() - self._told.get(run_id, -TOLD_AGAIN) >= TOLD_AGAIN:
            self.changed(run_id)

    def ended(self, run_id: str) -> None:
        """Tell that nothing is left to do for a run, if it was told of at all."""
        if run_id in self._told:
            self.changed(run_id)

    @property
    def at_work(self) -> bool:
        """Whether there is something that `finish` will wait for."""
        return self._store is not None and self._process is not None

    def finish(self) -> str:
        """Wait a while for the process, and say in a line how MLflow stands; empty where nothing was to be mirrored."""
        self._lines.put(None)
        if self._store is None or self._process is None:
            return ""
        at, later = f"MLflow at {self._store.address}", self._store.later
        try:
            code = self._process.wait(WAIT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # all is recorded, so this is no interrupted run
            return f"{at} is still being written; {later} makes sure of it"
        for thread in self._threads:
            thread.join()
        if code and not self._warned:
            return f"{at} is behind (what writes it ended with {code}); {later} brings it up to date"
        return "" if code else f"MLflow: {self._store.look}"

    def _start(self, store: Store) -> None:
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "merbench.tracking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=os.environ | _ONE_THREAD,
            start_new_session=True,  # Ctrl-C is for the driver: the mirror ends by itself, in order
            creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),
        )
        if hasattr(os, "setpriority"):
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        artifacts = store.artifacts and str(store.artifacts)
        self._lines.put(json.dumps({"uri": store.uri, "artifacts": artifacts, "named": store.named}))
        for target, stream in ((self._write, process.stdin), (self._read, process.stdout)):
            self._threads.append(Thread(target=target, args=(stream,), daemon=True))
            self._threads[-1].start()

    def _write(self, stream: IO[str]) -> None:
        with suppress(OSError), stream:  # a process that has ended is told of in the end
            for line in iter(self._lines.get, None):
                stream.write(f"{line}\n")
                stream.flush()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._warned = True
                self._say(line.rstrip())


@dataclass(frozen=True)
class _Watching:
    """Tells the display, then the mirror."""

    observer: Observer
    mirror: Mirror

    def run_started(self, plan: RunPlan, recorded: int, pending: Sequence[str]) -> None:
        self.observer.run_started(plan, recorded, pending)
        self.mirror.started(plan.run_id, bool(pending))

    def working(self, workers: Sequence[Working]) -> None:
        self.observer.working(workers)

    def fold_finished(self, plan: RunPlan, outcome: FoldOutcome) -> None:
        self.observer.fold_finished(plan, outcome)
        self.mirror.grown(plan.run_id)

    def run_finished(self, plan: RunPlan, state: RunState) -> None:
        self.observer.run_finished(plan, state)
        self.mirror.ended(plan.run_id)

    def waiting(self, plan: RunPlan) -> None:
        self.observer.waiting(plan)

    def note(self, text: str) -> None:
        self.observer.note(text)
