"""Facts of clips from the clip table: their database and their duration."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.databases import Source
from merbench.contracts.digests import digest
from merbench.contracts.errors import listed
from merbench.contracts.inputs import ClipFacts
from merbench.prepare.kinds.kind import Form, Kind

#: Fact -> the columns of the clip table from which it is computed.
COLUMNS = {"database": ("dataset",), "seconds": ("onset", "offset", "fps")}


def clip_facts(spec: ClipFacts, clips: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the facts of clips without unknown ones, shape (n_clips, n_facts)."""
    return np.column_stack([_fact(fact, clips) for fact in spec.facts])


def _fact(fact: str, clips: pd.DataFrame) -> npt.NDArray[np.float64]:
    if fact == "database":
        return np.array([database_code(name) for name in clips.dataset], dtype=np.float64)
    onset, offset, fps = (clips[column].to_numpy(np.float64) for column in COLUMNS["seconds"])
    return np.asarray((offset - onset + 1) / fps)


def database_code(dataset: str) -> int:
    """Return the number of a database, below 2**32; it depends on its name alone."""
    return int(digest(["database", dataset])[:8], 16)


class _ClipFactsKind(Kind[ClipFacts]):
    spec = ClipFacts
    from_table = True

    def form(self, spec: ClipFacts) -> Form:
        return np.float64, (len(spec.facts),)

    def lacking(self, spec: ClipFacts, source: Source) -> str | None:
        """Name the columns that some clips lack."""
        clips = source.clips
        columns = [column for fact in spec.facts for column in COLUMNS[fact]]
        unknown = [column for column in columns if clips[column].isna().any()]
        if not unknown:
            return None
        without = int(clips[unknown].isna().any(axis=1).sum())
        return f"has no {listed(unknown)} for {without} of {len(clips)} clips"

    def take(self, spec: ClipFacts, clips: pd.DataFrame) -> npt.NDArray[Any]:
        return clip_facts(spec, clips)

    def synthetic(self, spec: ClipFacts, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return the database of each clip, and a duration that depends on its label."""
        place = {name: number for number, name in enumerate(sorted(set(marks.index)))}
        facts = {
            "database": np.array([place[name] for name in marks.index], dtype=np.float64),
            "seconds": 0.1 + marks.to_numpy() @ 2.0 ** np.arange(marks.shape[1]) / 20,
        }
        return np.stack([facts[name] for name in spec.facts], axis=1)


KIND = _ClipFactsKind()
