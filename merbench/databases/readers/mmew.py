"""MMEW: spontaneous micro-expressions at 90 frames a second (Ben et al., IEEE TPAMI 2021).

Frames are in ``Micro_Expression/happiness/S03-01-002/1.jpg``: person, index of the emotion, sample; the owners' page
describes ``S03/happiness/S03-01-002``. They are numbered from 1, and so are onset, apex and offset. The folder
``Macro_Expression`` has single pictures of the same people: :mod:`~merbench.databases.readers.mmew_macro`.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    """Spell person, index of the emotion and sample of a clip; the person must be the same in both."""
    own = int(*groups(r"s?(\d+)", subject.lower()))
    first, emotion, index = groups(r"S(\d+)-(\d+)-(\d+)", clip)
    if int(first) != own:
        raise ValueError("the clip is of another subject")
    return f"S{own:02d}", f"S{own:02d}-{emotion}-{index}"


def _key(names: tuple[str, ...]) -> tuple[str, str]:
    return _spelled(names[-1].partition("-")[0], names[-1].upper())


_EMOTION, _CLIP = "happiness|surprise|anger|disgust|fear|sadness|others|repression", r"S\d+-\d+-\d+"

DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="mmew",
        title="MMEW",
        datasets={"mmew": "MMEW"},
        holds="300 clips of 30 or 36 subjects: sources differ",
        licence="apply with a signed licence agreement, for academic research",
        source="https://www.dpailab.com/database.html",
        untried=True,
    ),
    tree=TreeForm(
        levels=(_EMOTION, _CLIP),
        example="Micro_Expression/happiness/S03-01-002",
        spelled=str.upper,
        key=_key,
        also=(
            TreeForm(
                levels=(r"S\d+", _EMOTION, _CLIP),
                example="Micro_Expression/S03/happiness/S03-01-002",
                foreign=".*macro",
                key=_key,
            ),
        ),
    ),
    spelling=("subject S03, clip S03-01-002", _spelled),
    fps=90,
    emotions=("anger", "disgust", "fear", "happiness", "others", "repression", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"MMEW_Micro_Exp.*",
        example="MMEW_Micro_Exp.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("OnsetFrame", "Onset"),
            "apex": ("ApexFrame", "Apex"),
            "offset": ("OffsetFrame", "Offset"),
            "aus": ("Action Units", "Action Unit", "AU", "AUs"),
            "emotion": ("Estimated Emotion", "Emotion"),
        },
    ),
)
