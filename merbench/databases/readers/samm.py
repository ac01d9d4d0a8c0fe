"""SAMM: micro-movements at 200 frames a second, 2040x1088, grey (Davison et al., IEEE TAFFC 2018).

Frames are in ``SAMM/006/006_1_2/006_05562.jpg``: subject, then subject, inducement code and index; the frame's number
has five digits, in some clips four. The sheet has a title and a key above the header, which is row 14, in some copies
row 1; a column gives the objective class.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    """Spell subject, inducement code and index of a clip; the subject must be the same in both."""
    own = int(*groups(r"(\d+)", subject))
    first, inducement, index = groups(r"(\d+)_(\d+)_(\d+)", clip)
    if int(first) != own:
        raise ValueError("the clip is of another subject")
    return f"{own:03d}", f"{own:03d}_{inducement}_{index}"


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="samm",
        title="SAMM",
        datasets={"samm": "SAMM"},
        holds="159 clips of 29 subjects",
        licence="apply with a signed licence agreement, for academic research",
        source="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
    ),
    tree=TreeForm(levels=(r"\d{1,3}", r"\d{1,3}_\d+_\d+"), example="SAMM/006/006_1_2"),
    spelling=("subject 006, clip 006_1_2", _spelled),
    fps=200,
    emotions=("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"SAMM.*FACS.*",
        example="SAMM_Micro_FACS_Codes_v2.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("Onset Frame", "Onset"),
            "apex": ("Apex Frame", "Apex"),
            "offset": ("Offset Frame", "Offset"),
            "aus": ("Action Units", "Action Unit", "AU", "AUs"),
            "emotion": ("Estimated Emotion", "Emotion"),
            "objective_class": ("Objective Classes", "Objective Class"),
        },
        optional=("objective_class",),
    ),
)
