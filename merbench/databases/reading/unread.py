"""The files in a folder that a reader can't use: videos, archives, tables and pictures, in a phrase for its refusal."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from merbench.databases.reading.trees import FolderContent

_ARCHIVES = r"\.(?:zip|rar|7z|tar|tgz|gz|bz2|xz|zst|z\d\d|part\d+)"
_PICTURES = r"\.(?:jpe?g|png|bmp|tiff?|pgm)"
_VIDEOS = r"\.(?:avi|mp4|mov|mkv|wmv|mpe?g|webm|m4v)"
_TABLES = r"\.(?:csv|tsv|txt|xlsx?|xlsm|xlsb|ods|numbers|mat)"
_OWN = "a table and pictures or videos of any names: merbench data add NAME --clips TABLE --frames DIR"


def unread(folder: Path, places: Sequence[FolderContent], sheet: str = "") -> str:
    """Name archives, videos, tables and pictures in `places`, with what to do; for a missing `sheet`, tables alone."""
    said = [*_said(folder, places, bool(sheet))]
    return f" (found: {'; '.join(said)})" if said else ""


def archives(folder: Path, places: Iterable[FolderContent]) -> str:
    """Name the archives in `places` and say what to do; empty without any."""
    found = [path for path, name in _files(folder, places).items() if re.search(f"{_ARCHIVES}$", name)]
    return f"archives ({len(found)}, such as {found[0]}): unpack them" if found else ""


def _files(folder: Path, places: Iterable[FolderContent]) -> dict[Path, str]:
    """Return the path of each file below `folder`, and its name in lower case."""
    return {
        place.path.relative_to(folder) / name: name.lower()
        for place in places
        for name in place.files
        if not name.startswith("~$")  # of a sheet that is open
    }


def _said(folder: Path, places: Sequence[FolderContent], sheet_missing: bool) -> Iterator[str]:
    files = _files(folder, places)

    def of(ending: str) -> list[Path]:
        return [path for path, name in files.items() if re.search(f"{ending}$", name)]

    if packed := archives(folder, places):
        yield packed
    if sheet_missing:
        if tables := of(_TABLES):
            some = ", ".join(map(str, tables[:3])) + ", ..." * (len(tables) > 3)
            yield f"{some}: save the sheet as .xlsx, .xls or .csv, called like the example"
        return
    if videos := of(_VIDEOS):
        yield f"videos ({len(videos)}, such as {videos[0]}): extract the frames, numbered as in the sheet"
    if pictures := of(_PICTURES):
        yield f"pictures ({len(pictures)}, such as {pictures[0]})"
    if videos or pictures:
        yield _OWN
