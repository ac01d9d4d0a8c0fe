"""CASME II: spontaneous micro-expressions at 200 frames a second (Yan et al., PLoS ONE 2014).

Frames lie in ``CASME2-RAW/sub01/EP02_01f/img46.jpg`` (also ``CASME2_RAW``, ``CASME2_RAW_selected``), cropped ones in
``Cropped/sub01/EP02_01f/reg_img46.jpg``; the number is the sheet's. The columns are those of the sheet of 2014; later
ones (2019, ``CASME2_label_Ver_2.xls``) are read by the same names. Objective classes, 1 to 7, come in their own file.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.framed import SheetDatabase
from merbench.databases.reading.layouts import SheetForm, TreeForm
from merbench.databases.reading.sheets import Column

_SUBJECT, _CLIP = Column(("Subject",)), Column(("Filename", "File name"))

DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="casme2",
        title="CASME II",
        datasets={"casme2": "CASME II"},
        holds="255 or 256 clips of 26 subjects, after the sheet of 2014 or a later one",
        licence="apply with a signed licence agreement, for academic research",
        source="http://fu.psych.ac.cn/CASME/casme2-en.php",
    ),
    tree=TreeForm(
        levels=(r"sub\d+", r"EP\d+f?(?:_\d+)*f?"),
        example="CASME2-RAW/sub01/EP02_01f",
        spelled=lambda clip: clip.upper().replace("F", "f"),
    ),
    fps=200,
    emotions=("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"CASME[-_ ]?(?:2|II).*(?:coding|label).*",
        example="CASME2-coding-20140508.xlsx",
        columns={
            "subject": _SUBJECT,
            "clip": _CLIP,
            "onset": Column(("OnsetFrame", "Onset", "OnsetF"), "number"),
            "apex": Column(("ApexFrame", "Apex", "ApexF"), "number"),
            "offset": Column(("OffsetFrame", "Offset", "OffsetF"), "number"),
            "aus": Column(("Action Units", "Action Unit", "AU", "AUs")),
            "emotion": Column(("Estimated Emotion", "Emotion")),
        },
    ),
    classes=SheetForm(
        files=r"CASME[-_ ]?(?:2|II).*Objective.*",
        example="CASME2-ObjectiveClasses.xlsx",
        columns={
            "subject": _SUBJECT,
            "clip": _CLIP,
            "objective_class": Column(("Objective Class", "Objective Classes")),
        },
    ),
)
