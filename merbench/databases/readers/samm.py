"""SAMM: micro-movements at 200 frames a second, 2040x1088, grey (Davison et al., IEEE TAFFC 2018).

Frames lie in ``SAMM/006/006_1_2/006_05562.jpg``: subject, then subject, inducement code and index; the frame's number
has five digits, in some clips four. The sheet has a title and a key above the header, which stands on row 14, in some
copies on row 1; a column gives the objective class.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.framed import SheetDatabase
from merbench.databases.reading.layouts import SheetForm, TreeForm
from merbench.databases.reading.sheets import Column

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
    fps=200,
    emotions=("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"SAMM.*FACS.*",
        example="SAMM_Micro_FACS_Codes_v2.xlsx",
        columns={
            "subject": Column(("Subject",)),
            "clip": Column(("Filename", "File name")),
            "onset": Column(("Onset Frame", "Onset"), "number"),
            "apex": Column(("Apex Frame", "Apex"), "number"),
            "offset": Column(("Offset Frame", "Offset"), "number"),
            "aus": Column(("Action Units", "Action Unit", "AU", "AUs")),
            "emotion": Column(("Estimated Emotion", "Emotion")),
            "objective_class": Column(("Objective Classes", "Objective Class"), required=False),
        },
    ),
)
