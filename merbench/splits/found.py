"""A protocol for data as it is: every emotion a class, leave-one-subject-out, the counts found."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from merbench.contracts.clips import clip_names
from merbench.contracts.errors import DataError, listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.contracts.yamlfiles import validated

#: A class with fewer clips is pointed out.
_TINY = 10


def found_protocol(name: str, clips: pd.DataFrame, titles: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the content of a protocol's file for all clips, and what to mind about it.

    `titles` names the datasets of `clips`. The protocol is called `name` and its number of classes. Clips without an
    emotion, or with several, are excluded. DataError with less than two classes or two subjects.
    """
    said = clips.emotion.fillna("")
    usable = said.ne("") & ~said.str.contains("+", regex=False)
    kept, excluded = clips[usable], clips[~usable]
    words = {str(dataset): sorted(part.emotion.unique()) for dataset, part in kept.groupby("dataset")}
    named = _class_names({word for own in words.values() for word in own})
    classes = sorted(set(named.values()))
    subjects = kept.groupby(["dataset", "subject"]).size()
    if len(classes) < 2 or len(subjects) < 2:
        counts = f"{len(classes)} emotions ({listed(classes)}) of {len(subjects)} subjects"
        raise DataError(f"{name} has clips of {counts}: a protocol needs at least 2 of both")
    sizes = kept.emotion.map(named).value_counts()
    content = {
        "name": f"{name}-{len(classes)}",
        "title": f"{listed(titles[dataset] for dataset in words)}, {len(classes)} classes",
        "summary": "Every emotion is a class, each subject is held out once.",
        "source": {"text": "made by merbench protocols new from the clips that were found"},
        "classes": classes,
        "datasets": {
            dataset: {"title": titles[dataset], "classes": _mapped(own, named)}
            for dataset, own in sorted(words.items())
        },
        "left_out": [
            {
                "dataset": dataset,
                "clips": [f"{row.subject}/{row.clip}" for row in part.itertuples()],
                "reason": "no emotion, or several",
            }
            for dataset, part in excluded.groupby(excluded.dataset.astype(str))
            if dataset in words
        ],
        "folds": "leave-one-subject-out",
        "expected": {
            "clips": len(kept),
            "subjects": len(subjects),
            "classes": {label: int(sizes[label]) for label in classes},
        },
    }
    content = {key: value for key, value in content.items() if value}
    validated(ProtocolSpec, content, f"the protocol of {name}")
    return content, [*_minded(kept, named, subjects, excluded)]


def _class_names(words: Iterable[str]) -> dict[str, str]:
    """Return emotion word -> name of its class: without accents and signs, or a number if nothing is left.

    >>> _class_names(["Überraschung", "高兴", "very sad"])
    {'very sad': 'very-sad', 'Überraschung': 'uberraschung', '高兴': 'emotion-1'}
    """
    found: dict[str, str] = {}
    for word in sorted(words):
        plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
        number = sum(name.startswith("emotion-") for name in found.values()) + 1
        found[word] = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or f"emotion-{number}"
    return found


def _mapped(words: list[str], named: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault(named[word], []).append(word)
    return found


def _minded(
    kept: pd.DataFrame, named: Mapping[str, str], subjects: "pd.Series[int]", excluded: pd.DataFrame
) -> list[str]:
    said = []
    for label, words in _mapped(sorted(named), named).items():
        if [label] != words and (len(words) > 1 or label.startswith("emotion-")):
            said.append(f"class {label} has the clips of {listed(map(repr, words))}")
    if lone := ["/".join(map(str, name)) for name in subjects.index[subjects == 1]]:
        said.append(f"subjects with one clip: {listed(lone)}")
    for label, part in kept.groupby(kept.emotion.map(named)):
        people = len(part[["dataset", "subject"]].drop_duplicates())
        if people == 1:
            said.append(f"class {label} has clips of one subject only: with that subject held out, it can't be learned")
        elif len(part) < _TINY:
            said.append(f"class {label} has {len(part)} clips of {people} subjects: its figures will vary a lot")
    if len(excluded):
        said.append(f"{len(excluded)} clips without one emotion are excluded: {listed(clip_names(excluded))}")
    return said
