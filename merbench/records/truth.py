"""What the rows of runs, folds and logs must be, clip by clip, and the one comparison of rows with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import digest


@dataclass(frozen=True)
class Truth:
    """The tested clips of a protocol, and what they are known from, such as ``the official list of megc2019``.

    `clips` has ``dataset, subject, clip, truth, fold`` of all tested clips; `parts` are the reporting parts, name ->
    title; `split_digest` covers the training clips of each fold, too. `data` are names of data -> the digest of their
    annotations, as far as known: a run that names such data must have it.
    """

    origin: str
    clips: pd.DataFrame
    outputs: tuple[str, ...]
    parts: Mapping[str, str]
    split_digest: str
    data: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def folds(self) -> dict[str, int]:
        """Fold -> number of test clips."""
        return {str(fold): int(clips) for fold, clips in self.clips.fold.value_counts().items()}

    @cached_property
    def rows(self) -> list[tuple[str, ...]]:
        """Identity and truth of all clips, sorted."""
        return labelled(self.clips)

    @cached_property
    def digest(self) -> str:
        """Digest of everything that a run is compared with."""
        content = [self.clips.to_numpy().tolist(), self.outputs, dict(self.parts), self.split_digest, dict(self.data)]
        return digest(content)


def labelled(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return identity and truth of clips, sorted."""
    return sorted(zip(*(table[column].tolist() for column in (*IDENTITY, "truth")), strict=True))


def against(table: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Hold rows against the clips of a :class:`Truth`, or some of them.

    `table` has ``dataset, subject, clip, truth``, none where it does not say the truth, and any further columns. The
    result has the rows of both, what is known as ``truth_listed`` and ``fold_listed``, and ``side``: ``agrees``,
    ``relabelled``, ``missing`` (only known) or ``foreign`` (only in `table`).
    """
    known = clips.rename(columns={"truth": "truth_listed", "fold": "fold_listed"})
    both = known.merge(table, on=IDENTITY, how="outer", indicator="side")
    side = both.side.map({"both": "agrees", "left_only": "missing", "right_only": "foreign"}).astype(object)
    other = (side == "agrees") & both.truth.notna() & (both.truth != both.truth_listed)
    return both.assign(side=side.mask(other, "relabelled"))
