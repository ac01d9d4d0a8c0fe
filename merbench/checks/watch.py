"""A watch on files, network and processes, by Python's audit hook.

It sees operations of Python: ``open``, directory listings, SQLite, sockets, processes, loading of code. It does not see
files opened by C libraries (OpenCV's ``imread``, Arrow, HDF5), nor tests whether a file exists.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import source_from_cache
from pathlib import Path
from types import FrameType
from typing import Any

from merbench.engine.fold.reads import CODE, IMPORTS, SYSTEM, absolute, installed, opened_for_writing, text_of, within
from merbench.engine.plan.code import library_folders

#: Programs that libraries call to identify the machine.
_ASKING = {"lscpu", "uname", "sysctl", "ldconfig"}
#: Events that change files -> the positions of their arguments that are paths.
_CHANGES = {
    **dict.fromkeys(("os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"), (0,)),
    **dict.fromkeys(("os.rename", "os.link"), (0, 1)),
    "os.symlink": (1,),
}
_PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
_WATCHED = {
    *("open", "import", "os.listdir", "os.scandir", "sqlite3.connect", "socket.connect", "socket.getaddrinfo"),
    *_CHANGES,
    *_PROCESSES,
}
#: Metadata folders of installed packages; libraries search all of them for plug-ins.
_METADATA = (".dist-info", ".egg-info")


def watched(own: str, refused: Iterable[str], code: Iterable[str], around: Iterable[str]) -> "_Watch":
    """Watch this process from now on.

    The method may use the temporary folder; the caller provides an empty one. It may read in `own`, its folder, and
    only code in `refused`, even inside allowed folders. It may load code from `code`, in addition to its own folder
    and libraries. `around` are folders of the package that contains it: a library until `close` is called.
    """
    installed()  # it looks at folders that a method may not list
    watch = _Watch(own, refused, code, around)
    sys.addaudithook(watch)
    return watch


class _Watch:
    """Record accesses to anything outside a method, from ``sys.addaudithook`` until it is stopped."""

    def __init__(self, own: str, refused: Iterable[str], code: Iterable[str], around: Iterable[str]) -> None:
        self.trespasses: list[str] = []  #: operations that a method may not perform, each once, in words
        self.files: list[str] = []  #: files other than code that it read from its own folder and from caches
        self._own, self._refused, self._code = absolute([own]), absolute(refused), absolute(code)
        self._around = absolute(around)
        self._closed: tuple[str, ...] = ()
        self._libraries = absolute([*library_folders(), *(SYSTEM if os.name == "posix" else ()), *self._around])
        self._caches, self._scratch = absolute(_cache_folders()), absolute([tempfile.gettempdir()])
        self._on = True

    def close(self) -> None:
        """Forbid further reads from the package around the method's folder, after its own imports."""
        self._closed = self._around

    def stop(self) -> None:
        """Stop recording; an audit hook cannot be removed."""
        self._on = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Examine one event."""
        if not self._on or event not in _WATCHED:
            return  # many other events occur, even when a frame is examined
        code = sys._getframe(1).f_code
        if event != "shutil.rmtree" and code.co_filename == shutil.__file__ and "rmtree" in code.co_name:
            return  # a step of ``shutil.rmtree``, which reported the whole tree; its paths are relative to it
        if event == "open":
            self._opened(*arguments)
        elif event == "import" and arguments[1]:
            self._loaded(text_of(arguments[1]))
        elif event in ("os.listdir", "os.scandir"):
            self._listed(arguments[0])
        elif event in _CHANGES:
            for path in (arguments[place] for place in _CHANGES[event]):
                if not isinstance(path, int) and not self._may_change(text_of(path)):
                    self._add(f"{event} {text_of(path)}")
        elif event == "sqlite3.connect" and arguments[0] != ":memory:":
            self._add(f"opened the database {text_of(arguments[0])}")
        elif event == "socket.connect":
            self._add(f"connected to {arguments[1]!r}")
        elif event == "socket.getaddrinfo":
            self._add(f"looked up the address of {arguments[0]!r}")
        elif event in _PROCESSES and not self._a_library_is_imported():
            self._started(event, arguments)

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor of a file opened before
        text = text_of(path)
        if opened_for_writing(mode, flags):
            if not (text == os.devnull or self._may_change(text)):
                self._add(f"wrote {text}")
        elif text.endswith(CODE):
            self._loaded(text)
        elif not self._may_read(text) and not self._a_library_is_imported():
            self._add(f"opened {text}")
        elif (within(text, self._own) or within(text, self._caches)) and text not in self.files:
            self.files.append(text)

    def _loaded(self, path: str) -> None:
        """Examine a file of code that is opened, or was opened by the system's loader."""
        source = _source(path)
        real = os.path.realpath(source)
        known = (*self._code, *self._libraries, *self._caches, *self._scratch)
        closed = within(source, self._closed) or within(real, self._closed)
        if not (within(real, self._own) or (not closed and (within(source, known) or within(real, known)))):
            self._add(f"{'imported' if self._a_library_is_imported() else 'opened'} {source}")

    def _listed(self, path: Any) -> None:
        if isinstance(path, int) or self._a_library_is_imported():
            return  # searches for packages, and torch's search for its libraries
        text = text_of(path if path is not None else ".")
        if not self._may_read(text):
            self._add(f"listed {text}")

    def _started(self, event: str, arguments: tuple[Any, ...]) -> None:
        words = arguments[1] if event == "subprocess.Popen" else arguments[0] if arguments else event
        command = [words] if isinstance(words, str | bytes | os.PathLike) else list(words)
        program = Path(os.fsdecode(command[0])).name if command else event
        if program not in _ASKING:
            self._add(f"started a process ({program})")

    def _may_read(self, path: str) -> bool:
        real = os.path.realpath(path)
        if Path(path).parent.suffix in _METADATA or within(real, self._own) or within(real, self._scratch):
            return True
        refused = (*self._refused, *self._closed)
        if within(path, refused) or within(real, refused):
            return False
        return within(path, self._libraries) or within(real, self._libraries) or within(path, self._caches)

    def _may_change(self, path: str) -> bool:
        ours = within(path, self._caches) or within(os.path.realpath(path), self._scratch)
        return ours or "__pycache__" in path or self._a_library_is_imported()

    def _a_library_is_imported(self) -> bool:
        """Return whether a library does this while it is imported, or packages are searched; not the method's code."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name in IMPORTS:
                return True
            if name != __file__ and not name.startswith("<") and not self._is_a_library(text_of(name)):
                return False
            frame = frame.f_back
        return False

    def _is_a_library(self, path: str) -> bool:
        return within(path, self._libraries) and not within(path, (*self._own, *self._closed))

    def _add(self, what: str) -> None:
        if what not in self.trespasses:
            self.trespasses.append(what)


def _cache_folders() -> list[str]:
    """Return the folders in which torch and weight hubs keep downloaded or compiled files."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = [os.environ.get(name) for name in ("TORCH_HOME", "HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")]
    return [*filter(None, named), str(home / "torch"), str(home / "huggingface")]


def _source(path: str) -> str:
    """Return the source file of compiled code, or the file itself."""
    try:
        return source_from_cache(path)
    except ValueError:  # not in a cache
        return path
