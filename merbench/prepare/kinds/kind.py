"""The base class of input kinds; see ``docs/adding-an-input.md``."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.databases import Source
from merbench.contracts.digests import code_files, digest, files_digest
from merbench.contracts.errors import MerbenchError
from merbench.contracts.specifications import KINDS, Specification
from merbench.prepare import marked, pictures
from merbench.prepare.faces.aligned import Faces
from merbench.prepare.frames import ClipFrames
from merbench.prepare.jitter import jittered

Array = npt.NDArray[Any]
Spec = TypeVar("Spec", bound=Specification)
#: Type of the values, and the shape of one clip's array; None is the length of an axis that differs from clip to clip.
Form = tuple[type[np.generic], tuple[int | None, ...]]


class Kind(Generic[Spec]):
    """An input kind: everything that merbench knows of the inputs of one specification class.

    A kind defines `spec`, :meth:`form`, and either :meth:`build` or, with `from_table`, :meth:`take`.
    """

    spec: type[Spec]  #: its specification class; its field ``kind`` has the name of the kind
    #: Increment when the same specification gives other values: arrays in the store are built again, and results that
    #: depend on them have other keys.
    version = 1
    from_table = False  #: taken from the clip table, and neither prepared nor stored
    with_unknown = False  #: NaN stands for unknown values; elsewhere it is an error

    def form(self, spec: Spec) -> Form:
        """Return type and shape of the array of one clip, without jitter."""
        raise NotImplementedError(f"{type(self).__name__} must define form(spec)")

    def build(self, spec: Spec, clip: ClipFrames, faces: Faces) -> Array:
        """Build the array of one clip from its frames.

        `spec` has no ``faces: auto``. With jitter, onset and apex of `clip` are shifted, and `faces` stay as annotated.
        """
        raise NotImplementedError(f"{type(self).__name__} must define build(spec, clip, faces)")

    def together(self, spec: Spec) -> int:
        """Return how many clips are built at once, by :meth:`build_together`; of these memory is needed."""
        return 1

    def build_together(self, spec: Spec, clips: Sequence[tuple[ClipFrames, Faces]]) -> list[Array]:
        """Build the arrays of some clips, each as :meth:`build` does, where :meth:`together` is more than 1.

        Not called for specifications from whose versions training draws.
        """
        return [self.build(spec, clip, faces) for clip, faces in clips]

    def parts(self, spec: Spec) -> Sequence[Specification]:
        """Return what the inputs of a clip share: settled specifications of arrays that are built first and kept.

        :meth:`build` gets each from ``faces.once(part, make)``, where `make` builds one that is not kept. The face in
        the onset frame is shared without being named here.
        """
        return ()

    def versions(self, spec: Spec, clip: ClipFrames) -> list[ClipFrames]:
        """Return the versions of a clip from which a batch of training draws, first the annotated one.

        Here those of jitter windows; without any, the clip alone. `spec.drawn` says whether versions are drawn.
        """
        return jittered(spec, clip)

    def has_varying_versions(self, spec: Spec) -> bool:
        """Return whether clips have different numbers of versions."""
        return False

    def take(self, spec: Spec, clips: pd.DataFrame) -> Array:
        """Return the arrays of `clips`, shape (n_clips, ...), from the clip table."""
        raise NotImplementedError(f"{type(self).__name__} must define take(spec, clips)")

    def lacking(self, spec: Spec, source: Source) -> str | None:
        """Return what a database or this machine lacks to serve `spec`, as the tail of a line: ``has no onset``.

        Landmarks, frame rates and movement need not be considered: :meth:`needs_landmarks`, :meth:`needs_fps` and
        :meth:`needs_movement` say what is needed.
        """
        return None

    def needs_fps(self, spec: Spec) -> bool:
        """Return whether the frame rate is needed."""
        return getattr(spec, "magnify", "none") != "none"

    def needs_movement(self, spec: Spec) -> bool:
        """Return whether a clip of a single picture can't be served."""
        return False

    def needs_landmarks(self, spec: Spec) -> bool:
        """Return whether 68 landmarks are needed, however the face is found."""
        return False

    def derive(self, spec: Spec, offered: Spec) -> Callable[[Array], Array] | None:
        """Return how `spec` is computed from the arrays of another specification, shape (n_clips, ...); None: not.

        Releases of ready-made arrays then serve `spec` too.
        """
        return None

    def synthetic(self, spec: Spec, marks: pd.DataFrame, rng: np.random.Generator) -> Array:
        """Make arrays of the synthetic clips on which methods are checked, shape (n_clips, ...), without jitter.

        `marks` has a row per clip, indexed by its dataset, and a column per output: 1 for the outputs of the clip,
        which a method must be able to learn from the arrays, else 0.
        """
        return marked.arrays(*self.form(spec), marks.to_numpy(), rng)

    def pictures(self, spec: Spec, values: Array) -> list[tuple[str, pictures.Picture]]:
        """Draw the array of one clip for a contact sheet: titles and RGB pictures; empty if it can't be shown."""
        return pictures.drawn(self.spec.model_fields["kind"].default, values)

    def is_ragged(self, spec: Spec) -> bool:
        """Return whether clips have arrays of different shapes."""
        return None in self.form(spec)[1]

    def checked(self, spec: Spec, values: Array, clip: str, got: str = "built") -> Array:
        """Return the array of one clip; an error names kind, specification and clip if it has another form, or NaN.

        `got` says how it came: built, or found in a release.
        """
        dtype, shape = self.form(spec)
        fits = len(values.shape) == len(shape) and all(
            size in (None, found) for size, found in zip(shape, values.shape, strict=True)
        )
        if values.dtype != dtype or not fits:
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            expected = f"{np.dtype(dtype)} ({sizes}{',' if len(shape) == 1 else ''})"
            raise MerbenchError(
                f"input kind {spec.kind!r} {got} {values.dtype} {values.shape} for {spec} of {clip}, not {expected}"
            )
        if not self.with_unknown and np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
            raise MerbenchError(f"input kind {spec.kind!r} {got} NaN or infinite values for {spec} of {clip}")
        return values


def kind_of(spec: Specification) -> Kind[Any]:
    """Return the kind of a specification.

    MerbenchError if it is not registered, can't be loaded or is not an object of a :class:`Kind`, or if the
    specification is of another class than the kind's.
    """
    found = KINDS.get(spec.kind)
    if not isinstance(found, Kind):
        origin, base = KINDS.entry(spec.kind).origin, f"{Kind.__module__}.{Kind.__name__}"
        raise MerbenchError(f"input kind {spec.kind!r} of {origin} must be an object of a class derived from {base}")
    if not isinstance(spec, found.spec):
        classes = f"{type(spec).__name__}, but the specifications of input kind {spec.kind!r} are {found.spec.__name__}"
        raise MerbenchError(f"{spec} is of the class {classes}")
    return found


def code_of(spec: Specification) -> str:
    """Digest the code of an input kind of a package; empty for merbench's own, whose `version` says what changes."""
    return code_of_kind(spec.kind, kind_of(spec))


@cache
def code_of_kind(name: str, kind: Kind[Any]) -> str:
    """Digest, once a process, the folders of the modules with a kind, its specification and their bases.

    Of a module that is in no package, the module alone. Empty for a kind of merbench.
    """
    entry = KINDS.entry(name)
    if entry.origin == "merbench":
        return ""
    top = entry.module.partition(".")[0]
    modules = {entry.module, *(base.__module__ for cls in (type(kind), kind.spec) for base in cls.__mro__)}
    found = set()
    for module in (module for module in modules if module.partition(".")[0] == top):
        path = Path(str(sys.modules[module].__file__))
        alone = "." not in module and path.name != "__init__.py"
        found.add(files_digest(path.parent, code_files(path if alone else path.parent)))
    return digest(sorted(found))
