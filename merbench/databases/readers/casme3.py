"""CAS(ME)^3, part A: micro-expressions in long videos at 30 frames a second (Li et al., IEEE TPAMI 2023).

Frames are in ``part_A/spNO.1/a/color/46.jpg``: subject, letter of the video, frames in colour; ``depth`` is not read.
A video holds several clips, and the sheet numbers its frames: a clip is called ``a_46_58``, by letter, onset, offset.
Of the sheet's two versions, of 921 and 860 rows, the second one is preferred.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _subject(name: str) -> str:
    return f"spNO.{int(*groups(r'(?:spno[._]?)?([0-9]+)', name.lower()))}"


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    letter, onset, offset = groups(r"([a-z])_([0-9]+)_([0-9]+)", clip.lower())
    return _subject(subject), f"{letter}_{int(onset)}_{int(offset)}"


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="casme3",
        title="CAS(ME)3 part A",
        datasets={"casme3": "CAS(ME)3"},
        holds="860 clips of 94 subjects by version 2 of the sheet, 921 by version 1",
        licence="apply with a signed licence agreement, for academic research",
        source="https://github.com/jingtingEmmaLi/CAS-ME-3",
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"spNO\.\d+", "[a-z]", "color"),
        example="part_A/spNO.1/a/color",
        ignored="depth",
        key=lambda names: (_subject(names[0]), names[1].lower()),
    ),
    repeats=True,
    spelling=("subject spNO.1, clip a_46_58", _spelled),
    folder_of=lambda subject, clip: (subject, clip.partition("_")[0]),
    fps=30,
    emotions=("anger", "disgust", "fear", "happy", "others", "sad", "surprise"),
    sheet=SheetForm(
        files=r"cas\(me\)\^?3.*part_?A.*ME_label.*",
        example="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("Onset",),
            "apex": ("Apex",),
            "offset": ("Offset",),
            "aus": ("AU", "AUs"),
            "emotion": ("emotion",),
            "objective_class": ("Objective class",),
        },
        optional=("objective_class",),
    ),
    named=lambda cells: (cells["subject"] or "", "_".join(str(cells[name]) for name in ("clip", "onset", "offset"))),
)
