"""An input's missing arrays are built into the store; what inputs of a clip share is built once for all of them."""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.faces.find import FaceAlignment
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build, build_together
from merbench.prepare.kinds.face import face_of, uses_dlib
from merbench.prepare.kinds.kind import kind_of
from merbench.prepare.pools import Array
from merbench.prepare.store import PreparationWatcher, Shelf, ShelfFile, remove_file

#: By name of a clip, the files of what its inputs share.
_Found = Mapping[str, Mapping[Specification, Path]]


def provide(
    shelf: Shelf, clips: Sequence[ClipFrames], watcher: PreparationWatcher, workers: int | None = None
) -> list[Path]:
    """Build the missing `clips` of a shelf and return the file of each; see :meth:`Shelf.provide` for what it raises.

    What inputs of a clip share is built first, as inputs of their own: the face, where it must be found, and the parts
    of the kind. What runs dlib, which holds the interpreter lock, is built in processes.
    """
    assert shelf.file is not None
    database, spec = shelf.file.database, shelf.file.spec
    parts = [*kind_of(spec).parts(spec), *filter(None, [face_of(spec)])]
    found: dict[str, dict[Specification, Path]] = {}

    def build_parts(missing: Sequence[ClipFrames]) -> None:
        for part in parts:
            shared = Shelf(ShelfFile.of(database, part))
            with suppress(DataError):  # clips that fail are named where the input itself is built
                provide(shared, missing, watcher, workers)
            for clip, path in zip(missing, shared.there(missing), strict=True):
                if path is not None:
                    found.setdefault(clip.name, {})[part] = path

    count = kind_of(spec).together(spec) if spec.drawn is None else 1
    together = (count, partial(_build_together, spec, found)) if count > 1 else None
    return shelf.provide(clips, partial(_build, spec, found), watcher, workers, uses_dlib(spec), build_parts, together)


def _build(spec: Specification, found: _Found, clip: ClipFrames) -> Array:
    return build(spec, clip, _faces(spec, found, clip))


def _build_together(spec: Specification, found: _Found, clips: list[ClipFrames]) -> list[Array | DataError]:
    """Build clips at once; if one of them can't be built, each alone, so that the others are."""
    try:
        return [*build_together(spec, [(clip, _faces(spec, found, clip)) for clip in clips])]
    except (DataError, cv2.error):
        return [_alone(spec, found, clip) for clip in clips]


def _alone(spec: Specification, found: _Found, clip: ClipFrames) -> Array | DataError:
    try:
        return _build(spec, found, clip)
    except DataError as error:
        return error
    except cv2.error as error:
        return DataError(f"{clip.name}: OpenCV failed: {error}")


def _faces(spec: Specification, found: _Found, clip: ClipFrames) -> Faces:
    """Return the faces of a clip, with what was built before."""
    made: dict[Hashable, Array] = {}
    for part, path in found.get(clip.name, {}).items():
        try:
            made[part] = Shelf.read(path)
        except DataError:  # changed since it was built: made again, now and next time
            remove_file(path)
    face = made.pop(face_of(spec), None)
    return Faces.of(spec, clip, None if face is None else FaceAlignment.of(face), made)
