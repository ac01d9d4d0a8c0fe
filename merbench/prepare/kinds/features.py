"""Ready-made features of data of one's own."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from merbench.contracts.databases import Source
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import Form, Kind


class _Features(Specification):
    """Ready-made features of data of one's own (``merbench data add NAME --clips TABLE --arrays FILE``).

    Float32 of `shape` a clip; `name` is that of the data whose features they are.
    """

    named_by: ClassVar[tuple[str, ...]] = ("name", "shape")

    kind: Literal["features"] = "features"
    name: str
    shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)


class _FeaturesKind(Kind[_Features]):
    spec = _Features

    def form(self, spec: _Features) -> Form:
        return np.float32, spec.shape

    def lacking(self, spec: _Features, source: Source) -> str | None:
        return f"has no ready-made features {spec.name}"

    def build(self, spec: _Features, clip: ClipFrames, faces: Faces) -> npt.NDArray[Any]:
        raise NotImplementedError("features are ready-made")


KIND = _FeaturesKind()
