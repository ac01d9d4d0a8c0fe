"""Diagnostics: arrays that a method returns for figures and probes, and their check."""

import re
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from merbench.contracts.errors import PredictionError


class _Kind(NamedTuple):
    """The expected form of a diagnostic array."""

    pattern: str  #: regular expression for its names
    dtype: Literal["float", "bool", "uint8"]
    #: Alternatives for its axes after the clip axis: a letter per axis, one for equal lengths, or a digit, its length.
    shapes: tuple[str, ...]
    bounded: bool = False  #: whether its values are in 0..1


_WORD = "[a-z0-9]+(?:[-_.][a-z0-9]+)*"

#: Diagnostics that a method can return, by the form of their names; readers of diagnostics rely on these names only.
DIAGNOSTIC_KINDS = {
    "feature/<name>": _Kind(f"feature/{_WORD}", "float", ("d",)),  # feature of a branch
    "gate/<name>": _Kind(f"gate/{_WORD}", "float", ("", "d"), bounded=True),  # weight that a fusion gives to it
    "kept/<rate>": _Kind(r"kept/0(?:\.\d+)?", "bool", ("hw",)),  # locations of `face` that were kept
    "attention/<name>": _Kind(f"attention/{_WORD}", "float", ("hw",), bounded=True),  # of locations of `face`
    "time/<name>": _Kind(f"time/{_WORD}", "float", ("t",), bounded=True),  # weight of each frame, in their order
    "graph/<name>": _Kind(f"graph/{_WORD}", "float", ("vv",), bounded=True),  # adjacency: a row takes from a column
    "au/<number>": _Kind(r"au/[1-9]\d?", "float", ("",)),  # score of an action unit; positive: shown
    "face": _Kind("face", "uint8", ("hw",)),  # small grey-level onset face
    "picture/<name>": _Kind(f"picture/{_WORD}", "uint8", ("hw", "hw3")),  # grey or RGB, to be seen as it is
}

_ROUNDING = 1e-5


def check_diagnostics(found: object, clips: int) -> dict[str, npt.NDArray[Any]]:
    """Return the output of ``diagnose`` for `clips` clips, floats as float32.

    PredictionError, with the array and the expected form, for anything but a dict, an unknown name
    (`DIAGNOSTIC_KINDS`), a type or shape that does not match the name, NaN or infinite values, a gate outside 0..1.
    """
    if not isinstance(found, dict):
        raise PredictionError(f"diagnose returned {type(found).__name__}, expected a dict of arrays")
    return {name: _diagnostic(name, array, clips) for name, array in found.items()}


def _diagnostic(name: object, array: object, clips: int) -> npt.NDArray[Any]:
    kind = next((k for k in DIAGNOSTIC_KINDS.values() if isinstance(name, str) and re.fullmatch(k.pattern, name)), None)
    if kind is None:
        raise PredictionError(f"diagnose returned {name!r}, expected names of the form {', '.join(DIAGNOSTIC_KINDS)}")
    if not isinstance(array, np.ndarray):
        raise PredictionError(f"diagnose: {name} is a {type(array).__name__}, expected a NumPy array")
    fits = array.dtype.kind == "f" if kind.dtype == "float" else array.dtype == np.dtype(kind.dtype)
    fits = fits and array.shape[:1] == (clips,) and any(_has_axes(array, shape) for shape in kind.shapes)
    if not fits or not array.size:
        expected = " or ".join(f"({', '.join([str(clips), *shape])}{'' if shape else ','})" for shape in kind.shapes)
        raise PredictionError(
            f"diagnose: {name} is {array.dtype} of shape {array.shape}, expected {kind.dtype} of shape {expected}"
        )
    if kind.dtype != "float":
        return np.array(array)
    with np.errstate(over="ignore"):
        values: npt.NDArray[Any] = array.astype(np.float32)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values.reshape(clips, -1))).any(axis=1).sum())
        raise PredictionError(f"diagnose: {name} has NaN or infinite values for {bad} of {clips} clips")
    if kind.bounded and (values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING):
        raise PredictionError(f"diagnose: {name} has values in {values.min():g}..{values.max():g}, expected 0..1")
    return values.clip(0, 1) if kind.bounded else values


def _has_axes(array: npt.NDArray[Any], shape: str) -> bool:
    """Return whether an array has a clip axis and these ones; those of one letter have one length, a digit is one."""
    lengths = dict(zip(shape, array.shape[1:], strict=False))
    return array.shape[1:] == tuple(int(axis) if axis.isdigit() else lengths.get(axis) for axis in shape)
