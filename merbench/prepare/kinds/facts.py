"""Facts of clips that the clip table tells: which database they are from, how long they are."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.digests import digest
from merbench.contracts.errors import listed
from merbench.contracts.inputs import ClipFacts

#: Fact -> the columns of the clip table that it is made of.
COLUMNS = {"database": ("dataset",), "seconds": ("onset", "offset", "fps")}


def unknown_facts(spec: ClipFacts, clips: pd.DataFrame) -> str | None:
    """Say which columns some clips lack, as the tail of a line; None where all facts can be told."""
    columns = [column for fact in spec.facts for column in COLUMNS[fact]]
    lacking = [column for column in columns if clips[column].isna().any()]
    if not lacking:
        return None
    without = int(clips[lacking].isna().any(axis=1).sum())
    return f"does not tell {listed(lacking)} of {without} of {len(clips)} clips"


def clip_facts(spec: ClipFacts, clips: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the facts of clips of which none is unknown, shape (n_clips, n_facts)."""
    return np.column_stack([_fact(fact, clips) for fact in spec.facts])


def _fact(fact: str, clips: pd.DataFrame) -> npt.NDArray[np.float64]:
    if fact == "database":
        return np.array([database_code(name) for name in clips.dataset], dtype=np.float64)
    onset, offset, fps = (clips[column].to_numpy(np.float64) for column in COLUMNS["seconds"])
    return np.asarray((offset - onset + 1) / fps)


def database_code(dataset: str) -> int:
    """Return the number that stands for a database, below 2**32: of its name alone, whatever others there are."""
    return int(digest(["database", dataset])[:8], 16)
