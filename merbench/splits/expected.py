"""Selected clips compared with the official list and the expected counts of a protocol."""

from collections.abc import Sequence

import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.truth import against
from merbench.splits.labels import clips_by_name

#: How many clips of a difference are named, unless all are asked for.
_FEW = 5


def split_differences(
    protocol: ProtocolSpec,
    clips: pd.DataFrame,
    datasets: Sequence[str],
    listed_clips: bool = True,
    every: bool = False,
) -> list[str]:
    """Compare clips, as `selected` returns them, with the list and counts of a protocol; a phrase each difference.

    `datasets` are all of the protocol, or the available ones, which are compared without counts over all datasets.
    With `listed_clips` every clip is compared with the official list, in addition to the counts; of these, some are
    named, or `every` one.
    """
    said: list[str] = []
    official = protocol.official() if listed_clips else None
    if official is not None:
        said += _differing_clips(official[official.dataset.isin(list(datasets))], clips, every)
    expected = protocol.expected
    if expected is None:
        return said
    counts = [(f"clips of {d}", int((clips.dataset == d).sum()), expected.datasets.get(d)) for d in datasets]
    if set(datasets) == set(protocol.datasets):
        whole = [
            ("clips", len(clips), expected.clips),
            ("subjects", len(clips[IDENTITY[:2]].drop_duplicates()), expected.subjects),
        ]
        classes = [(f"clips of class {c}", int((clips["class"] == c).sum()), n) for c, n in expected.classes.items()]
        counts = [*whole, *counts, *classes]
    return said + [f"{found} {what} instead of {n}" for what, found, n in counts if n is not None and found != n]


def _differing_clips(official: pd.DataFrame, clips: pd.DataFrame, every: bool) -> list[str]:
    table = clips[[*IDENTITY, "class"]].rename(columns={"class": "truth"})
    both = against(table, official.rename(columns={"class": "truth"}))
    missing, extra, other = (both[both.side == side] for side in ("missing", "foreign", "relabelled"))
    said, most = [], len(both) if every else _FEW
    if len(missing):
        said.append(f"{len(missing)} missing: {listed(clip_names(missing), most)}")
    if len(extra):
        step = "to exclude clips, name them under left_out"
        said.append(f"{len(extra)} not in the official list: {listed(clip_names(extra), most)} ({step})")
    if len(other):
        names = [
            f"{n} ({a}, listed {b})" for n, a, b in zip(clip_names(other), other.truth, other.truth_listed, strict=True)
        ]
        said.append(f"{len(other)} labelled differently: {listed(names, most)}")
    return said


def clips_not_found(protocol: ProtocolSpec, clips: pd.DataFrame) -> list[str]:
    """Name the clips of ``left_out`` that are not in the data, where no expected count would reveal a misspelt name."""
    if protocol.official_list or (protocol.expected and protocol.expected.clips is not None):
        return []
    return [
        f"{entry.dataset}/{name}"
        for entry in protocol.left_out
        for name, count in clips_by_name(entry, clips).items()
        if name in (*entry.clips, *entry.subjects) and not count
    ]
