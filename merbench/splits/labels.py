"""Which clips a protocol uses, and how each is labelled."""

import shlex
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import Coding
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import DataError, listed
from merbench.contracts.protocols import Exclusion, ProtocolSpec


def selected(protocol: ProtocolSpec, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that `protocol` uses, sorted by identity, with a column ``class``, empty for AU detection.

    Clips of other datasets are ignored. DataError if a clip's emotion, or objective class, is neither mapped nor
    excluded.
    """
    kept = clips[clips.dataset.isin(list(protocol.datasets))].sort_values(IDENTITY, ignore_index=True)
    for entry in protocol.left_out:
        kept = kept[~left_out_by(entry, kept)]
    kept = kept.reset_index(drop=True)
    return kept.assign(**{"class": _classes(protocol, kept) if protocol.task == "classification" else ""})


def labels_of(protocol: ProtocolSpec, kept: pd.DataFrame) -> npt.NDArray[Any]:
    """Return indices of classes, or for AU detection 1, 0 or NaN for each clip and action unit.

    DataError if no clip of a dataset has the action units to be detected.
    """
    if protocol.task == "classification":
        return np.array([protocol.classes.index(name) for name in kept["class"]], dtype=np.int64)
    labels = _unit_labels(protocol, kept)
    for dataset in protocol.datasets:
        if np.isnan(labels[(kept.dataset == dataset).to_numpy()]).all():
            raise DataError(f"protocol {protocol.name} needs action units, but no clip of {dataset} has any")
    return labels


def _unit_labels(protocol: ProtocolSpec, kept: pd.DataFrame) -> npt.NDArray[np.float64]:
    nothing = np.full(len(protocol.units), np.nan)
    said = [coding.vector(protocol.units) if isinstance(coding, Coding) else nothing for coding in kept.aus]
    return np.array(said, dtype=np.float64).reshape(len(kept), len(protocol.units))


def output_counts(protocol: ProtocolSpec, kept: pd.DataFrame) -> list[int]:
    """Count the selected clips of each class, or those that show each action unit."""
    if protocol.task == "classification":
        return [int((kept["class"] == name).sum()) for name in protocol.classes]
    return [int(count) for count in (_unit_labels(protocol, kept) == 1).sum(axis=0)]


def left_out_by(entry: Exclusion, clips: pd.DataFrame) -> "pd.Series[bool]":
    """Return for each clip whether an entry of ``left_out`` excludes it."""
    named = clips.emotion.isin(entry.emotions) | clips.objective_class.isin(entry.objective_classes)
    named |= (clips.subject + "/" + clips["clip"]).isin(entry.clips) | clips.subject.isin(entry.subjects)
    return (clips.dataset == entry.dataset) & named


def clips_by_name(entry: Exclusion, clips: pd.DataFrame) -> dict[str, int]:
    """Count the clips that each name of an entry of ``left_out`` excludes; 0 for names that are not in the data."""
    of = clips[clips.dataset == entry.dataset]
    said = (
        (of.emotion, entry.emotions),
        (of.objective_class, entry.objective_classes),
        (of.subject + "/" + of["clip"], entry.clips),
        (of.subject, entry.subjects),
    )
    return {name: int((column == name).sum()) for column, names in said for name in names}


def _classes(protocol: ProtocolSpec, clips: pd.DataFrame) -> "pd.Series[str]":
    """Map emotions, or objective classes, to classes; a class's own name counts as that class unless it is mapped."""
    mapping, said = _mapping(protocol), clips[protocol.labels]
    found = pd.Series(
        [mapping.get(pair) for pair in zip(clips.dataset, said, strict=True)], index=clips.index, dtype=object
    )
    if found.isna().any():
        unknown = clips[found.isna()]
        words = sorted({f"{d}: {e!r}" for d, e in zip(unknown.dataset, said[found.isna()], strict=True)})
        what = "emotions" if protocol.labels == "emotion" else "objective classes"
        raise DataError(
            f"protocol {protocol.name} neither maps nor leaves out the {what} {listed(words)} "
            f"({len(unknown)} clips, first {clip_names(unknown)[0]}): do so in a copy of it, "
            f"merbench protocols {shlex.quote(protocol.known_as)} prints it"
        )
    return found


def _mapping(protocol: ProtocolSpec) -> dict[tuple[str, str], str]:
    """Return the class of each word of each dataset."""
    mapping = {(dataset, name): name for dataset in protocol.datasets for name in protocol.classes}
    for dataset, rule in protocol.datasets.items():
        mapping |= {(dataset, word): name for name, words in rule.classes.items() for word in words}
    return mapping


def auxiliary_labels(protocol: ProtocolSpec, clips: pd.DataFrame) -> npt.NDArray[Any]:
    """Return the labels of clips to pretrain on, in their order, as `labels_of` does; -1 for a clip without a class.

    A dataset of the protocol has its own mapping. A word of another dataset has the class that it has in all of the
    protocol's datasets that map it; none if these differ.
    """
    if protocol.task != "classification":
        return _unit_labels(protocol, clips)
    mapping = _mapping(protocol)
    by_word: dict[str, set[str]] = {}
    for (_, word), name in mapping.items():
        by_word.setdefault(word, set()).add(name)
    common = {word: names.pop() for word, names in by_word.items() if len(names) == 1}
    places = {name: place for place, name in enumerate(protocol.classes)}
    pairs = zip(clips.dataset, clips[protocol.labels], strict=True)
    found = [mapping.get(pair) if pair[0] in protocol.datasets else common.get(pair[1]) for pair in pairs]
    return np.array([-1 if name is None else places[name] for name in found], dtype=np.int64)
