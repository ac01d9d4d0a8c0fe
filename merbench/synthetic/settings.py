"""What can be asked of the synthetic stand-in, and the digest that says which program made a copy from it."""

import ast
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from merbench.contracts.digests import digest, plain_syntax

#: To be raised by hand where a package that draws or encodes changes what is written, which no syntax tree shows.
VERSION = 1

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
    code = {name: plain_syntax(ast.parse(Path(__file__).with_name(f"{name}.py").read_bytes())) for name in GENERATOR}
    return digest({"version": VERSION, "settings": settings.model_dump(mode="json"), "code": code})
