"""An input's missing arrays are built into the store; the face of a clip is found once for all its inputs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.faces.find import FaceAlignment
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.face import face_of, uses_dlib
from merbench.prepare.pools import Array
from merbench.prepare.store import PreparationWatcher, Shelf, ShelfFile, remove_file


def provide(
    shelf: Shelf, clips: Sequence[ClipFrames], watcher: PreparationWatcher, workers: int | None = None
) -> list[Path]:
    """Build the missing `clips` of a shelf and return the file of each; see :meth:`Shelf.provide` for what it raises.

    Where faces must be found, those of the missing clips are built first, as an input of their own, which all inputs
    share. What runs dlib, which holds the interpreter lock, is built in processes.
    """
    assert shelf.file is not None
    spec, found = shelf.file.spec, dict[str, Path]()

    def find_faces(missing: Sequence[ClipFrames]) -> None:
        assert shelf.file is not None
        if (face := face_of(spec)) is None:
            return
        faces = Shelf(ShelfFile.of(shelf.file.database, face))
        with suppress(DataError):  # the clips without a face are named where the input itself is built
            provide(faces, missing, watcher, workers)
        paths = zip(missing, faces.there(missing), strict=True)
        found.update({clip.name: path for clip, path in paths if path is not None})

    return shelf.provide(clips, partial(_build, spec, found), watcher, workers, uses_dlib(spec), find_faces)


def _build(spec: Specification, found: Mapping[str, Path], clip: ClipFrames) -> Array:
    face = None
    if path := found.get(clip.name):
        try:
            face = FaceAlignment.of(Shelf.read(path))
        except DataError:  # changed since it was built: found again, now and next time
            remove_file(path)
    return build(spec, clip, Faces.of(spec, clip, face))
