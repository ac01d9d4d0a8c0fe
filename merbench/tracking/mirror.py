"""Mirror a grid while it runs: in a process of its own, to which the driver sends the runs that have changed.

Importing MLflow, a slow server and a dead one delay that process, not the folds. It calls the same code as ``merbench
sync mlflow``, which also completes what it could not finish.
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
from typing import IO, Self

from merbench.engine.execute.jobs import Observer, Working
from merbench.engine.execute.state import RunState
from merbench.engine.plan.runs import RunPlan
from merbench.records.outcome import FoldOutcome
from merbench.tracking.servers import TrackingServer

#: The mirror yields to all other processes.
NICENESS = 19
#: A run in progress is sent again after this many seconds, not with each fold.
SENT_AGAIN = 20.0
#: How long the end of a command waits for its mirror, which then continues by itself for a while.
WAIT_SECONDS = 10.0

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Mirror:
    """The driver's end of the mirror process; without a server nothing is mirrored.

    It never blocks: lines to the process are written, and those from it read, by a thread each. `say` shows a line to
    the user, from any thread.
    """

    def __init__(self, server: TrackingServer | None, runs: Path, say: Callable[[str], None]) -> None:
        self._server, self._runs, self._say = server, runs, say
        self._process: subprocess.Popen[str] | None = None
        self._threads: list[Thread] = []
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._sent: dict[str, float] = {}
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End the input of the process, which finishes by itself."""
        self._lines.put(None)

    def watching(self, observer: Observer) -> Observer:
        """Return an observer that passes everything on to another one, and changed runs to this mirror."""
        return _Watching(observer, self)

    def started(self, run_id: str, pending: bool) -> None:
        """Note that a run begins; one with nothing to do is sent only to a server that was asked for."""
        if pending or (self._server and self._server.named):
            self.changed(run_id)

    def changed(self, run_id: str) -> None:
        """Send a run whose records have changed."""
        if self._server is None:
            return
        self._sent[run_id] = time.monotonic()
        if self._process is None:
            self._start(self._server)
        self._lines.put(json.dumps(str(self._runs / run_id)))

    def grown(self, run_id: str) -> None:
        """Send a run with one more fold, unless it was sent lately."""
        if time.monotonic() - self._sent.get(run_id, -SENT_AGAIN) >= SENT_AGAIN:
            self.changed(run_id)

    def ended(self, run_id: str) -> None:
        """Send a run with nothing left to do, if it was sent at all."""
        if run_id in self._sent:
            self.changed(run_id)

    @property
    def at_work(self) -> bool:
        """Whether `finish` has a process to wait for."""
        return self._process is not None

    def finish(self) -> str:
        """Wait a while for the process, and return a line on the state of MLflow; empty where nothing was mirrored."""
        self._lines.put(None)
        if self._server is None or self._process is None:
            return ""
        at, later = f"MLflow at {self._server.address}", self._server.later
        try:
            code = self._process.wait(WAIT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # all is recorded, so the run is not interrupted
            return f"{at} is still being written; {later} completes it"
        for thread in self._threads:
            thread.join()
        if code and not self._warned:
            return f"{at} is not up to date (its writer ended with exit code {code}); {later} brings it up to date"
        return "" if code else f"MLflow: {self._server.look}"

    def _start(self, server: TrackingServer) -> None:
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
        artifacts = server.artifacts and str(server.artifacts)
        self._lines.put(json.dumps({"uri": server.uri, "artifacts": artifacts, "named": server.named}))
        for target, stream in ((self._write, process.stdin), (self._read, process.stdout)):
            self._threads.append(Thread(target=target, args=(stream,), daemon=True))
            self._threads[-1].start()

    def _write(self, stream: IO[str]) -> None:
        with suppress(OSError), stream:  # a process that has ended is reported in the end
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
    """Passes on to the display, then to the mirror."""

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
