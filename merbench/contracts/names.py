"""Names given by users: validation, and safe spellings for paths and terminals."""

import re
from urllib.parse import quote

_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")


def checked_name(name: str, kind: str) -> str:
    """Return `name` if it is valid for a method, configuration, protocol or dataset; it is a safe path component.

    ValueError if it is not lower-case letters and digits, joined by single dashes, dots or underscores.
    """
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise ValueError(
            f"{kind} name {name!r} must be lower-case letters and digits joined by - . or _, at most 64 characters"
        )
    return name


def fold_folder(fold: str) -> str:
    """Return the folder name of a fold, one path component; different folds have different folders.

    A fold is named ``dataset`` or ``dataset/subject``; the dataset is a checked name, the subject is any text.

    >>> fold_folder("mine/../../etc--passwd")
    'mine--..%2F..%2Fetc--passwd'
    """
    dataset, slash, subject = fold.partition("/")
    return quote(dataset, safe="") + (f"--{quote(subject, safe='')}" if slash else "")


def shown(text: str) -> str:
    r"""Escape the control characters of a text, so that they have no effect in a terminal.

    >>> shown("red \x1b[31m")
    'red \\x1b[31m'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown_lines(text: str) -> str:
    """Escape the control characters of a text, its line breaks excepted."""
    return "\n".join(map(shown, text.split("\n")))


#: How formulas of spreadsheets begin, also in full width; and the figures that begin like one.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_FIGURE = re.compile(r"[-+]?[.\d][-+.,\d%–e ]*|[-+]")


def cell(text: str) -> str:
    """Write a text for a cell of CSV: control characters as escapes, a formula of spreadsheets behind an apostrophe.

    >>> cell("=1+1"), cell("-.016, +.008")
    ("'=1+1", '-.016, +.008')
    """
    text = shown_lines(text)
    return f"'{text}" if text.startswith(_FORMULA) and not _FIGURE.fullmatch(text) else text
