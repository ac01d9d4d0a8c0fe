"""SMIC-E-HS: the clips of SMIC-HS with the frames before and after them, 100 frames a second (Li et al., FG 2013).

Frames are in ``SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s01_ne_01/image000100.jpg``, the number is the sheet's. Three
clips of SMIC-HS are lost: s01_ne_02, s02_sur_05, s03_ne_20. Four have no folder of their own: they are the second or
third movement in another one. The class is that of the clip's name. Some copies of the sheet have apexes.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.readers.smic import CLASSES, spelled
from merbench.databases.reading.layouts import TreeForm
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm

#: Clip without a folder -> the clip in whose folder it is, and which movement there it is.
_INSIDE = {
    ("s03", "s03_ne_03"): (("s03", "s03_ne_02"), 2),
    ("s04", "s04_ne_05"): (("s04", "s04_ne_04"), 2),
    ("s04", "s04_ne_06"): (("s04", "s04_ne_04"), 3),
    ("s09", "s09_sur_02"): (("s09", "s09_sur_01"), 2),
}

DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="smic-e-hs",
        title="SMIC-E-HS",
        datasets={"smic-e-hs": "SMIC-E-HS"},
        holds="161 clips of 16 subjects in 157 folders",
        licence="apply with a signed licence agreement, for academic research",
        source="https://www.oulu.fi/cmvs/node/41319",
        same_people={"smic-e-hs": "smic-hs"},
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"s\d+", r"s\d+_(?:ne|po|sur)_\d+"),
        example="SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s01_ne_01",
        foreign=r"(?:(?!(?:\b|_)HS(?:\b|_)).)*?(?:\b|_)(?:VIS|NIR)(?:\b|_)",  # unless a nearer folder says HS
        spelled=str.lower,
    ),
    spelling=("subject s03, clip s03_ne_01", spelled),
    folder_of=lambda subject, clip: _INSIDE.get((subject, clip), ((subject, clip), 1))[0],
    fps=100,
    emotions=("negative", "positive", "surprise"),
    sheet=SheetForm(
        files=r"SMIC[-_]HS[-_]E[-_]annotation.*",
        example="SMIC-HS-E_annotation.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("OnsetF", "Onset"),
            "apex": ("ApexF", "Apex"),
            "offset": ("OffsetF", "Offset"),
            "onset2": ("Onset2F",),
            "offset2": ("Offset2F",),
            "onset3": ("Onset3F",),
            "offset3": ("Offset3F",),
        },
        optional=("apex", "onset2", "offset2", "onset3", "offset3"),
    ),
    labelled=lambda clip, _: CLASSES[clip.split("_")[1]],
    inside=_INSIDE,
)
