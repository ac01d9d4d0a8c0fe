"""Inputs: what a method asks for, by specification, and what it gets, by row.

A method declares named inputs and never touches files. A specification says everything that changes the numbers, so its
digest is part of what a result is keyed by.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Span = Literal["onset-apex", "onset-offset", "clip"]


class _Specification(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Labels rather than pictures: never handed out with test clips, unless the card admits it.
    training_only: ClassVar[bool] = False

    def __str__(self) -> str:
        """Name the kind and its settings in a few words: ``flow(onset-apex, 28, u/v/strain, tvl1, clip)``."""
        (_, kind), *settings = self
        words = ["/".join(map(str, v)) if isinstance(v, tuple) else str(v) for n, v in settings if "jitter" not in n]
        words += [f"{name}={value}" for name, value in settings if "jitter" in name and value]
        return f"{kind}({', '.join(words)})"


class Flow(_Specification):
    """Optical flow between two frames: ``(size, size, channels)`` a clip.

    Jitter windows let a draw of the random generator move onset and apex by up to that many frames while training.
    ``normalise="clip"`` scales each channel of a clip to 0..255 (uint8), as STSTNet's authors publish it.
    """

    kind: Literal["flow"] = "flow"
    span: Span = "onset-apex"
    size: int = Field(28, ge=8)
    channels: tuple[Literal["u", "v", "strain", "magnitude"], ...] = ("u", "v", "strain")
    algorithm: Literal["tvl1", "farneback"] = "tvl1"
    normalise: Literal["clip", "none"] = "clip"
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)


class Frames(_Specification):
    """Face frames: ``(count, size, size, channels)`` a clip, uint8; ``count=None`` gives every frame (ragged)."""

    kind: Literal["frames"] = "frames"
    span: Span = "onset-offset"
    count: int | None = Field(8, ge=2)
    size: int = Field(112, ge=8)
    colour: Literal["grey", "rgb"] = "grey"
    onset_jitter: int = Field(0, ge=0)
    apex_jitter: int = Field(0, ge=0)


class DynamicImage(_Specification):
    """The whole clip in one picture by approximate rank pooling: ``(size, size, 3)`` a clip, uint8."""

    kind: Literal["dynamic-image"] = "dynamic-image"
    span: Span = "onset-offset"
    size: int = Field(112, ge=8)


class Landmarks(_Specification):
    """Facial landmarks of the onset frame: ``(points, 2)`` a clip, x and y in pixels of the prepared face."""

    kind: Literal["landmarks"] = "landmarks"
    points: Literal[5, 68] = 68
    size: int = Field(112, ge=8)


class ActionUnits(_Specification):
    """Action units, for training only: ``(len(vocabulary),)`` a clip, 1 shown, 0 not, NaN where there is no label."""

    training_only: ClassVar[bool] = True

    kind: Literal["action-units"] = "action-units"
    vocabulary: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17)


InputSpec = Annotated[Flow | Frames | DynamicImage | Landmarks | ActionUnits, Field(discriminator="kind")]

Rows = npt.NDArray[np.intp] | slice


class ArrayInput:
    """One input of a set of clips, held in memory.

    Parameters
    ----------
    spec : InputSpec
        What the values are.
    values : ndarray, shape (n_clips, ...)
        One entry a clip.
    """

    def __init__(self, spec: InputSpec, values: npt.NDArray[Any]) -> None:
        self.spec = spec
        self._values = values

    def batch(self, rows: Rows = slice(None), rng: np.random.Generator | None = None) -> npt.NDArray[Any]:
        """Return the values of some clips, as a copy that the method may work on in place.

        Parameters
        ----------
        rows : ndarray of int, or slice
            Clips, counted within this input; all of them by default.
        rng : Generator, optional
            Draws the jitter of a specification that has a window; without one the annotated frames are taken.

        Returns
        -------
        ndarray, shape (n_rows, ...)
        """
        return np.array(self._values[rows])

    def take(self, rows: npt.NDArray[np.intp]) -> "ArrayInput":
        """Return a copy for some clips."""
        return ArrayInput(self.spec, self.batch(np.asarray(rows)))


class Inputs:
    """The named inputs of a set of clips, in an order that means nothing.

    Parameters
    ----------
    arrays : mapping of str to ArrayInput
        By the name under which the method declares them.
    clips : int
        How many clips these are (a method may declare no input at all).
    """

    def __init__(self, arrays: Mapping[str, ArrayInput], clips: int) -> None:
        self._arrays = dict(arrays)
        self.clips = clips

    def __getitem__(self, name: str) -> ArrayInput:
        return self._arrays[name]

    def names(self) -> Iterable[str]:
        """Return the names of the inputs."""
        return self._arrays.keys()

    def take(self, rows: npt.NDArray[np.intp]) -> "Inputs":
        """Return a **copy** for some clips: what is handed to a method holds no other clip, not even by reference."""
        return Inputs({name: array.take(rows) for name, array in self._arrays.items()}, len(rows))

    def pictures(self) -> "Inputs":
        """Return these inputs without those that are labels, such as action units."""
        arrays = {name: array for name, array in self._arrays.items() if not array.spec.training_only}
        return Inputs(arrays, self.clips)
