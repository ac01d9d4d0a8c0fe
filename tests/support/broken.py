"""Broken copies of every database: each kind of damage, done to a miniature of each reader.

:func:`broken_copies` yields reader, kind, a folder with the damaged copy, and an expression for the one line of its
refusal. A new reader adds a miniature, and gets all kinds that can befall it.
"""

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support import miniature

_PICTURES = ("*.jpg", "*.bmp", "*.png")
ROWS = {"casme2": miniature.casme2_grid(), "samm": miniature.samm_grid()}
SHEETS = {"casme2": "CASME2-coding-20140508.xlsx", "samm": "SAMM_Micro_FACS_Codes_v2.xlsx"}
TREES = {"casme2": "CASME2-RAW", "samm": "SAMM", "smic-hs": "HS", "smic-vis": "VIS", "smic-nir": "NIR"}
READERS = ("casme2", "samm", "smic-hs", "smic-vis", "smic-nir", *miniature.FURTHER)


class _Copy(NamedTuple):
    """A miniature that may be damaged: its folder and tree, its sheet and the cells of that."""

    name: str
    folder: Path
    tree: Path
    sheet: Path | None
    grid: list[list[Any]]

    @property
    def header(self) -> int:
        """Position of the header in the grid, -1 without one."""
        known = {"onset", "onsetframe", "onsetf", "onset frame"}
        return next((number for number, row in enumerate(self.grid) if known & {str(cell).lower() for cell in row}), -1)

    def columns(self, *words: str) -> list[int]:
        """Positions of the columns whose headers begin with one of `words`, by the place in a headless sheet."""
        if self.header < 0:
            return [("subject", "clip", "onset", "apex", "offset", "aus", "emotion").index(words[0])]
        row = [str(cell or "").lower() for cell in self.grid[self.header]]
        return [place for place, cell in enumerate(row) if cell.startswith(words)]

    def write(self, grid: list[list[Any]]) -> None:
        """Write the sheet anew: as CSV, which is quick, if it has one table."""
        assert self.sheet is not None
        if self.name in miniature.OF_SHEETS:
            miniature.write_sheet(self.sheet, grid, **miniature.OF_SHEETS[self.name])
            return
        self.sheet.unlink()
        with self.sheet.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(grid)

    def cells(self, change: Callable[[list[Any]], None]) -> None:
        """Change every row below the header."""
        grid = [list(row) for row in self.grid]
        for row in grid[self.header + 1 :]:
            if len(row) > 2:
                change(row)
        self.write(grid)


def _all(words: tuple[str, ...], value: Any) -> Callable[[_Copy], None]:
    """Return a damage that writes one value into the columns of every row; a function gets the row."""

    def damage(copy: _Copy) -> None:
        def change(row: list[Any]) -> None:
            for place in copy.columns(*words):
                row[place] = value(row, copy) if callable(value) else value

        copy.cells(change)

    return damage


def _instead(files: dict[str, bytes]) -> Callable[[_Copy], None]:
    """Return a damage that leaves nothing but some files."""

    def damage(copy: _Copy) -> None:
        shutil.rmtree(copy.folder)
        for name, content in files.items():
            (copy.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (copy.folder / name).write_bytes(content)

    return damage


def _frames(copy: _Copy) -> list[Path]:
    """Return the frames of the first clip."""
    paths = (path for pattern in _PICTURES for path in copy.tree.rglob(pattern))
    first = min(path for path in paths if copy.name == "mmew-macro" or "Macro" not in str(path)).parent
    return sorted(path for path in first.iterdir() if path.is_file())


def _each_frame(change: Callable[[Path], Any]) -> Callable[[_Copy], None]:
    return lambda copy: [change(path) for pattern in _PICTURES for path in list(copy.tree.rglob(pattern))] and None


def _twice(copy: _Copy) -> None:
    path = _frames(copy)[0]
    digits = re.findall(r"\d+", path.stem)[-1]
    shutil.copy(path, path.with_name(re.sub(rf"{digits}(?=\D*$)", f"0{digits}", path.stem) + path.suffix))


def _loop(copy: _Copy) -> None:
    (_frames(copy)[0].parent / "again").symlink_to(copy.tree)


def _renumber(copy: _Copy) -> None:
    """Give every frame another number, far from the sheet's."""

    def other(path: Path) -> None:
        path.rename(path.with_name(re.sub(r"\d+(?=\D*$)", lambda m: str(int(m[0]) + 10**7), path.stem) + path.suffix))

    _each_frame(other)(copy)


def _big(copy: _Copy) -> None:
    assert copy.sheet is not None
    with copy.sheet.open("r+b") as file:
        file.truncate(10 * 2**30)  # sparse: takes no room


def _sheet_as(content: bytes) -> Callable[[_Copy], None]:
    return lambda copy: copy.sheet.write_bytes(content) and None  # type: ignore[union-attr]


def _renamed(words: tuple[str, ...]) -> Callable[[_Copy], None]:
    """Return a damage that calls every column that begins with one of `words` something else."""

    def damage(copy: _Copy) -> None:
        grid = [list(row) for row in copy.grid]
        grid[copy.header] = ["Other" if str(c or "").lower().startswith(words) else c for c in grid[copy.header]]
        copy.write(grid)

    return damage


def _without_sheet(copy: _Copy) -> None:
    copy.sheet.unlink()  # type: ignore[union-attr]


def _saved_as(suffix: str) -> Callable[[_Copy], None]:
    return lambda copy: copy.sheet.rename(copy.sheet.with_suffix(suffix)) and None  # type: ignore[union-attr]


_O, _F = ("onset",), ("offset",)
_UNUSABLE = "no clip can be used: "
#: Kind of damage -> what does it, and the expression for the refusal, with {sheet} for the name of the sheet.
_ANY = {
    "an empty folder": (_instead({"readme.md": b"x"}), "no clip folders such as"),
    "only an archive": (_instead({"copy.zip": b"PK", "part.z01": b"x"}), r"archives \(2, such as copy.zip\): unpack"),
    "videos": (_instead({"videos/s1/clip1.avi": b"x"}), r"videos \(1, such as videos/s1/clip1.avi\): extract"),
    "pictures in one folder": (_instead({"s1_onset.jpg": b"x"}), r"pictures \(1, .*merbench data add NAME --clips"),
    "no frame in any folder": (_each_frame(Path.unlink), "no frames|no clip folders|no frame "),
    "text in place of frames": (_each_frame(lambda p: p.rename(p.with_suffix(".txt"))), "no frames|no clip folders"),
    "a number twice": (_twice, "are both frame"),
    "a link to a folder above": (_loop, "again is a link to itself or to a folder above it"),
}
_SHEETS = {
    "no sheet": (_without_sheet, "no annotation sheet such as .*give the folder with the sheet"),
    "a sheet of OpenOffice": (_saved_as(".ods"), r"\.ods: save the sheet as .xlsx"),
    "a sheet of another name": (lambda c: c.sheet.rename(c.folder / "labels.xlsx") and None, "labels.xlsx: save the"),
    "an empty sheet": (_sheet_as(b""), "{sheet} is empty"),
    "half a sheet": (lambda c: _sheet_as(c.sheet.read_bytes()[:900])(c), "{sheet} can't be read, it is damaged"),
    "a page of the web": (_sheet_as(b"<!DOCTYPE html><html>"), "{sheet} is not an Excel file"),
    "ten gigabytes": (_big, "too large for an annotation sheet .10240 MiB"),
    "only a header": (lambda c: c.write(c.grid[: c.header + 1]), "no rows below the header|is not|no sheet|empty"),
    "no onset": (_all(_O, None), _UNUSABLE + ".*(no onset or no offset|does not name|not of the form)"),
    "text as onset": (_all(_O, "soon"), _UNUSABLE + ".*(no onset or no offset|does not name a clip)"),
    "half frames": (_all(_F, 6.5), _UNUSABLE + ".*(no onset or no offset|does not name a clip)"),
    "negative offsets": (_all(_F, -3), _UNUSABLE + ".*(no onset or no offset|does not name a clip)"),
    "onset after offset": (_all(_F, lambda row, c: int(row[c.columns(*_O)[0]]) - 1), _UNUSABLE + "the onset is after"),
    "other counters": (_renumber, _UNUSABLE + "no frame on disk is between"),
    "far offsets": (_all(_F, 10**6), _UNUSABLE + "no frame on disk is near"),
    "no clip names": (_all(("clip", "filename", "fold_name"), "x y"), _UNUSABLE + "the row does not name a clip"),
    "no subjects": (_all(("subject", "sub"), "?"), _UNUSABLE + "the row does not name a clip"),
}
_HEADED = {
    "no column of onsets": (_renamed(_O), "lacks the columns [Oo]nset"),
    "no column of subjects": (_renamed(("subject", "sub")), "lacks the columns (Subject|sub)"),
    "headers alone": (lambda c: c.write([["a", "b"], [1, 2]]), "names the columns"),
}


#: CAS(ME)^3 C names its clips by onset and offset; a picture of MMEW with one more zero is another one.
_HARMLESS = (("casme3-c", "no clip names"), ("mmew-macro", "a number twice"))


def _copies(top: Path) -> Iterator[_Copy]:
    """Write a whole miniature of each reader."""
    for name in READERS:
        folder = top / name
        if name == "casme2":
            miniature.write_casme2(folder, classes=None)
        elif name == "samm":
            miniature.write_samm(folder)
        elif name == "smic-hs":
            miniature.write_smic(folder)
        else:
            miniature.write_further(folder, name)
        sheet, grid = SHEETS.get(name), ROWS.get(name, [])
        if name in miniature.FURTHER:
            sheet, grid, places = miniature.FURTHER[name]
            tree = folder if name == "dfme" else folder / next(iter(places)).split("/")[0]  # which has several parts
        else:
            tree = folder / TREES[name]
        yield _Copy(name, folder, tree, folder / sheet if sheet else None, grid)


def broken_copies(top: Path) -> Iterator[tuple[str, str, Path, str]]:
    """Yield reader, kind of damage, folder of the broken copy, and the expression for its one line."""
    for whole in list(_copies(top / "whole")):
        kinds = _ANY | (_SHEETS if whole.sheet else {}) | (_HEADED if whole.sheet and whole.header >= 0 else {})
        for number, (kind, (damage, expected)) in enumerate(kinds.items()):
            if (whole.name, kind) in _HARMLESS:
                continue
            folder = shutil.copytree(whole.folder, top / f"{whole.name}-{number}" / "copy", symlinks=True)
            tree = folder / whole.tree.relative_to(whole.folder)
            copy = whole._replace(folder=folder, tree=tree, sheet=whole.sheet and folder / whole.sheet.name)
            damage(copy)
            sheet = re.escape(whole.sheet.name) if whole.sheet else ""
            yield whole.name, kind, folder, expected.replace("{sheet}", sheet)
