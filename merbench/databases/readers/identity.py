"""One spelling for each clip: releases, lists and logs write databases, subjects and clips in several ways.

``smic, 3, s3_ne_1`` and ``SMIC-HS, S03, S03_NE_01`` are one clip; ``6`` of SAMM is ``006``. Each reader has the
spelling of its database; names of other datasets are kept as written, without surrounding blanks.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from merbench.contracts.errors import DataError, suggestion
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.readers import (
    cas_me_2,
    casme,
    casme2,
    casme3,
    casme3_c,
    casme3_macro,
    dfme,
    fourdme,
    mmew,
    mmew_macro,
    samm,
    samm_lv,
    smic_e_hs,
    smic_hs,
    smic_nir,
    smic_vis,
)
from merbench.databases.reading.framed import FramedDatabase

#: Spelling in papers, without case and signs -> dataset; ``CAS(ME)^2`` is another database than CASME II.
_DATASETS = {
    **dict.fromkeys(("casme1", "casmei"), "casme"),
    **dict.fromkeys(("casme2", "casmeii"), "casme2"),
    **dict.fromkeys(("casme3", "casmeiii"), "casme3"),
    **dict.fromkeys(("smic", "hs", "smichs"), "smic-hs"),
    **dict.fromkeys(("vis", "smicvis"), "smic-vis"),
    **dict.fromkeys(("nir", "smicnir"), "smic-nir"),
    **dict.fromkeys(("smicehs", "smichse"), "smic-e-hs"),
}
_SQUARED = "cas-me-2"
_PLAIN = str.maketrans({"²": "2", "³": "3", **dict.fromkeys("()^-_ \t\u2010\u2011\u2013", None)})
_MODULES = (
    cas_me_2,
    casme,
    casme2,
    casme3,
    casme3_c,
    casme3_macro,
    dfme,
    fourdme,
    mmew,
    mmew_macro,
    samm,
    samm_lv,
    smic_e_hs,
    smic_hs,
    smic_nir,
    smic_vis,
)
#: Dataset -> its reader.
READERS: dict[str, FramedDatabase] = {module.DATABASE.dataset: module.DATABASE for module in _MODULES}

#: The ending of a file of a clip, where a log gives that in place of the clip's name.
_FILE = re.compile(r"\.(?:avi|mp4|mov|mkv|jpe?g|png|bmp|gif|tiff?|np[yz]|mat|pth?|pkl|h5|csv|txt)$", re.IGNORECASE)

#: A subject as a word and its number.
_SUBJECT = re.compile(r"(?:subject|subj|sub|s|participant|person|p)?[\s._-]*([0-9]+)(?:\.0+)?", re.IGNORECASE)

#: Dataset -> all of its subjects with micro-expressions.
_SUBJECTS = {
    "casme2": {f"sub{number:02d}" for number in range(1, 27)},
    "samm": {f"{number:03d}" for number in range(6, 38)} - {"008", "027", "029"},
    "smic-hs": {f"s{number:02d}" for number in range(1, 21)} - {"s07", "s10", "s16", "s17"},
}


def dataset_name(text: str) -> str:
    """Return the one spelling of a dataset's name: ``SMIC`` is ``smic-hs``, ``CASME-II`` ``casme2``."""
    name = text.strip().lower()
    plain = name.translate(_PLAIN)
    if name == _SQUARED or (plain == "casme2" and "(" in name):
        return _SQUARED
    return _DATASETS.get(plain, plain if plain in READERS else name)


def normalised(dataset: str, subject: str, clip: str) -> tuple[str, str, str]:
    """Return the one spelling of a clip; DataError if subject or clip does not have the form of its database."""
    dataset = dataset_name(dataset)
    if dataset not in READERS:
        return dataset, subject.strip(), clip.strip()
    reader = READERS[dataset]
    spelled = re.sub(r"\.0+$", "", subject.strip().lower())  # a number that a table wrote as a float
    try:
        return (dataset, *reader.identity(spelled, reader.tree.spelled(clip.strip())))
    except DataError:
        reader.identity(subject, clip)  # its error quotes the names as they are written
        raise


@dataclass(frozen=True)
class _Spelling:
    """See :func:`log_spelling`."""

    titles: Mapping[str, str]
    others: frozenset[str] = frozenset()

    def dataset(self, word: str) -> str:
        """Return the dataset that a word names; DataError for an unknown one."""
        word = unicodedata.normalize("NFKC", word).strip()  # CASMEⅡ
        titled = [name for name, title in self.titles.items() if word.casefold() in (name, title)]
        name = titled[0] if titled else dataset_name(word)
        if not titled and name not in self.others:
            raise DataError(f"unknown database {word[:60]!r}{suggestion(word, {*self.titles, *self.others})}")
        return name

    def __call__(self, dataset: str, subject: str, clip: str) -> tuple[str, str, str]:
        """Return the one spelling of a clip; DataError as `dataset`, and as :func:`normalised` for the protocol's."""
        word, dataset = dataset.strip(), self.dataset(dataset)
        if dataset not in READERS:
            return normalised(dataset, subject, clip)
        bare = _without(_without(subject.strip(), word), dataset)
        number = _SUBJECT.fullmatch(bare)
        last, *above = (_FILE.sub("", part) for part in reversed(re.split(r"[/\\]", clip.strip().rstrip("/\\"))))
        for name in (last, *above[:1], _without(last, bare)):  # a frame is in the folder of its clip
            with suppress(DataError):
                return normalised(dataset, number[1] if number else bare, name)
        if dataset not in self.titles:  # a foreign clip: of another database than the protocol's, whatever it is called
            return dataset, subject.strip(), clip.strip()
        return normalised(dataset, subject, last)


def _without(name: str, begin: str) -> str:
    """Return a name without what it begins with, as in ``casme2_sub01`` or ``sub01-EP02_01f``."""
    rest = name[len(begin) :].lstrip("_- .")
    cut = begin and rest and name.casefold().startswith(begin.casefold()) and not name[len(begin)].isalnum()
    return rest if cut else name


def log_spelling(protocol: ProtocolSpec, others: Iterable[str] = ()) -> _Spelling:
    """Return the spelling of clips in logs of a protocol: ``f(dataset, subject, clip)``, and ``f.dataset(name)``.

    Datasets of the protocol may have their titles; `others` are datasets of other protocols. Unknown ones raise
    a DataError.
    """
    titles = {name: rule.title.casefold() for name, rule in protocol.datasets.items()}
    return _Spelling(titles, frozenset({*_DATASETS.values(), *READERS, _SQUARED, *others}))


def strange_subjects(clips: pd.DataFrame) -> list[str]:
    """Name the subjects that their database does not have, where its subjects are known."""
    people = sorted(set(zip(clips.dataset, clips.subject, strict=True)))
    return [f"{dataset}/{subject}" for dataset, subject in people if subject not in _SUBJECTS.get(dataset, {subject})]
