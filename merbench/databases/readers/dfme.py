"""DFME: micro-expressions at 200, 300 and 500 frames a second (Zhao et al., arXiv 2301.00985).

Frames are in ``USTC_MEv4_partA_sub0001_sub0015/micro/happiness/CLIP``, cropped ones in ``micro_static_aligned_croped``
(spelled so). The official header of the sheet is not known: it is read by the usual names, and must have a column
``fps``. A clip's folder is found by the clip's name, which must be unique in a copy.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm

_PART, _CLIP = r"USTC_MEv\d+_part[A-D].*", r"[\w-]+"
_EMOTION = "anger|contempt|disgust|fear|happiness|sadness|surprise|others?"


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    own = int(*groups(r"(?:sub)?([0-9]+)", subject.lower()))
    groups(_CLIP, clip)
    return f"sub{own:04d}", clip


def _key(names: tuple[str, ...]) -> tuple[str, str]:
    return "", names[-1].lower()


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="dfme",
        title="DFME",
        datasets={"dfme": "DFME"},
        holds="7526 clips of 656 subjects in three parts",
        licence="apply with a signed licence agreement, for academic research",
        source="https://arxiv.org/abs/2301.00985",
        untried=True,
    ),
    tree=TreeForm(
        levels=(_PART, "micro", _EMOTION, _CLIP),
        example="USTC_MEv4_partA_sub0001_sub0015/micro/happiness/CLIP",
        ignored="micro.*|macro.*",
        spelled=str.lower,
        key=_key,
        also=(
            TreeForm(
                levels=(_PART, r"micro_static_aligned_crop\w*", _EMOTION, _CLIP),
                example="USTC_MEv4_partA_sub0001_sub0015/micro_static_aligned_croped/happiness/CLIP",
                ignored="micro.*|macro.*",
                cropped=True,
                key=_key,
            ),
        ),
    ),
    spelling=("subject sub0001, clip as in the sheet", _spelled),
    folder_of=lambda _, clip: ("", clip),
    fps=200,
    emotions=("anger", "contempt", "disgust", "fear", "happiness", "others", "sadness", "surprise"),
    sheet=SheetForm(
        files=r"DFME.*(?:coding|label|annotation).*",
        example="DFME_data_coding.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename", "Clip"),
            "onset": ("Onset", "OnsetFrame"),
            "apex": ("Apex", "ApexFrame"),
            "offset": ("Offset", "OffsetFrame"),
            "aus": ("AUs", "AU", "Action Units"),
            "emotion": ("Emotion", "Estimated Emotion"),
            "fps": ("fps",),
        },
    ),
)
