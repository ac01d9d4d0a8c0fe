"""The store: prepared inputs are kept and reused.

A *shelf* is one input of one database: a folder ``<database>/<kind>-<digest>/`` with ``shelf.json``, its description,
and a file a clip, ``<key>-<checksum>.npy``. The key covers everything else that the array depends on: the clip's
annotation, and names, sizes and times of its frame files; the checksum is that of the array file. Files are written
under another name and renamed, so they are complete: after a kill the missing ones are built, a changed clip is built
again, and a changed byte is detected when the file is read.
"""

import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.inputs import InputSpec
from merbench.databases.registrations import home
from merbench.prepare import CODE_VERSION
from merbench.prepare.faces.find import dlib_version
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import code_of, kind_of
from merbench.prepare.pools import Array, Build, BuildTogether, in_parallel, several_at_once

_CHECKSUM_DIGITS = 16
_SHELF = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}")  # other folders are not part of the store


class PreparationWatcher(Protocol):
    """Shows how the preparation goes."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` clips of an input are built."""
        return

    def note(self, text: str) -> None:
        """Show a line."""
        return


class _Silent(PreparationWatcher):
    """Shows nothing."""


SILENT: PreparationWatcher = _Silent()


class ShelfFile(BaseModel, extra="forbid", frozen=True):
    """``shelf.json``: database and input of a shelf, with ``faces`` settled, and the versions that built it.

    The code's is ``merbench.prepare.CODE_VERSION``; dlib's is empty unless dlib finds the faces, torch's unless it
    computes the flow; that of the input kind is absent from the name while it is 1, and the digest of its code unless
    it is a package's.
    """

    database: str
    spec: InputSpec
    code_version: int = CODE_VERSION
    opencv: str = cv2.__version__
    dlib: str = ""
    kind_version: int = 1
    kind_code: str = ""
    torch: str = ""

    @classmethod
    def of(cls, database: str, spec: InputSpec) -> "ShelfFile":
        """Describe the shelf that this installation would build for a settled `spec`."""
        needs_dlib = getattr(spec, "faces", "") == "landmarks"
        dlib = dlib_version() if needs_dlib else ""
        version, code = kind_of(spec).version, code_of(spec)
        torch = package_version("torch") if getattr(spec, "algorithm", "") == "tvl1-torch" else ""
        return cls(database=database, spec=spec, dlib=dlib, kind_version=version, kind_code=code, torch=torch)

    @property
    def name(self) -> str:
        """The name of the shelf's folder; later additions at their defaults are not part of it."""
        content, spec = self.model_dump(mode="json"), self.spec
        for setting in spec.added_later:
            if getattr(spec, setting) == type(spec).model_fields[setting].default:
                del content["spec"][setting]
        if self.kind_version == 1:
            del content["kind_version"]
        for name in ("kind_code", "torch"):
            if not content[name]:
                del content[name]
        return f"{spec.kind}-{digest(content)[:12]}"

    @property
    def is_current(self) -> bool:
        """Whether this installation would build the same."""
        return self == ShelfFile.of(self.database, self.spec)


def store_folder() -> Path:
    """Return the store's folder, within ``MERBENCH_HOME``."""
    return home() / "store"


def clip_key(clip: ClipFrames, timed: bool = False) -> str:
    """Digest all that a clip's arrays depend on: annotation, name, size and time of each frame file; fps if `timed`."""
    annotated = [clip.name, clip.onset, clip.apex, clip.offset, clip.cropped, *([clip.fps] if timed else [])]
    files = []
    for number, path in clip.files.items():
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}, a frame of {clip.name}, can't be read: {error.strerror or error}") from error
        files.append([number, path.name, status.st_size, status.st_mtime_ns])
    return digest([annotated, files])[:32]


class Shelf:
    """One input of one database, by its description, or in a folder: None if ``shelf.json`` is missing or damaged."""

    def __init__(self, file: ShelfFile | None, folder: Path | None = None) -> None:
        self.file = file
        if folder is None:
            assert file is not None
            folder = store_folder() / file.database / file.name
        self.folder = folder

    def arrays(self) -> dict[str, Path]:
        """Return key -> file of the clips that are built."""
        return {path.name.partition("-")[0]: path for path in sorted(self.folder.glob("*-*.npy"))}

    def size(self) -> int:
        """Return the bytes of its arrays."""
        return sum(path.stat().st_size for path in self.arrays().values())

    def remove(self) -> None:
        """Remove it; raises MerbenchError if a process is building it, or if it can't be removed."""
        with _writing(self.folder):
            try:
                with FileLock(self.folder / ".lock", timeout=0):
                    shutil.rmtree(self.folder)
            except Timeout:
                raise MerbenchError(f"{self.folder} is in use by another process: try again later") from None
            with suppress(OSError):
                self.folder.parent.rmdir()  # its database's folder, if that was the last

    def provide(
        self,
        clips: Sequence[ClipFrames],
        build: Build,
        watcher: PreparationWatcher,
        workers: int | None = None,
        processes: bool = False,
        before: Callable[[Sequence[ClipFrames]], object] | None = None,
        together: tuple[int, BuildTogether] | None = None,
    ) -> list[Path]:
        """Build the missing `clips`, in parallel, and return the file of each.

        `processes`: `build` holds the interpreter lock. `before` is called with the missing clips. `together`: so many
        clips are built at once, by this, instead.

        Of two processes at the same time, the second waits and uses the files of the first. Memory does not grow with
        the number of clips. DataError names all clips that can't be built, and the others are kept; MerbenchError if
        the store can't be written.
        """
        assert self.file is not None
        keys = self._keys(clips)
        there = self.arrays()
        if not set(keys) <= set(there) or _description(self.folder) is None:
            with self._alone(watcher):
                there = self.arrays()
                missing = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in there}
                if missing:
                    if before is not None:
                        before(list(missing.values()))
                    some = several_at_once(missing, together[1], together[0]) if together else None
                    with closing(some or in_parallel(missing, build, workers, processes)) as results:
                        self._build(missing, len(clips), results, watcher)
                there = self.arrays()
        return [there[key] for key in keys]

    def there(self, clips: Sequence[ClipFrames]) -> list[Path | None]:
        """Return the file of each clip that is built."""
        arrays = self.arrays()
        return [arrays.get(key) for key in self._keys(clips)]

    def _keys(self, clips: Sequence[ClipFrames]) -> list[str]:
        assert self.file is not None
        timed = kind_of(self.file.spec).needs_fps(self.file.spec)
        return [clip_key(clip, timed) for clip in clips]

    @staticmethod
    def read(path: Path) -> Array:
        """Read and verify one file; DataError if it has changed since it was written."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror or error}") from error
        if path.stem.partition("-")[2] != bytes_digest(content)[:_CHECKSUM_DIGITS]:
            raise DataError(f"{path} has changed since it was built")
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))

    def _build(
        self,
        missing: Mapping[str, ClipFrames],
        total: int,
        results: Iterable[tuple[str, Future[Array]]],
        watcher: PreparationWatcher,
    ) -> None:
        assert self.file is not None
        what, done = f"{self.file.database}: {self.file.spec}", total - len(missing)
        watcher.preparing(what, done, total)
        failed = []
        try:
            for key, future in results:
                try:
                    self._write(key, future.result())
                except DataError as error:
                    failed.append(str(error))
                except cv2.error as error:
                    failed.append(f"{missing[key].name}: OpenCV failed: {error}")
                else:
                    done += 1
                    watcher.preparing(what, done, total)
        except BrokenProcessPool as error:
            raise MerbenchError(
                f"{what}: a process ended unexpectedly, perhaps for lack of memory; built clips are kept: run the same "
                "command again, or first merbench data prepare with fewer --workers"
            ) from error
        if failed:
            count = f"{len(failed)} clip{'s' * (len(failed) > 1)} can't be prepared"
            raise DataError(f"{what}: {count} (the others are kept): {'; '.join(sorted(failed))}")

    def _write(self, key: str, array: Array) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        content = buffer.getvalue()
        with _writing(self.folder):
            draft = self.folder / f".{key}.{os.getpid()}.tmp"
            try:
                draft.write_bytes(content)
                draft.replace(self.folder / f"{key}-{bytes_digest(content)[:_CHECKSUM_DIGITS]}.npy")
            finally:
                draft.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, watcher: PreparationWatcher) -> Iterator[None]:
        """Hold the shelf's lock, which is released by a kill, and write the description."""
        assert self.file is not None
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                watcher.note(f"{self.file.database}: waiting for another process that prepares {self.file.spec}")
                lock.acquire()
        try:
            with _writing(self.folder):
                for draft in self.folder.glob(".*.tmp"):  # of a build that was killed; the lock excludes others
                    draft.unlink(missing_ok=True)
                draft = self.folder / ".shelf.tmp"
                draft.write_text(self.file.model_dump_json(indent=1), encoding="utf-8")
                draft.replace(self.folder / "shelf.json")
            yield
        finally:
            lock.release()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MerbenchError(
            f"the store {folder} can't be written ({error.strerror or error}): free some space, make it writable, "
            "or set MERBENCH_HOME to another folder; built clips are kept"
        ) from error


def _description(folder: Path) -> ShelfFile | None:
    try:
        return ShelfFile.model_validate_json((folder / "shelf.json").read_bytes())
    except (OSError, ValidationError):
        return None


def stored_shelves() -> list[Shelf]:
    """List the shelves of the store."""
    folders = sorted(path for path in store_folder().glob("*/*") if _SHELF.fullmatch(path.name))
    return [Shelf(_description(folder), folder) for folder in folders]


def remove_file(path: Path) -> None:
    """Remove one array."""
    with _writing(path.parent):
        path.unlink(missing_ok=True)
