"""Folders of frames: their content, the numbers of the frames, and the size of the pictures.

Everything is found by reading names, never by composing them, so zero fill, case and extension may differ from copy to
copy. Files of operating systems and sync programs are ignored.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from merbench.contracts.errors import DataError
from merbench.databases.reading.videos import frame_count, is_video

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
_FRAME = re.compile(r"(.*?)([0-9]+)([^0-9]*)\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_LEFT_BEHIND = ("thumbs.db", "desktop.ini", "__macosx")
_MOST_FOLDERS = 5000  # examined before a search is given up


@dataclass(frozen=True)
class FolderContent:
    """The content of a folder: sorted names, without stray files; links count as their targets."""

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> "FolderContent":
        """Read a folder; DataError if it can't be read, or has a link to itself or to a folder above it."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = entry.name.lower()
                    if name.startswith(".") or name in _LEFT_BEHIND or name.endswith(".lnk"):
                        continue
                    if _is_folder(entry):
                        folders.append(entry.name)
                    elif entry.is_file():  # a broken link is not
                        files.append(entry.name)
        except OSError as error:
            why = error.strerror or error
            raise DataError(f"{path} can't be read ({why}): check its permissions, or copy it again") from error
        return cls(path, tuple(folders), tuple(files))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    link = Path(entry.path)
    try:
        target, here = link.resolve(strict=True), link.parent.resolve()
    except FileNotFoundError:
        return False
    except (RuntimeError, OSError):  # a link to itself; the exception depends on the version of Python
        target = here = link
    if target == here or target in here.parents:
        raise DataError(f"{link} is a link to itself or to a folder above it: remove it")
    return target.is_dir()


def frames_and_strays(folder: Path) -> tuple[dict[int, Path], list[str]]:
    """Return number -> file of a clip's frames, in order of number, and the names of pictures that are not frames.

    A frame's number is the last run of digits in its name: ``img46.jpg``, ``006_05562.jpg``, ``reg_image000123.bmp``.
    The text before and after it is the same in all frames of a clip; pictures with other names than most, such as
    ``img46 (2).jpg`` or ``apex1.jpg``, are strays. Other files are ignored. The frames of a video count from 1 and
    have its file. DataError if the folder or the video can't be read, or two frames have one number.
    """
    if is_video(folder) and folder.is_file():
        return dict.fromkeys(range(1, frame_count(folder) + 1), folder), []
    shapes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    strays = []
    for name in FolderContent.of(folder).files:
        match = _FRAME.fullmatch(name)
        if match is not None:
            shapes.setdefault((match[1].lower(), match[3].lower()), []).append((int(match[2]), name))
        elif name.lower().endswith(_PICTURES):
            strays.append(name)
    if not shapes:
        return {}, strays
    usual = max(shapes, key=lambda shape: len(shapes[shape]))
    strays += [name for shape, named in shapes.items() if shape != usual for _, name in named]
    frames: dict[int, Path] = {}
    for number, name in sorted(shapes[usual]):
        if number in frames:
            raise DataError(f"{folder}: {frames[number].name} and {name} are both frame {number}; remove one of them")
        frames[number] = folder / name
    return frames, strays


def survey(
    folder: Path, ends: Callable[[FolderContent], bool], levels: int = 3, most: int = _MOST_FOLDERS
) -> Iterator[FolderContent]:
    """Yield the content of a folder and of the folders up to `levels` below it, upper ones first.

    The folders below one that `ends` is true of are skipped. DataError as :meth:`FolderContent.of`, or if there are
    more than `most` folders.
    """
    level, looked_at = [folder], 0
    for depth in range(levels + 1):
        below: list[Path] = []
        for path in level:
            looked_at += 1
            if looked_at > most:
                raise DataError(f"{folder} has more than {most} folders: give the folder of the database")
            place = FolderContent.of(path)
            yield place
            if depth < levels and not ends(place):
                below += [path / name for name in place.folders]
        level = below


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a JPEG, PNG or BMP from its header, or None without such a header."""
    try:
        with path.open("rb") as file:
            head = file.read(26)
            if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
                width, height = struct.unpack(">II", head[16:24])
            elif head.startswith(b"BM") and len(head) == 26:
                width, height = struct.unpack("<ii", head[18:26])
            elif head.startswith(b"\xff\xd8"):
                width, height = _jpeg_size(file)
            else:
                return None
    except (OSError, struct.error):
        return None
    return (width, abs(height)) if width > 0 and height else None  # a BMP's height is negative if it is stored top down


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """Go from segment to segment of a JPEG until the one that holds its size; struct.error at the end of the file."""
    file.seek(2)
    while True:
        marker, kind, length = struct.unpack(">BBH", file.read(4))
        if marker != 0xFF:
            return 0, 0
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # those three hold tables
            _, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
