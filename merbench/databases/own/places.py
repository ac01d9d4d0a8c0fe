"""Where the frames of a clip are: a folder of numbered pictures, a video, or an onset and an apex picture."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from merbench.contracts.errors import DataError
from merbench.contracts.notes import shortened
from merbench.databases.reading.trees import FolderContent, frames_and_strays, survey
from merbench.databases.reading.videos import is_video

#: Dataset, subject, clip, and whether no other subject has such a clip -> its path.
Finder = Callable[[str, str, str, bool], str]

MOST_FOLDERS = 100_000
_LEVELS = 5
_MARKED = re.compile(r"(.*?)[\W_]*(onset|apex|offset)(?:[\W_]*\d+)?\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_MARKS = ("onset", "apex", "offset")


def finder(spelled: Mapping[str, str]) -> Finder:
    """Return ``f(dataset, subject, clip, unique)``, which returns the path of a clip.

    `spelled` is path -> its name, whose last parts may name a clip: ``dataset/subject/clip``, ``subject/clip`` or
    ``subject_clip``, in this order, whatever the case, signs and leading zeros; ``clip`` alone where it is `unique`: no
    other subject has such a clip. DataError if there is none, or there are several.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path, name in spelled.items():
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            found[_key("/".join(parts[-count:]))].add(path)

    def find(dataset: str, subject: str, clip: str, unique: bool) -> str:
        for name in (f"{dataset}/{subject}/{clip}", f"{subject}/{clip}", *[clip] * unique):
            paths = sorted(found.get(_key(name), ()))
            if len(paths) > 1:
                raise DataError(f"{', '.join(paths[:3])} could be {subject}/{clip}: add a column path")
            if paths:
                return paths[0]
        raise DataError(f"{subject}/{clip}")

    return find


def places(folder: Path) -> Finder:
    """Return what finds the folders, videos and marked pictures below a folder."""
    spelled = {}
    for place in survey(folder, ends=lambda _: False, levels=_LEVELS, most=MOST_FOLDERS):
        for name in _of(folder, place):
            path = (place.path / name).relative_to(folder)
            spelled[path.as_posix()] = (path.with_suffix("") if is_video(path) else path).as_posix()
    return finder(spelled)


def _of(folder: Path, place: FolderContent) -> Iterator[str]:
    """Yield what can be a clip in a folder: itself, its videos, the common beginning of its marked pictures."""
    pictures = [name for name in place.files if re.search(r"\.(jpe?g|png|bmp)$", name, re.IGNORECASE)]
    begun = {match[1] for name in pictures if (match := _MARKED.fullmatch(name))}
    if pictures and place.path != folder and not any(begun):
        yield ""
    yield from (name for name in begun if name)
    yield from (name for name in place.files if is_video(Path(name)))


def named_place(folder: Path, path: str) -> str:
    """Return the place that the column `path` names; DataError if it does not exist below `folder`."""
    plain = path.replace("\\", "/").strip("/")
    with suppress(OSError):  # too long a name
        if ".." not in plain.split("/") and ((folder / plain).exists() or marked_pictures(folder / plain)):
            return plain
    raise DataError(f"{shortened(plain)} does not exist below {folder}")


def _key(name: str) -> str:
    """Write a name for comparison: words in lower case, numbers without leading zeros, joined by ``_``."""
    return "_".join(
        word.lstrip("0") or "0" if word.isdigit() else word for word in re.findall(r"[^\W\d_]+|\d+", name.lower())
    )


def marked_pictures(path: Path) -> dict[int, Path]:
    """Return the pictures called onset, apex and offset as frames 0, 1, 2: of a folder, or of files that begin so."""
    begin, folder = ("", path) if path.is_dir() else (path.name.lower(), path.parent)
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for name in FolderContent.of(folder).files:
        match = _MARKED.fullmatch(name)
        if match is not None and match[1].lower() == begin:
            if match[2].lower() in found:
                raise DataError(f"{folder}: {found[match[2].lower()].name} and {name} are both the {match[2].lower()}")
            found[match[2].lower()] = folder / name
    return {_MARKS.index(mark): found[mark] for mark in _MARKS if mark in found}


def frames_at(path: Path, first_frame: int) -> dict[int, Path]:
    """Return number -> file of the frames of a clip, in order; of a video, every number has the same file."""
    if path.is_file() and is_video(path):
        return {number - 1 + first_frame: file for number, file in frames_and_strays(path)[0].items()}
    if marked := marked_pictures(path):
        return marked
    return frames_and_strays(path)[0] if path.is_dir() else {}


def overlapping(spans: Iterable[tuple[int, str, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the rows of two clips that share frames of one place; a span is row, place, onset, offset."""
    before: dict[str, tuple[int, int]] = {}
    for row, place, onset, offset in sorted(spans, key=lambda span: (span[1], span[2])):
        if place in before and onset <= before[place][1]:
            yield row, before[place][0]
        if place not in before or offset > before[place][1]:
            before[place] = row, offset
