"""A process that sees Python, its libraries and merbench's code, and nothing else: bubblewrap, or else unshare.

Where the system lets neither make namespaces, the process is a fresh one in an empty folder, with the same limits, but
files and network are in its reach: `isolation` says which and why.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

from merbench.contracts.errors import MerbenchError
from merbench.contracts.names import shown
from merbench.engine.execute import namespaces

#: System folders that programs need; of /etc only what the loader reads.
_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/alternatives",
)  # fmt: skip
#: The module that runs in the process.
_PROGRAM = "merbench.engine.execute.isolated"
#: An answer of more bytes is refused, and no more of the output is kept.
_LARGEST, _OUTPUT = 256 << 20, 20_000
#: Settings of the environment that a process keeps: they change results or where libraries are.
_KEPT = (
    "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip


class _Limits(NamedTuple):
    """What a process may use: address space in MiB, seconds of the clock, processes and threads, MiB in a file."""

    memory: int = 32_768
    seconds: int = 7_200
    processes: int = 512
    file: int = 4_096


_LIMITS = _Limits()


class _Isolation(NamedTuple):
    """How processes are kept from files and network here, None if they are not; a line that says so, or why not."""

    way: namespaces.Way | None
    text: str

    @property
    def whole(self) -> bool:
        """Whether processes see neither files nor network."""
        return self.way is not None


@cache
def isolation() -> _Isolation:
    """Try what this system offers."""
    why = [] if sys.platform == "linux" else ["namespaces need Linux"]
    ways: tuple[namespaces.Way, ...] = ("bubblewrap", "unshare")
    for way in ways if not why else ():
        if reason := _refused(way):
            why.append(reason)
        else:
            return _Isolation(way, f"isolated: no network, no data, no results, an empty temporary folder ({way})")
    found = "; ".join(why)
    return _Isolation(None, f"not isolated: {found}: a fresh process in an empty folder, files and network in reach")


def _refused(way: namespaces.Way) -> str:
    """Try to run a program in namespaces; return why that is not possible, empty if it is."""
    if not namespaces.tool(way):
        return f"{way} is not installed"
    mounts: list[namespaces.Mount] = [*(("bind", entry) for entry in _SYSTEM), ("proc", "/proc"), ("dev", "/dev")]
    try:
        with tempfile.TemporaryDirectory(prefix="merbench-apart-") as place:
            command = namespaces.command(way, [*mounts, ("tmpfs", "/tmp")], Path(place), ["true"])  # noqa: S108
            done = subprocess.run(command, capture_output=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        failed = bool(done.returncode)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        failed, reason = True, str(error)
    return f"this system lets {way} make no namespaces ({shown(reason)[:150]})" if failed else ""


def run_apart(order: dict[str, Any], folders: Iterable[Path] = ()) -> bytes:
    """Run an order in a process of its own and return its answer, which nothing vouches for.

    `order` is pickled for :mod:`merbench.engine.execute.isolated`; `folders` hold the method's code. MerbenchError
    where the process ends without an answer, answers too much, or takes too long.
    """
    content = pickle.dumps({**order, "limits": tuple(_LIMITS)}, protocol=5)
    with tempfile.TemporaryDirectory(prefix="merbench-apart-") as place:
        command, environment = _command(list(folders), Path(place))
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place, env=environment,
            start_new_session=True,
        )  # fmt: skip
        return _exchanged(process, content, _LIMITS.seconds)


def _command(folders: Sequence[Path], place: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command line of a process and its environment; `place` is an empty folder for it."""
    path = [entry for entry in sys.path if entry and Path(entry).exists()]
    program = [sys.executable, "-P", "-m", _PROGRAM]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1", "MERBENCH_HOME": "/nonexistent/home",
        "MERBENCH_RESULTS": "/nonexistent/results",
    }  # fmt: skip
    if (way := isolation().way) is None:
        (place / "tmp").mkdir()
        own = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "HOME"), str(place / "tmp"))
        return program, environment | own
    environment |= dict.fromkeys(("TMPDIR", "HOME"), "/tmp")  # noqa: S108 - of the process alone
    binds = [*_SYSTEM, *_outermost(_code(path) + [str(folder) for folder in folders])]
    mounts: list[namespaces.Mount] = [("bind", entry) for entry in binds]
    mounts[len(_SYSTEM) : len(_SYSTEM)] = [("proc", "/proc"), ("dev", "/dev"), ("tmpfs", "/tmp")]  # noqa: S108
    for entry in _packages("merbench.protocols", "merbench.results"):  # official lists, recorded predictions
        mounts += [("tmpfs", entry), ("bind", f"{entry}/__init__.py")]
    return namespaces.command(way, mounts, place, program), environment


def _code(path: Sequence[str]) -> list[str]:
    """Return the folders of Python, of its libraries, of merbench and its methods."""
    found = [sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)]
    found += [str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)]
    installed = [entry for entry in path if Path(entry).is_file() or any(Path(entry).glob("*.dist-info"))]
    return [*found, *installed, *_packages("merbench", "merbench.methods")]


def _packages(*names: str) -> list[str]:
    specs = filter(None, map(find_spec, names))
    return [str(folder) for spec in specs for folder in spec.submodule_search_locations or []]


def _outermost(folders: Iterable[str]) -> list[str]:
    """Return each folder once, outer ones before inner ones."""
    return sorted(dict.fromkeys(folders), key=lambda entry: (len(Path(entry).parts), entry))


def _exchanged(process: "subprocess.Popen[bytes]", content: bytes, seconds: float) -> bytes:
    """Send the order, read the answer within bounds and time, and end the process with all that it started."""
    said: list[bytes] = []
    late = threading.Event()

    def stop() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(seconds, stop)
    helpers = [
        threading.Thread(target=_feed, args=(process.stdin, content), daemon=True),
        threading.Thread(target=_tail, args=(process.stderr, said), daemon=True),
    ]
    try:
        for each in (timer, *helpers):
            each.start()
        assert process.stdout is not None
        answer = process.stdout.read(_LARGEST + 1)
        if len(answer) <= _LARGEST:
            process.wait()
    finally:
        timer.cancel()
        _end(process)
        process.wait()
        for each in helpers:
            each.join(5)
    if late.is_set():
        raise MerbenchError(f"the process of a fold took more than {seconds:g} s")
    if len(answer) > _LARGEST:
        raise MerbenchError(f"the process of a fold answered more than {_LARGEST >> 20} MiB")
    if process.returncode or not answer:
        lines = b"".join(said).decode(errors="replace").strip().splitlines() or ["no message"]
        line = shown(lines[-1])[:300]
        raise MerbenchError(f"the process of a fold ended with exit code {process.returncode}: {line}")
    return answer


def _feed(stream: IO[bytes] | None, content: bytes) -> None:
    assert stream is not None
    try:
        stream.write(content)
        stream.close()
    except OSError:  # it ended before it had read all
        return


def _tail(stream: IO[bytes] | None, said: list[bytes]) -> None:
    """Keep the end of what a process writes."""
    assert stream is not None
    while piece := stream.read1(65_536):  # type: ignore[attr-defined]
        said[:] = [b"".join([*said, piece])[-_OUTPUT:]]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its session; in namespaces all that it started ends with it."""
    try:
        os.killpg(process.pid, 9)
    except (OSError, AttributeError):
        process.kill()
