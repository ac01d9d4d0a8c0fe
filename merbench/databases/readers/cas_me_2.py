"""CAS(ME)^2: micro- and macro-expressions in long videos at 30 frames a second (Qu et al., IEEE TAFFC 2018).

Frames are in ``rawpic/s15/15_0101disgustingteeth/img1.jpg``: subject, then the video's code and name. The sheet has no
header and other names: a subject is 1 to 22, a clip ``disgust1_1``; two more sheets of the file, the
naming rules, lead from these to folders and codes. A clip is called ``0101_1_557``: code, index, onset. The emotion of
a macro-expression is written ``macro-positive``.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.notes import Note, NoteKind
from merbench.databases.reading.layouts import TreeForm, groups
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import Sheet, SheetForm, read_sheet


def _form(title: str, columns: str) -> SheetForm:
    return SheetForm(
        files=r"(?:CAS\(ME\)\^?2)?[-_ ]?code_final.*",
        example="CAS(ME)^2code_final.xlsx",
        columns={word: (word,) for word in columns.split()},
        headless=title,
    )


_SUBJECTS = _form("naming rule1", "other folder index")
_VIDEOS = _form("naming rule2", "first second")


def _spelled(subject: str, clip: str) -> tuple[str, str]:
    code, index, onset = groups(r"([0-9]{4})_([0-9]+)_([0-9]+)", clip)
    return f"s{int(*groups(r's?([0-9]+)', subject)):02d}", f"{code}_{int(index)}_{int(onset)}"


def _folder(names: tuple[str, ...]) -> tuple[str, str]:
    (own,), (code,) = groups(r"s([0-9]+)", names[0].lower()), groups(r"[0-9]+_([0-9]{4}).*", names[1])
    return f"s{int(own):02d}", code


def _codes(path: Path) -> dict[str, str]:
    """Return video's name -> code of four digits; a cell of digits is the code, on whichever side."""
    found = {}
    for cells in read_sheet(path, _VIDEOS).rows.to_dict("records"):
        first, second = str(cells["first"]), str(cells["second"])
        name, code = (second, first) if first.isdigit() else (first, second)
        if code.isdigit():  # Excel takes away leading zeros
            found[name.lower()] = code.zfill(4)
    return found


class _CasMe2(SheetDatabase):
    def _identified(
        self, sheet: Sheet, notes: list[Note], kind: NoteKind
    ) -> dict[tuple[str, str], tuple[int, dict[Any, Any]]]:
        """Write folder and code in place of the sheet's own names, then match as usual."""
        rules = read_sheet(sheet.path, _SUBJECTS).rows.to_dict("records")
        people = {str(cells["index"]): cells["folder"] for cells in rules}
        codes = _codes(sheet.path)
        rows = sheet.rows.to_dict("records")
        for cells in rows:
            video, _, index = str(cells["clip"]).rpartition("_")
            cells["subject"] = people.get(str(cells["subject"]))
            cells["clip"] = f"{codes.get(video.lower(), video)}_{index}_{cells['onset']}"
            macro = str(cells["type"]).lower().startswith("macro")
            cells["emotion"] = cells["emotion"] and f"{'macro-' * macro}{cells['emotion']}"
        table = pd.DataFrame(rows, sheet.rows.index, dtype=object)
        return super()._identified(Sheet(sheet.path, sheet.title, table, sheet.letters), notes, kind)


_EMOTIONS = ("negative", "others", "positive", "surprise")

DATABASE = _CasMe2(
    card=DatabaseCard(
        name="cas-me-2",
        title="CAS(ME)^2",
        datasets={"cas-me-2": "CAS(ME)^2"},
        holds="57 micro- and 300 macro-expressions of 22 subjects",
        licence="apply with a signed licence agreement, for academic research",
        source="http://fu.psych.ac.cn/CASME/casme2-en.php (CASME II, of the same owners)",
        untried=True,
    ),
    tree=TreeForm(
        levels=(r"s\d+", r"\d+_\d{4}.*"),
        example="rawpic/s15/15_0101disgustingteeth",
        key=_folder,
    ),
    repeats=True,
    spelling=("subject s15, clip 0101_1_557", _spelled),
    folder_of=lambda subject, clip: (subject, clip.partition("_")[0]),
    fps=30,
    emotions=(*_EMOTIONS, *(f"macro-{word}" for word in _EMOTIONS)),
    sheet=_form("CASFEcode_final|CASMEcode_final", "subject clip onset apex offset aus emotion type"),
)
