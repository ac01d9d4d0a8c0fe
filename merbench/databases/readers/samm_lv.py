"""SAMM Long Videos: micro- and macro-movements in 147 videos at 200 frames a second (Yap et al., arXiv 1911.01519).

Frames are in ``SAMM_longvideos/006_1/006_1_05562.jpg``: subject and inducement code, then the number of the sheet. A
video holds several clips; a clip is called by the sheet's name and its onset, ``006_1_2_5562``. The sheet has no
emotion: the label is ``micro`` or ``macro``, by its column Type. The people are those of SAMM with the same ids.
"""

from merbench.contracts.databases import DatabaseCard
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import SheetForm


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    """Spell a clip; the subject must be the same in both."""
    own = int(*groups(r"([0-9]+)", subject))
    first, inducement, index, onset = groups(r"([0-9]+)_([0-9]+)_([0-9]+)_([0-9]+)", clip)
    if int(first) != own:
        raise ValueError("the clip is of another subject")
    return f"{own:03d}", f"{own:03d}_{inducement}_{index}_{int(onset)}"


def _video(subject: str, clip: str) -> tuple[str, str]:
    return subject, "_".join(clip.split("_")[:2])


def _folder(names: tuple[str, ...]) -> tuple[str, str]:
    subject, inducement = groups(r"([0-9]+)_([0-9]+)", names[-1])
    return f"{int(subject):03d}", f"{int(subject):03d}_{inducement}"


DATABASE = SheetDatabase(
    card=DatabaseCard(
        name="samm-lv",
        title="SAMM Long Videos",
        datasets={"samm-lv": "SAMM-LV"},
        holds="159 micro- and 343 macro-movements of 30 subjects",
        licence="apply with a signed licence agreement, for academic research",
        source="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        same_people={"samm-lv": "samm"},
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"SAMM[-_ ]?long[-_ ]?videos.*", r"\d{1,3}_\d+"),
        example="SAMM_longvideos/006_1",
        key=_folder,
    ),
    repeats=True,
    spelling=("subject 006, clip 006_1_2_5562", _spelled),
    folder_of=_video,
    fps=200,
    emotions=("macro", "micro"),
    sheet=SheetForm(
        files=r"SAMM[-_ ]?Long[-_ ]?Videos.*",
        example="SAMM_LongVideos_V3_Release.xlsx",
        columns={
            "subject": ("Subject",),
            "clip": ("Filename",),
            "onset": ("Onset", "Onset Frame"),
            "apex": ("Apex", "Apex Frame"),
            "offset": ("Offset", "Offset Frame"),
            "aus": ("Action Units", "Action Unit", "AU", "AUs"),
            "emotion": ("Type",),
        },
    ),
    named=lambda cells: (cells["subject"] or "", f"{cells['clip']}_{cells['onset']}"),
    labelled=lambda _, cell: cell and cell.lower().partition("-")[0].strip(),  # Micro - 1/2
)
