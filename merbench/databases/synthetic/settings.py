"""What can be asked of the synthetic stand-in, and the digest that says which program made a copy from it."""

import ast
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from merbench.contracts.digests import digest

#: To be raised by hand where a package that draws or encodes changes what is written, which no syntax tree shows.
VERSION = 1

#: The file that a finished stand-in has at its top.
MANIFEST = "synthetic.json"

#: Whatever decides a pixel, a label or a cell of a sheet; the reader of the written copy is not among them.
GENERATOR = ("settings", "table", "face", "motion", "clips", "trees")


class Settings(BaseModel):
    """Which stand-in is to be written.

    Attributes
    ----------
    size : str
        ``full``: the counts of MEGC 2019, 442 clips of 68 subjects; ``small``: 100 clips of 12 subjects.
    table : str
        How much action units tell of the emotion: ``default``, or ``ambiguous``, where about nine clips of ten show
        action units that occur with several emotions, as in CAS(ME)^3.
    strength : float
        Strength in 0..1 of what tells emotions of the same action units apart: the shape of the time course and a
        flicker at the eyes. It moves no onset, apex or offset frame, and no random draw.
    seed : int
        Another seed is another draw of people, labels and movements.
    pixels : int
        Side of the square frames, in which head and shoulders are seen.
    colour : str
        ``grey``, or ``rgb``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Literal["small", "full"] = "small"
    table: Literal["default", "ambiguous"] = "default"
    strength: float = Field(1.0, ge=0, le=1)
    seed: int = Field(0, ge=0)
    pixels: int = Field(160, ge=96, le=1024)
    colour: Literal["grey", "rgb"] = "grey"


def generator_digest(settings: Settings) -> str:
    """Digest the settings and the program: two copies with one digest hold the same clips."""
    code = {name: _plain(ast.parse(Path(__file__).with_name(f"{name}.py").read_bytes())) for name in GENERATOR}
    return digest({"version": VERSION, "settings": settings.model_dump(mode="json"), "code": code})


def _plain(node: Any) -> Any:
    """Write a syntax tree as nested lists, without docstrings, positions and what later Pythons add empty."""
    if isinstance(node, list):
        return [_plain(item) for item in node if not _is_text(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: _plain(value) for name, value in ast.iter_fields(node) if value not in (None, [])}
    return [type(node).__name__, {name: value for name, value in fields.items() if name not in ("ctx", "kind")}]


def _is_text(statement: Any) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
