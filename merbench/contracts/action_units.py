"""Action units of a clip, and the reader of their notations in annotation sheets.

The grammar is the union of what CASME II, SAMM, CAS(ME)^2, CAS(ME)^3, MMEW and 4DME write. Entries are joined by ``+``
or ``,`` (also full-width, with blanks, doubled or trailing). An entry is an action unit: an optional ``AU``, an
optional side before the number (``L12``), an optional intensity after it (``12B``, so ``A12B`` is asymmetric at
intensity B), then ``?`` or ``(k)``. ``/`` means or: ``10A/B`` is an intensity between A and B, ``A/L12`` is A12 or L12.
So does the word ``or``, which binds closer than ``+``: ``4+L12 or L14`` is 4 together with one of L12 and L14.
``ref(7B)`` is 7B.
A cell with only ``?`` means that the action units are unknown.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

#: Remarks among the action units of sheets; any other word is an error.
REMARKS = ("soft focus",)

_REMARKS = re.compile("|".join(rf"\( *{words} *\)|\b{words}\b" for words in map(str.upper, REMARKS)))
_UNIT = re.compile(
    r"(?:AU)? ?((?:[LRABT] ?/ ?)*[LRABT])?"  # side, or alternatives
    r" ?([0-9]{1,2})(?:\.0)?"
    r" ?([A-E](?: ?/ ?[A-E](?! ?[0-9U]))*)?"  # intensity or range; the B of 10A/B12 is a side, the A of 10A/AU12 none
    r" ?(\??) ?(\*?) ?(\??)"
)
_LONGEST = 1000  # characters; the longest cells of known sheets have about thirty


@dataclass(frozen=True, order=True)
class ActionUnit:
    """One action unit as coded."""

    number: int  #: 1 to 99, of the Facial Action Coding System
    side: str = ""  #: ``L``, ``R`` unilateral; ``A`` on both, one stronger; ``B``, ``T`` bottom or top lip; or not said
    intensity: str = ""  #: ``A`` (trace) to ``E`` (maximum), or a range such as ``A/B``; ``""`` not said
    doubtful: bool = False  #: followed by ``?``
    held: bool = False  #: followed by ``(k)``: shown before the movement, and kept

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 99:
            raise ValueError(f"{self.number} is not an action unit, expected 1 to 99")
        if self.side not in ("", "L", "R", "A", "B", "T"):
            raise ValueError(f"{self.side!r} is not a side of an action unit, expected L, R, A, B or T")
        letters = self.intensity.split("/") if self.intensity else []
        if letters != sorted(set(letters) & set("ABCDE")):
            raise ValueError(f"{self.intensity!r} is not an intensity, expected A to E or a range such as A/B")

    def __str__(self) -> str:
        """Write it as sheets do: ``L12B?``."""
        return f"{self.side}{self.number}{self.intensity}{'?' * self.doubtful}{'(k)' * self.held}"


@dataclass(frozen=True)
class Coding:
    """All action units of a clip, sorted, without duplicates."""

    #: The shown action units; of the alternatives of an entry exactly one. One alternative is certain.
    entries: tuple[tuple[ActionUnit, ...], ...]
    unknown: bool = False  #: the sheet marks them as unknown: without entries then, otherwise at least one

    def __post_init__(self) -> None:
        if bool(self.entries) == self.unknown or not all(self.entries):
            raise ValueError("a coding has at least one action unit, or is unknown")
        entries = {tuple(sorted(set(alternatives))) for alternatives in self.entries}
        object.__setattr__(self, "entries", tuple(sorted(entries)))

    def shown(self) -> frozenset[int]:
        """Return the numbers that are certain: in every alternative of an entry, not doubtful or held."""
        return frozenset(
            entry[0].number
            for entry in self.entries
            if len({unit.number for unit in entry}) == 1 and not any(unit.doubtful or unit.held for unit in entry)
        )

    def possible(self) -> frozenset[int]:
        """Return the numbers that are named but not certain: doubtful, held, or one of several alternatives."""
        return frozenset(unit.number for entry in self.entries for unit in entry) - self.shown()

    def vector(self, vocabulary: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return 1 (shown), 0 (not) or NaN (only possible, or all unknown) for each number of `vocabulary`, float32."""
        shown, possible = self.shown(), self.possible()
        values = [np.nan if self.unknown or number in possible else float(number in shown) for number in vocabulary]
        return np.array(values, dtype=np.float32)

    def __str__(self) -> str:
        """Write it in the spelling used in digests; :func:`read_coding` reads it back."""
        if self.unknown:
            return "?"
        texts = [" or ".join(map(str, entry)) for entry in self.entries]
        return "+".join(f"({text})" if " or " in text else text for text in texts)


def read_coding(cell: object) -> Coding | None:
    """Read the action units of a sheet's cell; None for an empty one, ValueError with the reason if it can't be parsed.

    A cell is text, or a number where a spreadsheet converted a single action unit (``12``, ``12.0``). One with only a
    remark such as ``soft focus`` is unknown.

    >>> str(read_coding("(R6 or R12) + r15, 10A/B"))
    '(R6 or R12)+10A/B+R15'
    >>> sorted(read_coding("4+L12 or L14").possible())
    [12, 14]
    """
    text = _plain(cell)
    if not text:
        return None
    strange = re.search(r"[^A-Z0-9 +,/?().]", text)
    if strange or len(text) > _LONGEST:
        raise ValueError(f"unexpected character {strange[0]!r}" if strange else f"longer than {_LONGEST} characters")
    rest = _REMARKS.sub("", text)
    if re.fullmatch(r"[ +,]*\??[ +,]*", rest) and ("?" in rest or rest != text):
        return Coding((), unknown=True)
    parts = list(filter(None, _split(r"[+,]", rest.replace("(K)", "*"))))  # from here on, brackets are groups
    if not parts:
        raise ValueError("no action unit")
    return Coding(tuple(tuple(_alternatives(part)) for part in parts))


def _plain(cell: object) -> str:
    """Return a cell in capitals, with plain instead of full-width characters, and single blanks."""
    if isinstance(cell, str):
        text = " ".join(unicodedata.normalize("NFKC", cell).upper().replace("\u3001", ",").replace(";", ",").split())
        return re.sub(r"\( ?(K|\?) ?\)", lambda match: "(K)" if match[1] == "K" else "?", text)
    if cell is None or pd.isna(cell) is True:  # type: ignore[call-overload]
        return ""
    if isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool):
        return str(int(cell)) if float(cell).is_integer() else str(cell)
    raise ValueError(f"a {type(cell).__name__} instead of text or a number")


def _alternatives(text: str) -> list[ActionUnit]:
    """Read one entry: action units joined by ``or``, optionally in brackets."""
    groups = [(term, re.fullmatch(r"(?:REF)? ?\((.+)\)", term)) for term in _split(r"\bOR\b", text)]
    return [unit for term, group in groups for unit in (_alternatives(group[1]) if group else _slashed(term))]


def _slashed(text: str) -> list[ActionUnit]:
    """Read action units joined by ``/``."""
    units: list[ActionUnit] = []
    rest = text
    while match := _UNIT.match(rest):
        sides, number, letters, doubt, held, late_doubt = match.groups()
        intensity = "/".join(sorted(set(letters or "") & set("ABCDE")))
        marks = bool(doubt or late_doubt), bool(held)
        units += [ActionUnit(int(number), side, intensity, *marks) for side in re.split(r" ?/ ?", sides or "")]
        rest = rest[match.end() :].strip()
        if not rest:
            return units
        if not rest.startswith("/"):
            break
        rest = rest[1:].strip()
    raise ValueError(f"{text.replace('*', '(K)')!r} is not an action unit")


def _split(separator: str, text: str) -> list[str]:
    """Split at separators outside brackets."""
    parts, begin = [], 0
    for match in re.finditer(separator, text):
        before = text[: match.start()]
        if before.count("(") == before.count(")"):
            parts.append(text[begin : match.start()].strip())
            begin = match.end()
    return [*parts, text[begin:].strip()]
