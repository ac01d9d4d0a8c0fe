"""The array of one input of one clip, built by its kind and checked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import MerbenchError
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.kind import kind_of

Array = npt.NDArray[Any]


def build(spec: Specification, clip: ClipFrames, faces: Faces | None = None) -> Array:
    """Build one input of one clip; `faces` of the same clip may be shared by inputs with the same face settings.

    `spec` is settled, see :func:`merbench.prepare.faces.settle.settled`. Its docstring has shape and type of the array;
    if versions are drawn, there is a leading axis over :meth:`merbench.prepare.kinds.kind.Kind.versions`.

    Raises
    ------
    DataError
        A frame is unreadable, shows no face, or is not of the onset frame's size; names the clip.
    MerbenchError
        Landmarks are asked for and dlib is not installed; or the kind failed, or built an array of another form or NaN.
    """
    kind = kind_of(spec)
    faces = faces or Faces.of(spec, clip)
    built = []
    for version in kind.versions(spec, clip):
        with _blaming(spec, clip.name):
            values = np.asarray(kind.build(spec, version, faces))
        built.append(kind.checked(spec, values, clip.name))
    return built[0] if spec.drawn is None else np.stack(built)


def build_together(spec: Specification, clips: Sequence[tuple[ClipFrames, Faces]]) -> list[Array]:
    """Build one input of some clips at once, where the kind does; raises what :func:`build` does."""
    with _blaming(spec, f"{clips[0][0].name} and {len(clips) - 1} other clips"):
        built = kind_of(spec).build_together(spec, clips)
    return [kind_of(spec).checked(spec, values, clip.name) for values, (clip, _) in zip(built, clips, strict=True)]


@contextmanager
def _blaming(spec: Specification, clips: str) -> Iterator[None]:
    try:
        yield
    except (MerbenchError, cv2.error):
        raise
    except Exception as error:
        raise MerbenchError(f"input kind {spec.kind!r} failed on {spec} of {clips}: {error!r}") from error
