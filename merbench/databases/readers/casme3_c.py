"""CAS(ME)^3, part C: micro-expressions in a mock crime at 30 frames a second (Li et al., IEEE TPAMI 2023).

The layout of the frames is not documented; that of part A without the letters is read, ``part_C/spNO.1/color/46.jpg``,
one long video a subject. A clip is called ``46_58``, by onset and offset; the sheet has no apex. The participants are
not those of part A: the paper counts 247 in all, 100, 116 and 31.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _subject(name: str) -> str:
    return f"spNO.{int(*groups(r'(?:spno[._]?)?([0-9]+)', name.lower()))}"


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    onset, offset = groups(r"([0-9]+)_([0-9]+)", clip)
    return _subject(subject), f"{int(onset)}_{int(offset)}"


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="casme3-c",
        title="CAS(ME)3 part C",
        datasets={"casme3-c": "CAS(ME)3 C"},
        holds="165 clips of 30 subjects",
        licence="apply with a signed licence agreement, for academic research",
        source="https://github.com/jingtingEmmaLi/CAS-ME-3",
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"(?:spNO\.)?\d+", "color"),
        example="part_C/spNO.1/color",
        ignored="depth",
        key=lambda names: (_subject(names[0]), "color"),
    ),
    repeats=True,
    spelling=("subject spNO.1, clip 46_58", _spelled),
    folder_of=lambda subject, _: (subject, "color"),
    fps=30,
    emotions=("negative", "others", "positive", "surprise"),
    sheet=SheetForm(
        files=r"CAS\(ME\)\^?3.*part_?C.*",
        example="CAS(ME)3_part_C_ME.xlsx",
        columns={
            "subject": ("sub", "Subject"),
            "clip": ("count",),
            "onset": ("onset",),
            "apex": ("apex",),
            "offset": ("offset",),
            "aus": ("au", "AUs"),
            "emotion": ("emotion",),
        },
        optional=("apex",),
    ),
    named=lambda cells: (cells["subject"] or "", "_".join(str(cells[name]) for name in ("onset", "offset"))),
)
