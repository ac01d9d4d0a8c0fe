"""What the three cameras of SMIC share (Li et al., FG 2013): names, folders and classes; no annotation sheet.

A clip's folder has the frames from onset to offset, and its name gives the class. The apex is not annotated; the
midpoint is used.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.errors import DataError
from merbench.contracts.notes import Note
from merbench.databases.reading.framed import Annotation, FramedDatabase
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.trees import FolderContent, frames_and_strays

CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}
#: Class -> names of its folders: ``negative``, ``neg``, ``micro_negative``.
_CLASS_FOLDERS = {word: rf"(?:micro[-_ ]?)?{word[:3]}\w*" for word in CLASSES.values()}


def spelled(subject: str, clip: str) -> tuple[str, str]:
    """Spell subject, class and index of a clip; the subject must be the same in both."""
    own = int(*groups(r"s?(\d+)", subject))
    first, kind, index = groups(r"s(\d+)_(ne|po|sur)_(\d+)", clip)
    if int(first) != own:
        raise ValueError("the clip is of another subject")
    return f"s{own:02d}", f"s{own:02d}_{kind}_{int(index):02d}"


class _Smic(FramedDatabase):
    def _annotations(
        self, folder: Path, places: Sequence[FolderContent], disk: Mapping[tuple[str, str], Path], notes: list[Note]
    ) -> tuple[list[Annotation], str]:
        notes.append(Note("note", "SMIC annotates no apex: using the midpoint of onset and offset"))
        annotations = []
        for (subject, clip), path in disk.items():
            emotion = CLASSES[clip.split("_")[1]]
            if not re.fullmatch(_CLASS_FOLDERS[emotion], path.parent.name.lower()):
                name, place = f"{self.dataset}/{subject}/{clip}", path.relative_to(folder).as_posix()
                text = "the folder names a different class than the clip does: using the clip's name"
                notes.append(Note("note", text, name, place))
            numbers = [0]  # an empty folder and an unreadable video are reported later
            with suppress(DataError):
                numbers = list(frames_and_strays(path)[0]) or numbers
            annotations.append(
                Annotation(
                    subject,
                    clip,
                    where=lambda _, path=path: str(path),  # type: ignore[misc]
                    emotion=emotion,
                    onset=numbers[0],
                    apex=(numbers[0] + numbers[-1]) // 2,
                    offset=numbers[-1],
                    apex_source="midpoint",
                )
            )
        return annotations, "classes from the clips' names"


#: Camera -> the words of the others.
_OTHERS = {"HS": "VIS|NIR", "VIS": "HS|NIR", "NIR": "HS|VIS"}


def camera(word: str, title: str, holds: str, fps: int, **card: Any) -> FramedDatabase:
    """Return the reader of a camera's clips; the nearest folder above that names a camera decides, without one HS."""
    other, own = (rf"(?:\b|_)(?:{words})(?:\b|_)" for words in (_OTHERS[word], word))
    foreign = rf"(?:(?!{own}).)*?{other}" if word == "HS" else rf"(?!(?:(?!{other}).)*?{own})"
    name = f"smic-{word.lower()}"
    return _Smic(
        card=DatabaseCard(
            name=name,
            datasets={name: title},
            title=f"SMIC-{word}",
            holds=holds,
            licence="apply with a signed licence agreement, for academic research",
            source="https://www.oulu.fi/cmvs/node/41319",
            **card,
        ),
        tree=TreeForm(
            levels=(r"s\d+", "micro", "|".join(_CLASS_FOLDERS.values()), r"s\d+_(?:ne|po|sur)_\d+"),
            example=f"{word}/s{1 if word == 'HS' else 11}/micro/negative/s{1 if word == 'HS' else 11}_ne_01",
            ignored=r"non[-_ ]?micro",
            foreign=foreign,
            spelled=str.lower,
        ),
        spelling=("subject s03, clip s03_ne_01", spelled),
        fps=fps,
        emotions=("negative", "positive", "surprise"),
    )
