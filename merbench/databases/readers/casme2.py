"""CASME II: spontaneous micro-expressions at 200 frames a second (Yan et al., PLoS ONE 2014).

Frames are in ``CASME2-RAW/sub01/EP02_01f/img46.jpg`` (also ``CASME2_RAW``, ``CASME2_RAW_selected``), cropped ones in
``Cropped/sub01/EP02_01f/reg_img46.jpg``; the number is the sheet's. The columns are those of the sheet of 2014; later
ones (2019, ``CASME2_label_Ver_2.xls``) are read by the same names. Objective classes, 1 to 7, come in their own file.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    own = int(*groups(r"(?:sub)?(\d+)", subject))
    groups(r"EP\d+f?(?:_\d+)*f?", clip)
    return f"sub{own:02d}", clip


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="casme2",
        title="CASME II",
        datasets={"casme2": "CASME II"},
        holds="255 or 256 clips of 26 subjects, according to the sheet of 2014 or a later one",
        licence="apply with a signed licence agreement, for academic research",
        source="http://fu.psych.ac.cn/CASME/casme2-en.php",
    ),
    tree=TreeForm(
        levels=(r"sub\d+", r"EP\d+f?(?:_\d+)*f?"),
        example="CASME2-RAW/sub01/EP02_01f",
        frames=r"(?!\w+-\d+\.).*",  # those of CASME, in the same folders
        spelled=lambda clip: clip.upper().replace("F", "f"),
    ),
    spelling=("subject sub01, clip EP02_01f", _spelled),
    fps=200,
    emotions=("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"CASME[-_ ]?(?:2|II).*(?:coding|label).*",
        example="CASME2-coding-20140508.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("OnsetFrame", "Onset", "OnsetF"),
            "apex": ("ApexFrame", "Apex", "ApexF"),
            "offset": ("OffsetFrame", "Offset", "OffsetF"),
            "aus": ("Action Units", "Action Unit", "AU", "AUs"),
            "emotion": ("Estimated Emotion", "Emotion"),
        },
    ),
    classes=SheetForm(
        files=r"CASME[-_ ]?(?:2|II).*Objective.*",
        example="CASME2-ObjectiveClasses.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "objective_class": ("Objective Class", "Objective Classes"),
        },
    ),
)
