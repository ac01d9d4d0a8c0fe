"""SMIC-HS: spontaneous micro-expressions of three classes at 100 frames a second (Li et al., FG 2013).

Frames are in ``HS/s1/micro/negative/s1_ne_01/image000100.bmp``, cropped ones in ``SMIC_all_cropped/HS/`` with the same
folders and ``reg_image000100.bmp``; VIS and NIR, slower cameras with some of the same events, are ignored. There is no
annotation sheet: a clip's folder has the frames from onset to offset, and its name gives the class. The apex is not
annotated; the midpoint is used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.notes import Note
from merbench.databases.reading.framed import Annotation, FramedDatabase
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.trees import FolderContent, frames_and_strays

_CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    """Spell subject, class and index of a clip; the subject must be the same in both."""
    own = int(*groups(r"s?(\d+)", subject))
    first, kind, index = groups(r"s(\d+)_(ne|po|sur)_(\d+)", clip)
    if int(first) != own:
        raise ValueError("the clip is of another subject")
    return f"s{own:02d}", f"s{own:02d}_{kind}_{int(index):02d}"


class _SmicHs(FramedDatabase):
    def _annotations(
        self, folder: Path, places: Sequence[FolderContent], disk: Mapping[tuple[str, str], Path], notes: list[Note]
    ) -> tuple[list[Annotation], str]:
        notes.append(Note("note", "SMIC annotates no apex: using the midpoint of onset and offset"))
        annotations = []
        for (subject, clip), path in disk.items():
            emotion = _CLASSES[clip.split("_")[1]]
            if path.parent.name.lower() != emotion:
                name, place = f"{self.dataset}/{subject}/{clip}", path.relative_to(folder).as_posix()
                text = "the folder names a different class than the clip does: using the clip's name"
                notes.append(Note("note", text, name, place))
            numbers = list(frames_and_strays(path)[0]) or [0]  # an empty folder is reported later
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


DATABASE = _SmicHs(
    card=DatabaseCard(
        name="smic-hs",
        title="SMIC-HS",
        datasets={"smic-hs": "SMIC"},
        holds="164 clips of 16 subjects",
        licence="apply with a signed licence agreement, for academic research",
        source="https://www.oulu.fi/cmvs/node/41319",
    ),
    tree=TreeForm(
        levels=(r"s\d+", "micro", "positive|negative|surprise", r"s\d+_(?:ne|po|sur)_\d+"),
        example="HS/s1/micro/negative/s1_ne_01",
        ignored=r"non[-_ ]?micro",
        foreign=r"(?:(?!(?:\b|_)HS).)*?(?:\b|_)(?:VIS|NIR)(?:\b|_)",  # unless a nearer folder says HS
        spelled=str.lower,
    ),
    spelling=("subject s03, clip s03_ne_01", _spelled),
    fps=100,
    emotions=("negative", "positive", "surprise"),
)
