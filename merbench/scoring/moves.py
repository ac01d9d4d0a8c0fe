"""Differences between two rows over the same clips: by clip and by subject."""

from collections.abc import Sequence

import pandas as pd

from merbench.contracts.clips import IDENTITY


def moved_clips(row: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the clips that one row predicts correctly in a larger share of its seeds than the other.

    Rows are prediction tables over the same clips, one per seed. The columns are ``dataset, subject, clip, truth``;
    ``right, other_right``, the number of seeds in which the clip is correct; ``said, other_said``, its most frequent
    prediction; ``change``, the share of correct seeds of `row` minus that of `other`. Largest changes first, gains
    before losses of the same size.
    """
    one, two = answers(row), answers(other).drop(columns="truth")
    both = one.merge(two.rename(columns=lambda name: name if name in IDENTITY else f"other_{name}"), on=IDENTITY)
    both["change"] = both.right / len(row) - both.other_right / len(other)
    moved = both[both.change.abs() > 1e-9]
    order = moved.assign(size=-moved.change.abs().round(9), loss=moved.change < 0)
    return order.sort_values(["size", "loss", *IDENTITY]).drop(columns=["size", "loss"]).reset_index(drop=True)


def answers(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return for each clip ``dataset, subject, clip, truth, right, said``.

    `right` is the number of seeds in which it is correct, `said` its most frequent prediction (ties: by name). `tables`
    are the prediction tables of a row, one per seed.
    """
    every = pd.concat([table[[*IDENTITY, "truth", "predicted"]] for table in tables], ignore_index=True)
    every["right"] = every.truth == every.predicted
    clips = every.groupby([*IDENTITY, "truth"], as_index=False, sort=True).right.sum()
    votes = every.groupby([*IDENTITY, "predicted"], as_index=False, sort=True).size()
    most = votes.sort_values("size", ascending=False, kind="stable").drop_duplicates(IDENTITY)
    said = most[[*IDENTITY, "predicted"]].rename(columns={"predicted": "said"})
    joined: pd.DataFrame = clips.merge(said, on=IDENTITY)
    return joined


def moved_subjects(row: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the number of correct clips of each subject in each row, averaged over its seeds.

    The columns are ``dataset, subject, clips, right, other_right, change``; largest changes first, gains before losses.
    """
    who = ["dataset", "subject"]
    clips = row[0].groupby(who, as_index=False, sort=True).size().rename(columns={"size": "clips"})
    for name, tables in (("right", row), ("other_right", other)):
        every = pd.concat(tables, ignore_index=True)
        hits = every[every.truth == every.predicted].groupby(who, as_index=False).size()
        clips = clips.merge(hits.rename(columns={"size": name}), on=who, how="left")
        clips[name] = clips[name].fillna(0) / len(tables)
    clips["change"] = clips.right - clips.other_right
    order = clips.assign(size=-clips.change.abs().round(9), loss=clips.change < 0)
    return order.sort_values(["size", "loss", *who]).drop(columns=["size", "loss"]).reset_index(drop=True)
