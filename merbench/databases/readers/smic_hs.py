"""SMIC-HS: spontaneous micro-expressions of three classes at 100 frames a second (Li et al., FG 2013).

Frames lie in ``HS/s1/micro/negative/s1_ne_01/image000100.bmp``, cropped ones in ``SMIC_all_cropped/HS/`` with the same
folders and ``reg_image000100.bmp``; VIS and NIR, which show some of the same events to slower cameras, are passed over.
There is no annotation sheet: a clip's folder holds it from onset to offset and its name says the class. No apex is
annotated; it is taken in the middle.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from merbench.contracts.databases import DatabaseCard, Remark
from merbench.databases.reading.framed import Annotation, Findings, FramedDatabase
from merbench.databases.reading.layouts import TreeForm
from merbench.databases.reading.trees import Place, numbered_frames

_CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}


class SmicHs(FramedDatabase):
    """Reader of the high-speed part."""

    def _annotations(
        self, folder: Path, places: Sequence[Place], disk: Mapping[tuple[str, str], Path], found: Findings
    ) -> list[Annotation]:
        found.sheet = "classes from the clips' names"
        found.notes.append("SMIC annotates no apex: it is taken in the middle of onset and offset")
        annotations = []
        for (subject, clip), path in disk.items():
            emotion = _CLASSES[clip.split("_")[1]]
            if path.parent.name.lower() != emotion:
                detail = path.relative_to(folder).as_posix()
                reason = "the folder is another class's than the clip's name, which counts"
                found.remarks.append(Remark(f"{self.dataset}/{subject}/{clip}", "noted", reason, detail))
            numbers = list(numbered_frames(path)) or [0]  # an empty folder is told later
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
        return annotations


DATABASE = SmicHs(
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
        passed_over=r"non[-_ ]?micro",
        foreign=r"(?:(?!(?:\b|_)HS).)*?(?:\b|_)(?:VIS|NIR)(?:\b|_)",  # unless a nearer folder says HS
        spelled=str.lower,
    ),
    fps=100,
    emotions=("negative", "positive", "surprise"),
)
