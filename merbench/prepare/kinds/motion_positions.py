"""Maps of where a face moves, which only a release has."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.databases import Source
from merbench.contracts.inputs import MotionPositions
from merbench.prepare import marked
from merbench.prepare.kinds.kind import Form, Kind


class _MotionPositionsKind(Kind[MotionPositions]):
    spec = MotionPositions

    def form(self, spec: MotionPositions) -> Form:
        return np.uint8, (28, 28, 2)

    def lacking(self, spec: MotionPositions, source: Source) -> str | None:
        return "has no such maps, whose computation is not published: use --data megc2019-flow4x28"

    def synthetic(self, spec: MotionPositions, marks: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[Any]:
        return marked.images(marks.to_numpy(), 28, 2, rng)


KIND = _MotionPositionsKind()
