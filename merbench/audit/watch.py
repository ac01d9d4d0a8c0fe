"""A watch on files, network and processes, by Python's audit hook.

It sees what goes through Python: ``open``, directory listings, SQLite, sockets, processes. A C library that opens a
file by itself (OpenCV's ``imread``, Arrow, HDF5) is not seen.
"""

import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

_CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")
#: Where systems keep what libraries read: time zones, certificates, what the processor can do.
_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share", "/Library")
#: Programs by which libraries ask what machine this is.
_ASKING = {"lscpu", "uname", "sysctl", "ldconfig"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
_PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
#: Folders that say of an installed package what it is; libraries look through all of them for plug-ins.
_METADATA = (".dist-info", ".egg-info")
_IMPORTS = ("<frozen importlib._bootstrap>", importlib.metadata.__file__)


class Watch:
    """Notes what code does outside of itself, from when it is added by ``sys.addaudithook`` until it is stopped.

    Parameters
    ----------
    own : str
        The method's folder, where it may read.
    refused : iterable of str
        Folders of which only code may be read, wherever they lie.

    Attributes
    ----------
    trespasses : list of str
        What a method may not do, each once, in words.
    files : list of str
        Files that it read of its own folder and of caches, other than code.
    """

    def __init__(self, own: str, refused: Iterable[str]) -> None:
        self.trespasses: list[str] = []
        self.files: list[str] = []
        self.own = _within_all([own])
        self.refused = _within_all(refused)
        self.libraries = _within_all(
            [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *(_SYSTEM if os.name == "posix" else ())]
        )
        self.caches = _within_all(_cache_folders())
        self._on = True

    def stop(self) -> None:
        """Note nothing any more; a hook can't be taken away."""
        self._on = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at one event."""
        if not self._on:
            return
        if event == "open":
            self._opened(*arguments)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(arguments[0])
        elif event in _CHANGES:
            self._changed(event, arguments[0])
        elif event == "sqlite3.connect" and arguments[0] != ":memory:":
            self._tell(f"opened the database {_text(arguments[0])}")
        elif event == "socket.connect":
            self._tell(f"connected to {arguments[1]!r}")
        elif event == "socket.getaddrinfo":
            self._tell(f"asked for the address of {arguments[0]!r}")
        elif event in _PROCESSES and not _importing():
            self._started(event, arguments)

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor, of what was opened before
        text = _text(path)
        writes = bool(flags & _WRITING) if isinstance(flags, int) else any(letter in str(mode) for letter in "wax+")
        if writes:
            if not (text == os.devnull or "__pycache__" in text or _in(text, self.caches) or _importing()):
                self._tell(f"wrote {text}")
        elif not self._may_read(text):
            self._tell(f"opened {text}")
        elif not text.endswith(_CODE) and (_in(text, self.own) or _in(text, self.caches)) and text not in self.files:
            self.files.append(text)

    def _listed(self, path: Any) -> None:
        if isinstance(path, int) or _importing():
            return  # packages are looked for, and torch looks for its libraries
        text = _text(path if path is not None else ".")
        if not self._may_read(text):
            self._tell(f"listed {text}")

    def _changed(self, event: str, path: Any) -> None:
        text = _text(path)
        if not (_in(text, self.caches) or "__pycache__" in text or _importing()):
            self._tell(f"{event} {text}")

    def _started(self, event: str, arguments: tuple[Any, ...]) -> None:
        words = arguments[1] if event == "subprocess.Popen" else arguments[0] if arguments else event
        command = [words] if isinstance(words, str | bytes | os.PathLike) else list(words)
        program = Path(os.fsdecode(command[0])).name if command else event
        if program not in _ASKING:
            self._tell(f"started a process ({program})")

    def _may_read(self, path: str) -> bool:
        real = os.path.realpath(path)
        if path.endswith(_CODE) or Path(path).parent.suffix in _METADATA or _in(real, self.own):
            return True
        if _in(path, self.refused) or _in(real, self.refused):
            return False
        return _in(path, self.libraries) or _in(real, self.libraries) or _in(path, self.caches)

    def _tell(self, what: str) -> None:
        if what not in self.trespasses:
            self.trespasses.append(what)


def _text(path: Any) -> str:
    """Return a path without dots, but with its links: libraries may be installed as links."""
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - resolve() follows links


def _within_all(folders: Iterable[str]) -> tuple[str, ...]:
    """Return absolute folders, as they are called and as they are."""
    absolute = [_text(folder) for folder in folders]
    return tuple(dict.fromkeys([*absolute, *map(os.path.realpath, absolute)]))


def _in(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _cache_folders() -> list[str]:
    """Return where torch and the hub of pretrained weights keep what they downloaded or compiled."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = [os.environ.get(name) for name in ("TORCH_HOME", "HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")]
    return [*filter(None, named), str(home / "torch"), str(home / "huggingface")]


def _importing() -> bool:
    """Say whether this happens while a module is imported, or installed packages are looked for."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename not in _IMPORTS:
        frame = frame.f_back
    return frame is not None
