"""4DME: micro-expressions with several labels a clip, grey pictures at 60 frames a second (Li et al., IEEE TAFFC 2022).

Frames are in ``gray_micro/S13/S13_1st_001_01/Frame_000000012.jpg``, named after the sheet's columns sub_ID and
fold_name. Several emotions of a clip are kept, in alphabetical order joined by ``+``; the protocol's rule decides.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    own = int(*groups(r"(?:sub[-_ ]?|s)?([0-9]+)", subject.lower()))
    groups(r"\w+", clip)
    return f"S{own:02d}", clip


def _labels(_clip: str, cell: str | None) -> str | None:
    words = sorted({word.strip() for word in (cell or "").lower().split("+")} - {""})
    return "+".join(words) or None


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="4dme",
        title="4DME",
        datasets={"4dme": "4DME"},
        holds="267 clips",
        licence="apply with a signed licence agreement, for academic research",
        source="https://www.6gflagship.com/publications/4dme",
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"(?:sub[-_ ]?|s)?\d+", r"\w+"),
        example="gray_micro/S13/S13_1st_001_01",
        frames=r"Frame_\d+\.\w+",
        spelled=lambda clip: clip[:1].upper() + clip[1:],
    ),
    spelling=("subject S13, clip S13_1st_001_01", _spelled),
    fps=60,
    emotions=("negative", "others", "positive", "repression", "surprise"),
    sheet=SheetForm(
        files=r"4DME_Labelling_Micro(?!.*extras).*",
        example="4DME_Labelling_Micro_release v1.xlsx",
        columns={
            "subject": ("sub_ID",),
            "clip": ("fold_name",),
            "onset": ("Onset",),
            "apex": ("Apex",),
            "offset": ("Offset",),
            "aus": ("AUs",),
            "emotion": ("Emotion",),
        },
    ),
    labelled=_labels,
)
