"""Specifications of inputs: their base classes, and the registry of input kinds.

The kinds of merbench are objects in ``merbench/prepare/kinds/``, a file each; a package offers one by an entry point of
the group ``merbench.inputs``. See :class:`merbench.prepare.kinds.kind.Kind`.
"""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.registry import Entry, Registry


class Specification(BaseModel):
    """Base class of specifications: what a method declares of an input; it covers everything that changes the values.

    A subclass has the field ``kind: Literal["word"] = "word"`` and its settings. A setting that is added later gets a
    default with the earlier meaning, since digests leave settings out at their defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Labels, not pictures: never given with test clips, unless the card discloses it.
    training_only: ClassVar[bool] = False
    #: Settings that are always shown in the name; others are shown if they differ from the default.
    named_by: ClassVar[tuple[str, ...]] = ()
    #: Settings that were added when arrays were on disk already: not part of a shelf's name while at their defaults.
    added_later: ClassVar[tuple[str, ...]] = ()

    kind: str

    @property
    def drawn(self) -> Hashable:
        """None if there is one version of each clip; else what is drawn in training.

        Inputs that agree in it have the same versions, and draw the same one.
        """
        return self if getattr(self, "onset_jitter", 0) or getattr(self, "apex_jitter", 0) else None

    def __str__(self) -> str:
        """Name the kind and its settings: ``flow(onset-apex, 28, u/v/strain, tvl1, clip)``."""
        values = {name: "/".join(map(str, v)) if isinstance(v, tuple) else v for name, v in self if name != "kind"}
        words = [str(values.pop(name)) for name in self.named_by]
        fields = type(self).model_fields
        words += [f"{name}={value}" for name, value in values.items() if getattr(self, name) != fields[name].default]
        return f"{self.kind}({', '.join(words)})"


class FaceSpecification(Specification):
    """The common settings of inputs that are made of face pictures.

    ``faces`` finds the face in a whole frame: by 68 landmarks (dlib, the extra ``faces``), by OpenCV's Haar cascade,
    or uses the pictures as delivered; ``auto`` uses cropped trees as delivered and whole frames by landmarks if dlib is
    installed, else by Haar, and is settled and shown before anything is built. ``align="onset"`` warps every frame of a
    clip by the onset frame's transform, ``"frame"`` each by its own, which adds the detector's jitter.
    """

    faces: Literal["auto", "landmarks", "haar", "delivered"] = "auto"
    align: Literal["onset", "frame"] = "onset"


_BUILTIN = {
    "action-units": "merbench.prepare.kinds.action_units:KIND",
    "clip-facts": "merbench.prepare.kinds.clip_facts:KIND",
    "dynamic-image": "merbench.prepare.kinds.dynamic_image:KIND",
    "face": "merbench.prepare.kinds.face:KIND",
    "features": "merbench.prepare.kinds.features:KIND",
    "flow": "merbench.prepare.kinds.flow:KIND",
    "flow-field": "merbench.prepare.kinds.flow_field:KIND",
    "flow-series": "merbench.prepare.kinds.flow_series:KIND",
    "frame-times": "merbench.prepare.kinds.frame_times:KIND",
    "frames": "merbench.prepare.kinds.frames:KIND",
    "motion-positions": "merbench.prepare.kinds.motion_positions:KIND",
    "landmarks": "merbench.prepare.kinds.landmarks:KIND",
}


def _kind(entry: Entry, found: object) -> Any:
    spec = getattr(found, "spec", None)
    named = f"input kind {entry.name!r} of {entry.origin}"
    if not (isinstance(spec, type) and issubclass(spec, Specification)):
        raise MerbenchError(f"{named}: {entry.target} needs spec, a class derived from Specification")
    if (word := spec.model_fields["kind"].default) != entry.name:
        raise MerbenchError(f'{named}: the field kind of {spec.__name__} must be "{entry.name}", not {word!r}')
    return found


#: The input kinds, by the word ``kind`` of their specifications; see :func:`merbench.prepare.kinds.kind.kind_of`.
KINDS: Registry[Any] = Registry("input kind", "merbench.inputs", _BUILTIN.copy, _kind)


def read_specification(content: Mapping[str, Any], known: Mapping[str, type[Specification]]) -> Specification:
    """Read a specification from the keys of a card: its class is that of its kind, `known` or from the registry.

    ValidationError names a missing or unknown kind, one that can't be loaded, and unknown or invalid settings.
    """
    word = content.get("kind")
    if not isinstance(word, str):
        error = InitErrorDetails(type="missing" if word is None else "string_type", loc=("kind",), input=word)
        raise ValidationError.from_exception_data("input", [error])
    cls = known.get(word) or _registered(word)
    if unknown := [key for key in content if key not in cls.model_fields]:
        refused = PydanticCustomError(
            "extra_forbidden", "Extra inputs are not permitted", {"known": list(cls.model_fields)}
        )
        errors = [InitErrorDetails(type=refused, loc=(key,), input=content[key]) for key in unknown]
        raise ValidationError.from_exception_data("input", errors)
    return cls.model_validate(content)


def _registered(word: str) -> type[Specification]:
    """Return the specification class of a kind that a package offers."""
    try:
        if word not in KINDS.names():
            raise MerbenchError(f"unknown input kind {word!r}{suggestion(word, KINDS.names())}")
        found: type[Specification] = KINDS.get(word).spec
    except MerbenchError as error:
        raise PydanticCustomError("input_kind", "{message}", {"message": str(error)}) from error
    return found
