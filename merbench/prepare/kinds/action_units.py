"""Action units of clips, from the clip table."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import Coding
from merbench.contracts.databases import Source
from merbench.contracts.inputs import ActionUnits
from merbench.prepare.kinds.kind import Form, Kind


class _ActionUnitsKind(Kind[ActionUnits]):
    spec = ActionUnits
    from_table = True
    with_unknown = True

    def form(self, spec: ActionUnits) -> Form:
        return np.float32, (len(spec.vocabulary),)

    def lacking(self, spec: ActionUnits, source: Source) -> str | None:
        """Refuse releases without any action units; databases without any, such as SMIC, have unknown ones."""
        released = source.database.card.offers is not None
        return "has no action units" if released and source.clips.aus.isna().all() else None

    def take(self, spec: ActionUnits, clips: pd.DataFrame) -> npt.NDArray[Any]:
        unknown = np.full(len(spec.vocabulary), np.nan, dtype=np.float32)
        return np.stack([aus.vector(spec.vocabulary) if isinstance(aus, Coding) else unknown for aus in clips.aus])

    def synthetic(self, spec: ActionUnits, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return which action units are shown; unknown for the last clip."""
        place = {name: index for index, name in enumerate(marks.columns)}
        shown = [place.get(str(unit), index % len(place)) for index, unit in enumerate(spec.vocabulary)]
        values = marks.to_numpy()[:, shown].astype(np.float32)
        values[-1] = np.nan
        return values


KIND = _ActionUnitsKind()
