"""The faces of one clip, which the inputs built from it share."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import Specification
from merbench.prepare.faces.find import FaceAlignment, Found, Points, find_face
from merbench.prepare.frames import ClipFrames, Image
from merbench.prepare.magnify import magnified

Made = TypeVar("Made")


class Faces:
    """The faces of a clip, aligned by the onset frame's transform or each by its own; for one thread.

    `clip` is the annotated one; `numbers` are those of its frames on disk, ascending. `onset` is where the face is in
    the onset frame, if known; `made` has what :meth:`once` need not make. Faces from the frame `magnified_from` on are
    magnified, see :mod:`merbench.prepare.magnify`.
    """

    def __init__(
        self,
        clip: ClipFrames,
        found: Found,
        align: Literal["onset", "frame"],
        onset: FaceAlignment | None = None,
        magnified_from: float | None = None,
        made: Mapping[Hashable, Any] | None = None,
    ) -> None:
        self.clip, self._found, self._align, self._known = clip, found, align, onset
        self._magnified_from = magnified_from
        self._made = dict(made or {})
        self.numbers = sorted(clip.files)

    @classmethod
    def of(
        cls,
        spec: Specification,
        clip: ClipFrames,
        onset: FaceAlignment | None = None,
        made: Mapping[Hashable, Any] | None = None,
    ) -> "Faces":
        """Return the faces that a settled specification asks for, or pictures as delivered if it says nothing.

        Magnification begins a second before the onset, or at the first frame if the span is the whole clip.
        """
        found: Any = getattr(spec, "faces", "delivered")
        assert found != "auto"  # settled before anything is built
        begin: float | None = None
        if getattr(spec, "magnify", "none") == "evm":
            if clip.fps is None:
                raise DataError(f"{clip.name} has no frame rate, which magnify: evm needs")
            begin = min(clip.files) if getattr(spec, "span", "") == "clip" else clip.onset - clip.fps
        return cls(clip, found, getattr(spec, "align", "onset"), onset, begin, made)

    def face(self, number: int, size: int) -> Image:
        """Return the face of a frame, BGR, `size` x `size`; it is kept, and read only."""
        return self.once(("face", number, size), lambda: self.aligned(number, size))

    def aligned(self, number: int, size: int) -> Image:
        """Return the face of a frame that is used once, without keeping it unless it is magnified."""
        begin, fps = self._magnified_from, self.clip.fps
        if begin is None or fps is None or number < begin:
            return self._aligned(number, size)
        from_begin = ((known, self._aligned(known, size)) for known in self.numbers if known >= begin)
        stream, kept = self.once(("magnified", size), lambda: (magnified(from_begin, fps), dict[int, Image]()))
        while number not in kept:
            known, image = next(stream)
            kept[known] = image
        return kept[number]

    def _aligned(self, number: int, size: int) -> Image:
        onset, alignment = self._onset
        if number == self.clip.nearest(self.clip.onset):
            return alignment.apply(onset, size)
        image = self.clip.image(number)
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
        return self.alignment(landmarks=True).points(size)

    def alignment(self, landmarks: bool) -> FaceAlignment:
        """Return where the face is in the onset frame, if need be with landmarks."""
        image, alignment = self._onset
        if alignment.landmarks is not None or not landmarks:
            return alignment
        where = self._where(self.clip.nearest(self.clip.onset))
        return self.once("landmarks", lambda: find_face(image, self._found, where, landmarks=True))

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what `make` gives, computed once for the clip and `key`."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Made, self._made[key])

    @cached_property
    def _onset(self) -> tuple[Image, FaceAlignment]:
        number = self.clip.nearest(self.clip.onset)
        image = self.clip.image(number)
        return image, self._known or find_face(image, self._found, self._where(number))

    def _where(self, number: int) -> str:
        return f"{self.clip.name}, frame {number} ({self.clip.files[number]})"
