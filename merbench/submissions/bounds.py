"""Take a submission: its files are bounded and copied before anything reads them; nothing else is opened."""

import os
import re
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np

from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.files import kind_of, read_bounded

#: Files of a submitted run, each with its most MiB; ``code`` is the folder of its method.
FILES = {
    "run.json": 8, "complete.json": 8, "predictions.csv": 16, "epochs.npz": 32, "submission.json": 1,
    "verification.json": 1,
}  # fmt: skip
REQUIRED = ("run.json", "complete.json", "predictions.csv")
CODE = "code"
#: Of the folder of code: how many files and folders, how deep, how many MiB in all.
_MOST, _DEEPEST, _CODE_SIZE = 200, 4, 64
#: Of a file of Python, a card or notes, in MiB.
_TEXT_SIZE = 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_WIDEST, _LONGEST_LINE, _MOST_LINES = 200, 20_000, 200_000


def take(folder: Path, into: Path) -> None:
    """Copy a submission into an empty folder; MerbenchError names a file that is not one of a submission, or too large.

    Links, pipes, devices and sockets are refused unopened, and so are other names; of a folder with too many files no
    more are listed.
    """
    try:
        kind = folder.lstat().st_mode
    except (OSError, ValueError) as error:
        raise MerbenchError(f"{folder} can't be read: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISDIR(kind):
        raise MerbenchError(f"{folder} is {kind_of(kind)}, expected the folder of a submitted run")
    room = [_CODE_SIZE << 20, _MOST]
    for entry in _entries(folder, len(FILES) + 1, "a submitted run"):
        if entry.name == CODE and entry.is_dir(follow_symlinks=False):
            _take_code(Path(entry.path), into / CODE, room, 1)
        elif entry.name in FILES:
            (into / entry.name).write_bytes(_read(entry, FILES[entry.name] << 20))
        else:
            raise MerbenchError(f"{entry.path} is not part of a submitted run, which has {listed([*FILES, CODE])}")
    lacking = [name for name in REQUIRED if not (into / name).is_file()]
    if lacking:
        raise MerbenchError(
            f"{folder} lacks {listed(lacking)}: expected the folder of a run written by merbench submit"
        )


def _entries(folder: Path, most: int, what: str) -> list["os.DirEntry[str]"]:
    """List a folder, no more than `most` entries."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if len(found) == most:
                    raise MerbenchError(f"{folder} has more than {most} entries, too many for {what}")
                if not _NAME.fullmatch(entry.name):
                    expected = "expected letters, digits, dots, dashes and underscores"
                    raise MerbenchError(f"{folder} has a file with the name {entry.name[:100]!r}: {expected}")
                found.append(entry)
    except OSError as error:
        raise MerbenchError(f"{folder} can't be read: {error.strerror or error}") from error
    return sorted(found, key=lambda entry: entry.name)


def _read(entry: "os.DirEntry[str]", most: int) -> bytes:
    return read_bounded(Path(entry.path), most, "this part of a submission", links=False)


def _take_code(folder: Path, into: Path, room: list[int], depth: int) -> None:
    into.mkdir()
    if depth > _DEEPEST:
        raise MerbenchError(f"{folder} is nested more than {_DEEPEST} folders deep")
    entries = _entries(folder, _MOST, "the code of a method")
    room[1] -= len(entries)
    if room[1] < 0:
        raise MerbenchError(f"{into.name} has more than {_MOST} files and folders, too many for the code of a method")
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _take_code(Path(entry.path), into / entry.name, room, depth + 1)
        else:
            written = entry.name.endswith((".py", ".yaml", ".md"))
            content = _read(entry, min(room[0], _TEXT_SIZE << 20) if written else room[0])
            room[0] -= len(content)
            (into / entry.name).write_bytes(content)


def check_shapes(place: Path) -> None:
    """Bound what files of a taken submission hold before they are parsed; MerbenchError names one that exceeds it."""
    lines = (place / "predictions.csv").read_bytes().split(b"\n", _MOST_LINES + 1)
    if len(lines) > _MOST_LINES:
        raise MerbenchError(f"predictions.csv has more than {_MOST_LINES} lines")
    longest = max(map(len, lines))
    if longest > _LONGEST_LINE or lines[0].count(b",") >= _WIDEST:
        raise MerbenchError(f"predictions.csv has a line of {longest} bytes, {lines[0].count(b',') + 1} columns")
    for name in ("run.json", "complete.json", "submission.json"):
        path = place / name
        depth = _depth(path.read_bytes()) if path.exists() else 0
        if depth > 20:
            raise MerbenchError(f"{name} is nested more than 20 levels deep")
    if (place / "epochs.npz").exists():
        _check_arrays((place / "epochs.npz").read_bytes())


def _depth(content: bytes) -> int:
    """Return an upper bound of how deep JSON is nested: brackets in texts count, too."""
    signs = np.frombuffer(content, dtype=np.uint8)
    opened = np.isin(signs, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int32)
    closed = np.isin(signs, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int32)
    return int((opened - closed).cumsum().max(initial=0))


def _check_arrays(content: bytes) -> None:
    """Refuse arrays that would unpack to much more than a submission has."""
    known = {"predicted.npy": np.dtype(np.uint8), "inner_uf1.npy": np.dtype(np.float64)}
    try:
        with zipfile.ZipFile(BytesIO(content)) as packed:
            members = packed.infolist()
            if strange := [each.filename for each in members if each.filename not in known]:
                raise MerbenchError(f"epochs.npz has {listed(map(ascii, strange), most=3)}, expected {listed(known)}")
            if len(members) > len(known) or sum(each.file_size for each in members) > 256 << 20:
                raise MerbenchError("epochs.npz unpacks to more than 256 MiB, or has a member twice")
            for each in members:
                with packed.open(each) as stream:
                    shape, dtype = _header(stream)
                if dtype != known[each.filename] or int(np.prod(shape, dtype=object)) * dtype.itemsize > 256 << 20:
                    raise MerbenchError(f"epochs.npz: {each.filename} has shape {shape} of {dtype}")
    except MerbenchError:
        raise
    except Exception as error:  # a forged archive makes zipfile and NumPy raise nearly anything
        raise MerbenchError(f"epochs.npz is not a readable file of arrays: {type(error).__name__}") from error


def _header(stream: object) -> tuple[tuple[int, ...], "np.dtype[np.generic]"]:
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    if version != (1, 0):
        raise ValueError("another version of the format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=2_000)  # type: ignore[arg-type]
    return shape, dtype
