"""Settings of synthetic data, and the digest of the program and settings that generate it."""

import ast
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from merbench.contracts.digests import digest, plain_syntax

#: Increment when another version of a package that draws or encodes changes the written data.
VERSION = 1

#: The files that determine pixels, labels and sheets.
GENERATOR = ("settings", "table", "face", "motion", "clips", "trees")


class SyntheticSettings(BaseModel):
    """Settings of synthetic data.

    Attributes
    ----------
    size : str
        ``full``: the counts of MEGC 2019, 442 clips of 68 subjects; ``small``: 100 clips of 12 subjects.
    table : str
        How informative action units are of the emotion: ``default``, or ``ambiguous``, where about nine of ten clips
        show action units that occur with several emotions, as in CAS(ME)^3.
    strength : float
        Strength, 0 to 1, of the cues that separate emotions with the same action units: the shape of the time course
        and a flicker at the eyes. It changes no onset, apex or offset frame, and no random draw.
    pixels : int
        Side of the square frames, which show head and shoulders.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Literal["small", "full"] = "small"
    table: Literal["default", "ambiguous"] = "default"
    strength: float = Field(1.0, ge=0, le=1)
    seed: int = Field(0, ge=0)
    pixels: int = Field(160, ge=96, le=1024)
    colour: Literal["grey", "rgb"] = "grey"


def generator_digest(settings: SyntheticSettings) -> str:
    """Digest the settings and the program: two copies with the same digest have the same clips."""
    code = {name: plain_syntax(ast.parse(Path(__file__).with_name(f"{name}.py").read_bytes())) for name in GENERATOR}
    return digest({"version": VERSION, "settings": settings.model_dump(mode="json"), "code": code})
