"""Merbench's command line, started again and again, each time to be killed, or to meet a disk or clock that fails.

A true command spends its first seconds importing: most kills would hit that. So this file, run as a script, imports
what ``merbench run`` needs once, and forks for each command: the child has no thread of its parent's, calls the same
``main()`` as the true command, and is killed from outside with its whole process group. What becomes of a file system
when a process is killed is the same for both.

A job is an object with ``argv`` and ``cwd``, and perhaps one of:

``kill``
    ``after`` so many seconds; with ``at`` and ``number`` these are counted from the n-th change to a path that matches.
``fault``
    From the n-th change to a path that matches on, every such change fails with this ``errno``.
``meanwhile``
    At the n-th change to a path that matches, before it is made, another process runs this ``command`` to its end.
``clock``
    Seconds by which the clock is wrong, one after the other, round and round.

``values``
    What names of merbench's modules, ``module:name``, are set to.

A change is what Python tells its audit hooks of: a file opened for writing, made, renamed or removed.
"""

import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Self

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # no threads before a fork
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_TRACKING_URI": "none",
    "COLUMNS": "200",
}
MODULES = (
    "merbench.cli.display",
    "merbench.engine.execute.grid",
    "merbench.methods.floors.majority.method",
    "merbench.report.views.compare",
    "merbench.report.write.terminal",
    "merbench.tracking.mirror",
    "rich.table",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal that killed it; what it printed."""

    code: int
    out: str
    err: str
    seconds: float


class Commands:
    """The test's end of the script; commands run one at a time, or side by side with `together`.

    `home` is ``MERBENCH_HOME``, unless a command is given another; Python finds the methods of the tests in `site`;
    `modules` are imported beforehand, after merbench's own.
    """

    def __init__(self, home: Path, site: Path, *modules: str) -> None:
        self.home, self._site, self._modules = home, site, modules

    def __enter__(self) -> Self:
        command, pipe = [sys.executable, __file__, *self._modules], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=self.environment)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def environment(self) -> dict[str, str]:
        """Return what a true command needs to find the same methods and data."""
        return os.environ | ENVIRONMENT | {"MERBENCH_HOME": str(self.home), "PYTHONPATH": str(self._site)}

    def __call__(self, cwd: Path, *words: object, **options: Any) -> Ended:
        """Run a command to its end."""
        return self.together(cwd, words, **options)[0]

    def together(self, cwd: Path, *commands: Sequence[object], **options: Any) -> list[Ended]:
        """Run commands side by side to their ends."""
        about = {"cwd": str(cwd), "home": str(self.home), **options}
        jobs = [{"argv": [str(word) for word in words], **about} for words in commands]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the forking process has died"
        return [Ended(**answer) for answer in json.loads(line)]


# --- the script -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer lines of jobs until there are no more."""
    for name in (*MODULES, *sys.argv[1:]):
        importlib.import_module(name)
    # Other threads, and what they hold, would be missing in children; Arrow's allocator ends its own for a fork.
    names = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    assert len(names - {"jemalloc_bg_thd"}) <= 1, names
    for line in sys.stdin:
        started = [Child(job, number) for number, job in enumerate(json.loads(line))]
        print(json.dumps([child.end() for child in started]), flush=True)


class Child:
    """A command in a forked process, in a process group of its own."""

    def __init__(self, job: dict[str, Any], number: int) -> None:
        self._job, self._began = job, time.monotonic()
        self._files = [Path(job["home"]) / f".{name}-{number}" for name in ("out", "err")]
        self._told, tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._told)
            play(job, self._files, lambda: os.write(tell, b"."))
        os.close(tell)
        os.setpgid(self._pid, self._pid)

    def end(self) -> dict[str, Any]:
        """Wait for its end, or bring that about."""
        kill = self._job.get("kill")
        if (
            kill
            and ("at" not in kill or (self._wait(None) and os.read(self._told, 1)))
            and not self._wait(kill["after"])
        ):
            os.killpg(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._told)
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in self._files)
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "out": out, "err": err, "seconds": time.monotonic() - self._began}

    def _wait(self, seconds: float | None) -> bool:
        """Wait so long for a word of the child, or for its end, which closes the pipe: then nothing can be read."""
        return bool(select.select([self._told], [], [], seconds)[0])


def play(job: dict[str, Any], files: list[Path], tell: Callable[[], object]) -> None:
    """Be the command; never returns."""
    code = 99
    try:
        os.setpgid(0, 0)
        for target, path in zip((1, 2), files, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), target)
        os.chdir(job["cwd"])
        os.environ["MERBENCH_HOME"] = job["home"]
        if "at" in job.get("kill", {}):
            at_change(job["kill"]["at"], job["kill"]["number"], lambda number: number or tell())
        if fault := job.get("fault"):
            at_change(fault["at"], fault["number"], lambda _: fail(fault["errno"]))
        if meanwhile := job.get("meanwhile"):
            at_change(
                meanwhile["at"], meanwhile["number"], lambda n: n or subprocess.run(meanwhile["command"], check=True)
            )
        for name, value in job.get("values", {}).items():
            module, _, attribute = name.partition(":")
            setattr(importlib.import_module(module), attribute, value)
        if "clock" in job:
            set_clock(job["clock"])
        sys.argv = ["merbench", *job["argv"]]
        from merbench.cli import main

        main()
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def at_change(pattern: str, first: int, act: Callable[[int], object]) -> None:
    """Act at the `first` change to a path that matches and at every later one, told which one it is from there."""
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in _CHANGES and not (event == "open" and args[2] & _WRITING):
            return
        path = args[event == "os.rename"]
        if isinstance(path, str | os.PathLike) and re.search(pattern, os.path.abspath(path)):  # noqa: PTH100
            seen += 1
            if seen >= first:
                act(seen - first)

    sys.addaudithook(hook)


def fail(number: int) -> None:
    """Fail as the system does."""
    raise OSError(number, os.strerror(number))


def set_clock(errors: Sequence[float]) -> None:
    """Let the clock be wrong, by something else each time it is read."""
    from merbench.records import files

    wrong, true = cycle(errors), time.time

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=next(wrong))

    files.datetime = Jumping  # type: ignore[misc]
    time.time = lambda: true() + next(wrong)


if __name__ == "__main__":
    serve()
