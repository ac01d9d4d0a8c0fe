"""MMEW: the macro-expressions, single pictures of the people of :mod:`~merbench.databases.readers.mmew`.

Pictures are ``Macro_Expression/S01/happiness/S01-01-001.jpg``: person, index of the emotion, sample; there is no
sheet. The folder gives the emotion. A clip has one frame, so inputs that need movement are refused: it is for
pretraining on faces. How many pictures there are is not known here.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.errors import DataError
from merbench.contracts.notes import Note
from merbench.databases.readers.mmew import DATABASE as MMEW
from merbench.databases.reading.framed import Annotation, FramedDatabase
from merbench.databases.reading.layouts import TreeForm, groups, is_tree_without
from merbench.databases.reading.trees import FolderContent

_PICTURE = re.compile(r"(.+)\.(?:jpe?g|png|bmp)", re.IGNORECASE)


def _folder(names: tuple[str, ...]) -> tuple[str, str]:
    (subject,) = groups(r"S([0-9]+)", names[0].upper())
    return f"S{int(subject):02d}", names[1].lower()


class _MmewMacro(FramedDatabase):
    def recognises(self, folder: Path) -> bool:
        """Return whether the tree is there; with the sheet of micro-expressions it is a copy of ``mmew``."""
        return is_tree_without(folder, self.tree, MMEW.sheet)

    def _clip_folders(self, folder: Path, tree: Path, form: TreeForm, notes: list[Note]) -> dict[tuple[str, str], Path]:
        """Return (subject, clip) -> picture."""
        pictures: dict[tuple[str, str], Path] = {}
        for (owner, _), place in super()._clip_folders(folder, tree, form, notes).items():
            found = [*filter(None, map(_PICTURE.fullmatch, FolderContent.of(place).files))]
            if not found:
                shown = place.relative_to(folder).as_posix()
                notes.append(Note("excluded", "the folder has no frames (expected jpg, png or bmp)", shown))
            for match in found:
                path = place / match[0]
                try:
                    key = self.identity(owner, form.spelled(match[1]))
                except DataError as error:
                    shown = path.relative_to(folder).as_posix()
                    notes.append(Note("excluded", "the picture does not name a clip", shown, str(error)))
                    continue
                if key in pictures:
                    name = "/".join((self.dataset, *key))
                    raise DataError(f"{path} and {pictures[key]} are both {name}; remove one of them")
                pictures[key] = path
        return pictures

    def _annotations(
        self, folder: Path, places: Sequence[FolderContent], disk: Mapping[tuple[str, str], Path], notes: list[Note]
    ) -> tuple[list[Annotation], str]:
        notes.append(Note("note", "clips are single pictures, for pretraining: inputs of movement are refused"))
        annotations = [
            Annotation(
                *key,
                where=lambda _, path=path: str(path),  # type: ignore[misc]
                emotion=path.parent.name.lower(),
                onset=1,
                apex=1,
                offset=1,
            )
            for key, path in disk.items()
        ]
        return annotations, "emotions from the folders' names"


DATABASE = _MmewMacro(
    card=DatabaseCard(
        name="mmew-macro",
        title="MMEW, macro-expressions",
        datasets={"mmew-macro": "MMEW macro"},
        holds="single pictures of macro-expressions, for pretraining",
        licence=MMEW.card.licence,
        source=MMEW.card.source,
        same_people={"mmew-macro": "mmew"},
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"S\d+", r"happiness|surprise|anger|disgust|fear|sadness"),
        example="Macro_Expression/S01/happiness",
        foreign=r"(?!.*macro)",
        spelled=str.upper,
        key=_folder,
    ),
    spelling=MMEW.spelling,
    stills=True,
    fps=MMEW.fps,
    emotions=("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
)
