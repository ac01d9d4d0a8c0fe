"""Folders of frames: what lies in them, which numbers the frames have, and how large their pictures are.

Everything is found by reading names, never by composing them, so zero fill, case and extension may differ from copy to
copy. What operating systems and sync programs leave behind is passed over.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from merbench.contracts.errors import DataError

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
_FRAME = re.compile(r"(.*?)([0-9]+)([^0-9]*)\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_LEFT_BEHIND = ("thumbs.db", "desktop.ini", "__macosx")
_MOST_FOLDERS = 5000  # that are looked into before a search is given up


@dataclass(frozen=True)
class Place:
    """What lies in a folder, by name; stray files are left out.

    Attributes
    ----------
    path : Path
        The folder.
    folders, files : tuple of str
        Names, sorted; links count as what they lead to.
    """

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> "Place":
        """Look into a folder.

        Raises
        ------
        DataError
            The folder can't be read, or holds a link that leads back to itself or to a folder above it.
        """
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if _stray(entry.name):
                        continue
                    if _is_folder(entry):
                        folders.append(entry.name)
                    elif entry.is_file():  # a link that leads nowhere is not
                        files.append(entry.name)
        except OSError as error:
            raise DataError(
                f"{path} can't be read ({error.strerror or error}): check its permissions, or copy it again"
            ) from error
        return cls(path, tuple(folders), tuple(files))


def _stray(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND or name.lower().endswith(".lnk")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    link = Path(entry.path)
    try:
        target, here = link.resolve(strict=True), link.parent.resolve()
    except FileNotFoundError:
        return False
    except (RuntimeError, OSError):  # a link to itself: which of them is raised depends on the version of Python
        target = here = link
    if target == here or target in here.parents:
        raise DataError(f"{link} is a link that leads back to itself or to a folder above it: remove it")
    return target.is_dir()


def numbered_frames(folder: Path) -> dict[int, Path]:
    """Return number -> file of a clip's frames, in order of number; see :func:`frames_and_strays`."""
    return frames_and_strays(folder)[0]


def frames_and_strays(folder: Path) -> tuple[dict[int, Path], list[str]]:
    """Return number -> file of a clip's frames, in order of number, and the names of pictures that are none.

    A frame's number is the last run of digits in its name: ``img46.jpg``, ``006_05562.jpg``, ``reg_image000123.bmp``.
    What stands before and after it is alike in all frames of a clip; pictures called otherwise than most, such as
    ``img46 (2).jpg`` or ``apex1.jpg``, are strays. Files that are no pictures are passed over.

    Raises
    ------
    DataError
        The folder can't be read, or two of its frames have one number; names them.
    """
    shapes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    strays = []
    for name in Place.of(folder).files:
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


def survey(folder: Path, ends: Callable[[Place], bool], levels: int = 3) -> Iterator[Place]:
    """Look into a folder and the folders below it, the upper ones first.

    Parameters
    ----------
    folder : Path
        Where to begin.
    ends : callable
        Says of a place that what lies below it need not be looked at.
    levels : int
        How many levels below `folder` to go.

    Raises
    ------
    DataError
        As :meth:`Place.of`; or there are more than 5000 folders.
    """
    level, looked_at = [folder], 0
    for depth in range(levels + 1):
        below: list[Path] = []
        for path in level:
            looked_at += 1
            if looked_at > _MOST_FOLDERS:
                raise DataError(f"{folder} holds more than {_MOST_FOLDERS} folders: give the database's own folder")
            place = Place.of(path)
            yield place
            if depth < levels and not ends(place):
                below += [path / name for name in place.folders]
        level = below


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a JPEG, PNG or BMP by its head alone, or None where there is no such head."""
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
    """Go from segment to segment of a JPEG until the one that holds its size; struct.error where the file ends."""
    file.seek(2)
    while True:
        marker, kind, length = struct.unpack(">BBH", file.read(4))
        if marker != 0xFF:
            return 0, 0
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # those three hold tables
            _, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
