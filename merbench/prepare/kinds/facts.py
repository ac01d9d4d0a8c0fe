"""Facts of clips from the clip table: their database and their duration."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.digests import digest
from merbench.contracts.errors import listed
from merbench.contracts.inputs import ClipFacts

#: Fact -> the columns of the clip table from which it is computed.
COLUMNS = {"database": ("dataset",), "seconds": ("onset", "offset", "fps")}


def unknown_facts(spec: ClipFacts, clips: pd.DataFrame) -> str | None:
    """Return the columns that some clips lack, as the tail of a line; None if all facts are available."""
    columns = [column for fact in spec.facts for column in COLUMNS[fact]]
    lacking = [column for column in columns if clips[column].isna().any()]
    if not lacking:
        return None
    without = int(clips[lacking].isna().any(axis=1).sum())
    return f"has no {listed(lacking)} for {without} of {len(clips)} clips"


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
