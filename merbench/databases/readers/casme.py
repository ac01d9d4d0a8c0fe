"""CASME: spontaneous micro-expressions at 60 frames a second (Yan et al., FG 2013).

Frames are in ``CASME_raw_selected/sub01/EP01_5/EP01_5-12.jpg``, cropped ones in ``Cropped/sub01/EP01_5/`` with the same
names after ``reg_``. The number has no zero fill in some clips and three digits in others: sections A and B of the
paper, two cameras. The official name of the sheet is not known: that of later public code, ``casme.xlsx``, and its
columns are read. Of two apexes the first is used.
"""

import re

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    own = int(*groups(r"(?:sub)?(\d+)", subject))
    groups(r"\w+", clip)
    return f"sub{own:02d}", clip


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="casme",
        title="CASME",
        datasets={"casme": "CASME"},
        holds="189 clips, 195 in the paper",
        licence="apply with a signed licence agreement, for academic research",
        source="http://fu.psych.ac.cn/CASME/casme2-en.php (CASME II, of the same owners)",
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"sub\d+", r"\w+"),
        example="CASME_raw_selected/sub01/EP01_5",
        frames=r"(?:reg_)?\w+-\d+\.\w+",  # those of CASME II are img46.jpg
        spelled=lambda clip: re.sub("^ep", "EP", clip, flags=re.IGNORECASE),
    ),
    spelling=("subject sub01, clip EP01_5", _spelled),
    fps=60,
    emotions=("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense"),
    sheet=SheetForm(
        files=r"CASME(?:[-_ ]?(?:1|I))?(?:[-_ ]?(?:coding|label).*)?",
        example="casme.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("OnsetF", "OnsetFrame", "Onset"),
            "apex": ("ApexF1", "ApexF", "ApexFrame", "Apex"),
            "offset": ("OffsetF", "OffsetFrame", "Offset"),
            "aus": ("AU", "AUs", "Action Units"),
            "emotion": ("Emotion", "Estimated Emotion"),
        },
    ),
)
