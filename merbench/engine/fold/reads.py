"""Files that a method reads from outside its folder while it runs: seen by Python's audit hook, kept with each fold.

It sees files that Python opens, in any thread, databases of SQLite, and what is given to `LOADERS`, but not other files
that C libraries open (HDF5, decoders of torchvision): memory maps and open descriptors show only what is not closed
yet; see ``docs/faults.md``. Libraries, system folders, code of merbench, compiled code and what the method itself wrote
are not counted.
"""

import importlib.metadata
import linecache
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from hashlib import file_digest
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

from merbench.contracts.digests import digest
from merbench.engine.plan.code import library_folders

#: System folders that libraries read: time zones, certificates, processor features; of ``/dev`` the devices that hold
#: nothing: files in ``/dev/shm`` are as those in any other folder.
SYSTEM = (
    "/proc", "/sys", "/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share", "/Library",
    *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "fd", "stdin")),
)  # fmt: skip
CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Files of Python that run while modules are imported, or installed packages searched.
IMPORTS = (
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
    importlib.metadata.__file__,
)
#: Functions of C libraries that open the file which is their first argument: watched where a method calls them by these
#: names, from modules that were imported before.
LOADERS = {
    "cv2": ("imread", "imreadmulti", "imcount", "VideoCapture"),
    "safetensors": ("safe_open",),
    "safetensors.torch": ("safe_open",),
    "safetensors.numpy": ("safe_open",),
}
#: Of more files than this only the number and a common digest are kept.
_MOST = 100


def text_of(path: Any) -> str:
    """Return an absolute path without dots, with its links unresolved: libraries may be installed as links."""
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - resolve() follows links


def absolute(folders: Iterable[str]) -> tuple[str, ...]:
    """Return absolute folders, with links both unresolved and resolved."""
    found = [text_of(folder) for folder in folders]
    return tuple(dict.fromkeys([*found, *map(os.path.realpath, found)]))


def within(path: str, folders: Iterable[str]) -> bool:
    """Return whether a path is one of the folders or in one."""
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def opened_for_writing(mode: Any, flags: Any) -> bool:
    """Say whether the arguments of an ``open`` event mean that the file is written."""
    return bool(flags & WRITING) if isinstance(flags, int) else any(letter in str(mode) for letter in "wax+")


@contextmanager
def reads_of(method: type) -> Iterator[dict[str, str]]:
    """Watch a method while it runs; the mapping has, at the end, path -> SHA-256 of the foreign files that it read."""
    found: dict[str, str] = {}
    begin_reads(_folder_of(method))
    try:
        yield found
    finally:
        found |= end_reads()


def begin_reads(folder: str) -> None:
    """Watch the code of a folder, until `end_reads`."""
    installed().begin(folder)


def end_reads() -> dict[str, str]:
    """Return path -> SHA-256 of the foreign files that were read since `begin_reads`."""
    read = {path: sha256 for path in sorted(installed().end()) if (sha256 := _checksum(path))}
    return {f"{len(read)} files, first {next(iter(read))}": digest(read)} if len(read) > _MOST else read


@contextmanager
def not_counted() -> Iterator[None]:
    """Read a file of merbench itself while a method runs."""
    watch = installed()
    on, watch.on = watch.on, False
    try:
        yield
    finally:
        watch.on = on


def changed_since(read: dict[str, str]) -> list[str]:
    """Name the files that a fold read, and that have other content now; files that are not here are not compared."""
    return [path for path, sha256 in read.items() if Path(path).is_file() and _checksum(path) != sha256]


@cache
def installed() -> "_Reads":
    """Install the audit hook, once a process; it can't be removed, and does nothing while no method runs."""
    watch = _Reads()
    sys.addaudithook(watch)
    return watch


def _folder_of(method: type) -> str:
    """Return the folder with the card of a method's class, or that of its module."""
    module = getattr(sys.modules.get(method.__module__), "__file__", None)
    if module is None:
        return os.devnull
    parents = list(Path(module).parents)[:4]
    return str(next((folder for folder in parents if (folder / "card.yaml").is_file()), parents[0]))


def _checksum(path: str) -> str:
    """Return the SHA-256 of a file; empty if it is not a file that can be read."""
    try:
        found = os.stat(path)  # noqa: PTH116 - its fields are the key of the cache
        if not stat.S_ISREG(found.st_mode):
            return ""  # a pipe would wait, a disk is large
        return _file_checksum(path, found.st_size, found.st_mtime_ns)
    except OSError:
        return ""


@cache
def _file_checksum(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - the key of the cache
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class _Reads:
    """Keep the foreign files that are opened for reading, from `begin` to `end`."""

    def __init__(self) -> None:
        self._ours = absolute([str(files("merbench")), str(files("merbench.methods"))])
        self._libraries = absolute([*library_folders(), *(SYSTEM if os.name == "posix" else ())])
        self.on = False
        self._read: set[str] = set()
        self._unwatch = ExitStack()

    def begin(self, own: str) -> None:
        self._own = absolute([own])
        self._compiled = absolute([*_compiled(), tempfile.gettempdir() + "/torchinductor_"])
        self._read = set()
        self._written: set[str] = set()
        self._unwatch.close()  # of a method that was interrupted
        self._unwatch = _watched(self._opened)
        self.on = True

    def end(self) -> set[str]:
        self.on = False
        self._unwatch.close()
        return self._read

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            self._opened(path, opened_for_writing(mode, flags))
        elif event == "sqlite3.connect":
            path = arguments[0]
            path = path[5:].partition("?")[0] if isinstance(path, str) and path.startswith("file:") else path
            self._opened(path)

    def _opened(self, path: Any, written: bool = False) -> None:
        if not self.on or not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor of a file opened before
        text = text_of(path)
        if written or not os.path.lexists(text):
            self._written.add(text)
        elif text not in self._read and text not in self._written and self._is_foreign(text):
            self._read.add(text)

    def _is_foreign(self, path: str) -> bool:
        for place in (path, *([] if within(path, self._libraries) else [os.path.realpath(path)])):
            if within(place, self._own) or within(place, self._libraries) or "__pycache__" in place:
                return False
            if place.endswith(CODE) and within(place, self._ours):
                return False
            if any(place.startswith(folder) for folder in self._compiled):
                return False
        return not self._a_library_is_imported()

    def _a_library_is_imported(self) -> bool:
        """Return whether a library does this while it is imported, or packages are searched; not the method's code."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name in IMPORTS or name == linecache.__file__:  # the source for a warning or a traceback
                return True
            if name != __file__ and not name.startswith("<") and not within(text_of(name), self._libraries):
                return False
            frame = frame.f_back
        return False


def _watched(opened: Callable[[Any], None]) -> ExitStack:
    """Let `opened` hear of what is given to `LOADERS`, until the result is closed."""

    def hearing(loader: Any) -> Any:
        @wraps(loader, updated=())
        def heard(*given: Any, **named: Any) -> Any:
            opened(next(iter((*given, *named.values())), None))
            return loader(*given, **named)

        return heard

    restore = ExitStack()
    for name, loaders in LOADERS.items():
        module = sys.modules.get(name)
        for loader in loaders:
            if (found := getattr(module, loader, None)) is not None:
                setattr(module, loader, hearing(found))
                restore.callback(setattr, module, loader, found)
    return restore


def _compiled() -> list[str]:
    """Return the folders in which torch keeps compiled code."""
    named = [os.environ.get(name) for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")]
    return [*filter(None, named), str(Path.home() / ".triton")]
