"""The faces of one clip, which the inputs built from it share."""

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.find import FaceAlignment, Found, Points, find_face
from merbench.prepare.frames import ClipFrames, Image

Made = TypeVar("Made")


class Faces:
    """The faces of a clip, aligned by the onset frame's transform or each by its own; for one thread.

    `numbers` are those of the frames on disk, ascending.
    """

    def __init__(self, clip: ClipFrames, found: Found, align: Literal["onset", "frame"]) -> None:
        self._clip, self._found, self._align = clip, found, align
        self._made: dict[Hashable, Any] = {}
        self.numbers = sorted(clip.files)

    @classmethod
    def of(cls, spec: Specification, clip: ClipFrames) -> "Faces":
        """Return the faces that a settled specification asks for, or pictures as delivered if it says nothing."""
        found: Any = getattr(spec, "faces", "delivered")
        assert found != "auto"  # settled before anything is built
        return cls(clip, found, getattr(spec, "align", "onset"))

    def face(self, number: int, size: int) -> Image:
        """Return the face of a frame, BGR, `size` x `size`; it is kept, and read only."""
        return self.once(("face", number, size), lambda: self.aligned(number, size))

    def aligned(self, number: int, size: int) -> Image:
        """Return the face of a frame that is used once, without keeping it."""
        onset, alignment = self._onset
        if number == self._clip.nearest(self._clip.onset):
            return alignment.apply(onset, size)
        image = self._clip.image(number)
        if self._align == "frame":
            return find_face(image, self._found, self._where(number)).apply(image, size)
        if image.shape != onset.shape:
            here, there = (f"{each.shape[1]} x {each.shape[0]}" for each in (image, onset))
            raise DataError(
                f"{self._where(number)}: {here} pixels, where the onset frame has {there}; "
                "copy the clip again, or prepare it with align: frame"
            )
        return alignment.apply(image, size)

    def points(self, size: int) -> Points:
        """Return the onset frame's 68 landmarks in pixels of a face of `size`, shape (68, 2)."""
        image, alignment = self._onset
        if alignment.landmarks is None:
            where = self._where(self._clip.nearest(self._clip.onset))
            alignment = self.once("landmarks", lambda: find_face(image, self._found, where, landmarks=True))
        return alignment.points(size)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what `make` gives, computed once for the clip and `key`."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Made, self._made[key])

    @cached_property
    def _onset(self) -> tuple[Image, FaceAlignment]:
        number = self._clip.nearest(self._clip.onset)
        image = self._clip.image(number)
        return image, find_face(image, self._found, self._where(number))

    def _where(self, number: int) -> str:
        return f"{self._clip.name}, frame {number} ({self._clip.files[number]})"
