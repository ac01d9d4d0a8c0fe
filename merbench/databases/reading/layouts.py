"""Trees of clip folders and annotation sheets, found in a folder by their names."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from merbench.contracts.errors import DataError
from merbench.contracts.notes import Note
from merbench.databases.reading.sheets import Sheet, SheetForm, read_sheet
from merbench.databases.reading.trees import FolderContent, frames_and_strays, picture_size, survey
from merbench.databases.reading.videos import is_video

Kind = Literal["raw", "raw selected", "cropped"]
_LOOKED_AT = 15  # clips by which the kind of a tree is judged
_WIDE = 1.25  # width by height of whole pictures, as a camera's 4:3 is; cropped faces are narrower
PREFERRED: tuple[Kind, ...] = ("raw", "raw selected", "cropped")  # of several trees in one folder


@dataclass(frozen=True)
class TreeForm:
    """Names of the folders of a tree, regardless of case.

    `foreign` is an expression for similar trees of other databases, matched with the names of the folders above the
    subjects, up to two above the given one, nearest first: ``NIR/SMIC_all_cropped``.
    """

    levels: tuple[str, ...]  # regular expressions, one a level, from the subject's folder to the clip's
    example: str  # such a folder, for messages
    ignored: str = r"(?!)"  # expression for folders with known other content, at any level
    foreign: str = r"(?!)"
    spelled: Callable[[str], str] = str  # writes a clip's name in the database's own upper and lower case
    frames: str = ".*"  # expression for the names of frames, where other databases have the same folders
    #: The levels' names -> subject and folder as the reader spells them, or ValueError; None: first and last level.
    key: Callable[[tuple[str, ...]], tuple[str, str]] | None = None
    cropped: bool = False  # a tree of crops, whatever its folders are called
    also: "tuple[TreeForm, ...]" = ()  # other forms in which the same tree is found


def groups(pattern: str, text: str) -> tuple[str, ...]:
    """Return the groups of a pattern that matches the whole text; ValueError if it does not match."""
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(f"{text!r} does not match {pattern}")
    return match.groups()


class _Tree(NamedTuple):
    path: Path
    kind: Kind
    shown: str  # its name within the given folder
    form: TreeForm
    reg: bool  # whether the names of most frames begin with reg_, as those of the owners' crops do
    doubt: str = ""  # why the kind may be another one


def find_trees(folder: Path, form: TreeForm) -> tuple[list[_Tree], list[FolderContent]]:
    """Return the trees in `folder` or below, the preferred one first, and all folders that were examined."""
    trees: list[_Tree] = []
    places: list[FolderContent] = []
    roots: set[Path] = set()  # not searched below: the survey asks after it has yielded a folder
    for place in survey(folder, ends=lambda place: place.path in roots):
        places.append(place)
        own = next((each for each in (form, *form.also) if _holds_subjects(place, each)), None)
        if own is None:
            continue
        roots.add(place.path)
        below = place.path.relative_to(folder)
        above = [*reversed(below.parts), *reversed(folder.absolute().parts[-3:])]
        if not re.match(own.foreign, "/".join(above), re.IGNORECASE) and _has_own_frames(place.path, own):
            shown = below.as_posix() if below.parts else folder.name
            trees.append(_Tree(place.path, shown=shown, form=own, **_kind(place.path, below.parts, folder.name, own)))
    if len(trees) > 1:  # preferred: by kind, then with most clips
        trees.sort(key=_rank)
    return trees, places


def is_tree_without(folder: Path, form: TreeForm, sheet: SheetForm) -> bool:
    """Whether a tree is in a folder or below, and no sheet by which the copy would be of another database."""
    try:
        trees, places = find_trees(folder, form)
    except DataError:
        return False
    other = re.compile(rf"(?:{sheet.files})\.(?:xlsx?|csv)", re.IGNORECASE)
    return bool(trees) and not any(other.fullmatch(name) for place in places for name in place.files)


def _rank(tree: _Tree) -> tuple[bool, int, int]:
    """Rank a tree: folders before videos, then by kind, then those with most clips."""
    clips = [path for path, names in clip_folders(tree.path, tree.form) if names]
    return bool(clips) and all(map(is_video, clips)), PREFERRED.index(tree.kind), -len(clips)


def _holds_subjects(place: FolderContent, form: TreeForm) -> bool:
    """Return whether a folder has subjects' folders, at least one of them with a matching folder."""
    subject, below = (re.compile(level, re.IGNORECASE) for level in form.levels[:2])
    subjects = (FolderContent.of(place.path / name) for name in place.folders if subject.fullmatch(name))
    return any(
        below.fullmatch(name)
        for each in subjects
        for name in (*each.folders, *(_clip_videos(each) if len(form.levels) == 2 else ()))
    )


def _has_own_frames(root: Path, form: TreeForm) -> bool:
    """Return whether the first frame of a tree, "" without frames, has a name of this database."""
    if form.frames == ".*":
        return True
    clips = (path for path, names in clip_folders(root, form) if names and not is_video(path))
    files = (name for path in clips for name in FolderContent.of(path).files)
    first = next((name for name in files if name.lower().endswith((".jpg", ".jpeg", ".png", ".bmp"))), "")
    return re.fullmatch(form.frames, first, re.IGNORECASE) is not None


def _first_frame(path: Path) -> Path | None:
    """Return the first frame of a clip; None without one, or if they can't be read, which is said where they are."""
    try:
        return next(iter(frames_and_strays(path)[0].values()), None)
    except DataError:
        return None


def is_crop(name: str) -> bool:
    """Return whether a frame is called like a cropped one: ``reg_img46.jpg``."""
    return name.lower().startswith("reg_")


def _kind(root: Path, below: tuple[str, ...], given: str, form: TreeForm) -> dict[str, Any]:
    """Return the kind of a tree, by the names of most frames, the nearest folder's name, and the frames' shape.

    A word in the name of the given folder counts only if that is the tree: people call projects and disks anything.
    Pictures that are clearly wider than high are not cropped faces, whatever a folder is called.
    """
    clips = [path for path, found in clip_folders(root, form) if found]
    looked_at = clips[:: max(1, len(clips) // _LOOKED_AT)]
    files = [frame for path in looked_at if (frame := _first_frame(path))]
    if 2 * sum(is_crop(path.name) for path in files) > len(files):
        return {"kind": "cropped", "reg": True}
    if form.cropped:
        return {"kind": "cropped", "reg": False}
    words: dict[str, Kind] = {r"(?<!un)(?<!no)(?<!not[-_ ])crop": "cropped", "select": "raw selected", "raw": "raw"}
    names = [*reversed(below)] or [given]
    found = [(kind, name) for name in [*names, given] for word, kind in words.items() if re.search(word, name.lower())]
    kind, name = found[0] if found else ("raw", "")
    if kind != "cropped":
        return {"kind": kind, "reg": False}
    sizes = [size for path in files if (size := picture_size(path))]
    shown = f"its pictures are {sizes[0][0]}x{sizes[0][1]}" if sizes else ""
    if sizes and 2 * sum(width >= _WIDE * height for width, height in sizes) > len(sizes):
        return {
            "kind": "raw",
            "reg": False,
            "doubt": f"{name} is called like a tree of crops, but {shown}: whole frames",
        }
    if name not in names:
        why = f"{name} above it is called like a tree of crops, {'/'.join(below)} is not: using it as whole frames"
        return {"kind": "raw", "reg": False, "doubt": f"{why}; if they are cropped faces, call that folder Cropped"}
    return {"kind": "cropped", "reg": False}


def clip_folders(
    path: Path, form: TreeForm, names: tuple[str, ...] = ()
) -> Iterator[tuple[Path, tuple[str, ...] | None]]:
    """Yield each clip's folder with the names of its levels, and each folder with another name with None."""
    if len(names) == len(form.levels):
        yield path, names
        return
    place = FolderContent.of(path)
    if len(names) == len(form.levels) - 1:
        for name, file in _clip_videos(place).items():
            if name not in place.folders and re.fullmatch(form.levels[-1], name, re.IGNORECASE):
                yield path / file, (*names, name)
    for name in place.folders:
        if re.fullmatch(form.levels[len(names)], name, re.IGNORECASE):
            yield from clip_folders(path / name, form, (*names, name))
        elif not re.fullmatch(form.ignored, name, re.IGNORECASE):
            yield path / name, None


def _clip_videos(place: FolderContent) -> dict[str, str]:
    """Return name without ending -> file of a folder's videos."""
    return {name.rpartition(".")[0]: name for name in place.files if is_video(Path(name))}


def read_newest(places: Sequence[FolderContent], form: SheetForm, notes: list[Note]) -> Sheet | None:
    """Read the newest of the sheets: the latest date in the name, then the highest version (``_v2``). None without any.

    `notes` gets a line for a choice among several, and for a file that has the name of a sheet and can't be read;
    DataError if none can be read.
    """
    named = re.compile(rf"(?:{form.files})\.(?:xlsx?|csv)", re.IGNORECASE)
    paths = [place.path / name for place in places for name in place.files if named.fullmatch(name)]
    paths.sort(key=lambda path: _age(path.name), reverse=True)
    problems = []
    for path in paths:
        try:
            sheet = read_sheet(path, form)
        except DataError as error:
            problems.append(error)
            continue
        notes += [Note("note", f"ignored: {problem}") for problem in problems]
        others = ", ".join(str(other) for other in paths[len(problems) + 1 :])
        if others:
            notes.append(Note("note", f"using the sheet {path.name}, not {others}"))
        return sheet
    if problems:
        raise problems[0]
    return None


def _age(name: str) -> tuple[str, int, bool]:
    """Return date and version of a sheet as its name gives them, and that it is the owners' own, an Excel file."""
    versions = map(int, re.findall(r"_v([0-9]{1,3})(?![0-9])", name))
    return (
        max(re.findall(r"(?:19|20)[0-9]{6}", name), default=""),
        max(versions, default=0),
        not name.lower().endswith(".csv"),
    )
