"""A line attached to something: a row, a run, a clip, a table. One class for all of them."""

from dataclasses import dataclass
from typing import Literal

#: The longest text in characters that is shown with a row in every table: a remark, a warning, a disclosure.
LONGEST_REMARK = 200

#: ``problem``: something does not verify or is missing. ``warning``: a reader should know before using the figure.
#: ``disclosure``: what a method's card discloses, or how a copy of a release differs.
#: ``excluded``, ``corrected``: what was done to a clip or its row in a sheet. ``note``: anything else worth a line.
NoteKind = Literal["note", "warning", "problem", "disclosure", "excluded", "corrected"]


def shortened(text: str) -> str:
    """Cut a text to the length of a remark."""
    return text if len(text) <= LONGEST_REMARK else f"{text[: LONGEST_REMARK - 1]}…"


@dataclass(frozen=True)
class Note:
    """A line attached to something."""

    kind: NoteKind
    text: str  #: one line, for people; the same for all notes with the same reason, so that they can be counted
    about: str = ""  #: the clip, or the row of a sheet, where the note is about one: ``casme2/sub01/EP02_01f``
    detail: str = ""  #: specific to this note: numbers, a file

    def __str__(self) -> str:
        return self.text
