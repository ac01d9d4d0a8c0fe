"""A line attached to something: a row, a run, a clip, a table. One class for all of them."""

from dataclasses import dataclass
from typing import Literal

#: ``problem``: something does not verify or is missing. ``warning``: a reader should know before using the figure.
#: ``disclosure``: what a method's card discloses. ``excluded``, ``corrected``: what was done to a clip or its row in a
#: sheet. ``note``: anything else worth a line.
NoteKind = Literal["note", "warning", "problem", "disclosure", "excluded", "corrected"]


@dataclass(frozen=True)
class Note:
    """A line attached to something.

    Attributes
    ----------
    kind : str
        One of `NoteKind`.
    text : str
        One line, for people.
    """

    kind: NoteKind
    text: str

    def __str__(self) -> str:
        return self.text
