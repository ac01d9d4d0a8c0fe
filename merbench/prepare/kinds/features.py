"""Ready-made features of data of one's own."""

from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.contracts.databases import Source
from merbench.contracts.inputs import Features
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import Form, Kind


class _FeaturesKind(Kind[Features]):
    spec = Features

    def form(self, spec: Features) -> Form:
        return np.float32, spec.shape

    def lacking(self, spec: Features, source: Source) -> str | None:
        return f"has no ready-made features {spec.name}"

    def build(self, spec: Features, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        raise NotImplementedError("features are ready-made")


KIND = _FeaturesKind()
