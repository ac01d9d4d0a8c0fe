"""Where frames and annotation sheets lie in a folder: trees of clip folders, and sheets, both found by their names."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merbench.contracts.errors import DataError
from merbench.databases.reading.sheets import Column, Sheet, read_sheet
from merbench.databases.reading.trees import Place, survey

Kind = Literal["raw", "raw selected", "cropped"]
PREFERRED: tuple[Kind, ...] = ("raw", "raw selected", "cropped")  # where several trees lie in one folder


@dataclass(frozen=True)
class TreeForm:
    """How the folders of a tree are called; upper and lower case mean nothing.

    Attributes
    ----------
    levels : tuple of str
        Regular expressions, one a level, from the subject's folder to the clip's.
    example : str
        Such a folder, for messages.
    passed_over : str
        Expression for folders that are known to hold something else, at any level.
    foreign : str
        Expression for trees that look alike and are another database's, matched with the names of the folders above
        the subjects, up to two above the one given, the nearest first: ``NIR/SMIC_all_cropped``.
    spelled : callable
        Writes a clip's name in the database's own upper and lower case.
    """

    levels: tuple[str, ...]
    example: str
    passed_over: str = r"(?!)"
    foreign: str = r"(?!)"
    spelled: Callable[[str], str] = str


@dataclass(frozen=True)
class SheetForm:
    """How an annotation sheet is called, and its columns by the names that readers use.

    ``subject`` and ``clip`` are always among the columns; see ``framed.Annotation`` for the others.
    """

    files: str
    example: str
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Tree:
    """A tree that was found; `shown` is its name within the folder given."""

    path: Path
    kind: Kind
    shown: str


def find_trees(folder: Path, form: TreeForm) -> tuple[list[Tree], list[Place]]:
    """Return the trees in `folder` or below, the preferred one first, and all places that were looked into.

    Raises
    ------
    DataError
        As :meth:`~merbench.databases.reading.trees.Place.of`.
    """
    trees: list[Tree] = []
    places: list[Place] = []
    roots: set[Path] = set()  # nothing below them is searched: the survey asks after it has shown a place
    for place in survey(folder, ends=lambda place: place.path in roots):
        places.append(place)
        if not _holds_subjects(place, form):
            continue
        roots.add(place.path)
        below = place.path.relative_to(folder)
        names = [*reversed(below.parts), folder.name]
        above = [*names, *reversed(folder.absolute().parent.parts[-2:])]
        if not re.match(form.foreign, "/".join(above), re.IGNORECASE):
            shown = below.as_posix() if below.parts else folder.name
            trees.append(Tree(place.path, _kind(place.path, names, form), shown))
    if len(trees) > 1:  # the one of the preferred kind with most clips
        trees.sort(key=lambda tree: (PREFERRED.index(tree.kind), -sum(1 for _ in clip_folders(tree.path, form))))
    return trees, places


def _holds_subjects(place: Place, form: TreeForm) -> bool:
    """Say whether a folder holds subjects' folders, at least one of which holds what it should."""
    subject, below = form.levels[0], form.levels[1]
    subjects = (name for name in place.folders if re.fullmatch(subject, name, re.IGNORECASE))
    return any(
        re.fullmatch(below, name, re.IGNORECASE) for each in subjects for name in Place.of(place.path / each).folders
    )


def _kind(root: Path, names: Sequence[str], form: TreeForm) -> Kind:
    """Tell cropped frames by their names, which begin with ``reg_``, else by the nearest folder that says it."""
    clip = next((path for path, found in clip_folders(root, form) if found), root)
    if any(name.lower().startswith("reg_") for name in Place.of(clip).files):
        return "cropped"
    words: dict[str, Kind] = {r"(?<!un)(?<!no)(?<!not[-_ ])crop": "cropped", "select": "raw selected", "raw": "raw"}
    return next((kind for name in names for word, kind in words.items() if re.search(word, name.lower())), "raw")


def clip_folders(
    path: Path, form: TreeForm, names: tuple[str, ...] = ()
) -> Iterator[tuple[Path, tuple[str, ...] | None]]:
    """Yield each clip's folder with the names of its levels, and each folder that is called otherwise with None."""
    if len(names) == len(form.levels):
        yield path, names
        return
    for name in Place.of(path).folders:
        if re.fullmatch(form.levels[len(names)], name, re.IGNORECASE):
            yield from clip_folders(path / name, form, (*names, name))
        elif not re.fullmatch(form.passed_over, name, re.IGNORECASE):
            yield path / name, None


def read_newest(places: Sequence[Place], form: SheetForm, notes: list[str]) -> Sheet | None:
    """Read the newest of the sheets that lie there: the latest date in the name, then names without a date.

    A choice among several is told in `notes`, and so is a file that has the name of a sheet and is none; None where
    there is no sheet.

    Raises
    ------
    DataError
        None of those that are there can be read.
    """
    paths = [
        place.path / name
        for place in places
        for name in place.files
        if re.fullmatch(rf"(?:{form.files})\.xlsx?", name, re.IGNORECASE)
    ]
    paths.sort(key=lambda path: max(re.findall(r"(?:19|20)[0-9]{6}", path.name), default=""), reverse=True)
    problems = []
    for path in paths:
        try:
            sheet = read_sheet(path, form.columns)
        except DataError as error:
            problems.append(error)
            continue
        notes += [f"passed over: {problem}" for problem in problems]
        others = ", ".join(str(other) for other in paths[len(problems) + 1 :])
        if others:
            notes.append(f"the sheet {path.name} is taken, not {others}")
        return sheet
    if problems:
        raise problems[0]
    return None
