"""One spelling for each clip: releases, lists and logs write subjects and clips in several ways.

``smic, 3, s3_ne_1`` and ``smic, s03, s03_ne_01`` are one clip; ``6`` of SAMM is ``006``. Datasets that are not named
here keep their text as it is, without surrounding blanks.
"""

import re
from collections.abc import Callable

from merbench.contracts.errors import DataError

_DATASETS = {
    "smic": "smic-hs",
    "smic_hs": "smic-hs",
    "hs": "smic-hs",
    "casmeii": "casme2",
    "casme_ii": "casme2",
    "casme ii": "casme2",
}


def _casme2(subject: str, clip: str) -> tuple[str, str]:
    """``sub01``, ``EP02_01f``."""
    number = _digits(r"(?:sub)?(\d+)", subject)
    if not re.fullmatch(r"EP\d+f?(?:_\d+)*f?", clip):
        raise ValueError
    return f"sub{number:02d}", clip


def _samm(subject: str, clip: str) -> tuple[str, str]:
    """``006``, ``006_1_2``: subject, inducement, number."""
    number = _digits(r"(\d+)", subject)
    first, inducement, index = _groups(r"(\d+)_(\d+)_(\d+)", clip)
    if int(first) != number:
        raise ValueError
    return f"{number:03d}", f"{number:03d}_{inducement}_{index}"


def _smic(subject: str, clip: str) -> tuple[str, str]:
    """``s03``, ``s03_ne_01``: subject, class, number."""
    number = _digits(r"s?(\d+)", subject)
    first, kind, index = _groups(r"s(\d+)_(ne|po|sur)_(\d+)", clip)
    if int(first) != number:
        raise ValueError
    return f"s{number:02d}", f"s{number:02d}_{kind}_{int(index):02d}"


def _groups(pattern: str, text: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError
    return match.groups()


def _digits(pattern: str, text: str) -> int:
    return int(_groups(pattern, text)[0])


_SPELLINGS: dict[str, tuple[str, Callable[[str, str], tuple[str, str]]]] = {
    "casme2": ("subject sub01, clip EP02_01f", _casme2),
    "samm": ("subject 006, clip 006_1_2", _samm),
    "smic-hs": ("subject s03, clip s03_ne_01", _smic),
}


def dataset_name(text: str) -> str:
    """Return the one spelling of a dataset's name: ``smic`` and ``SMIC`` are ``smic-hs``."""
    name = text.strip().lower()
    return _DATASETS.get(name, name)


def normalised(dataset: str, subject: str, clip: str) -> tuple[str, str, str]:
    """Return the one spelling of a clip's identity.

    Raises
    ------
    DataError
        The subject or clip does not read like one of its database; says what would.
    """
    dataset, subject, clip = dataset_name(dataset), subject.strip(), clip.strip()
    if dataset not in _SPELLINGS:
        return dataset, subject, clip
    example, spell = _SPELLINGS[dataset]
    try:
        return (dataset, *spell(subject, clip))
    except ValueError:
        raise DataError(f"{dataset}: subject {subject!r}, clip {clip!r} are not of the form {example}") from None
