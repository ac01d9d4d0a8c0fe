"""``submission.json``: what goes with a submitted row, beside its record."""

from typing import Annotated

from pydantic import BaseModel, Field

from merbench.contracts.citations import Remark
from merbench.records.model import SCHEMA_VERSION

FILE = "submission.json"
_Packages = Annotated[dict[Remark, Remark], Field(max_length=300)]


class Submission(BaseModel, extra="forbid", frozen=True):
    """What the author of a row says beside its record; nothing of it is in a key.

    `seeds` are all that the row has, `tries` all runs of the method that the author recorded for the protocol and data:
    other configurations, settings and selections. `card` is the text of ``card.yaml``. The code is at `repository` and
    `commit`, or in the folder ``code`` beside this file; `package` names the folder as a package, `target` its class.
    `figures` are UF1 and UAR of each part as merbench computes them from the predictions.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: Remark
    seeds: Annotated[list[int], Field(min_length=1, max_length=1000)]
    tries: int = Field(ge=1, le=100_000)
    card: str = Field(max_length=100_000)
    target: Remark
    package: Remark
    repository: Remark | None = None
    commit: Remark | None = None
    packages: _Packages
    hardware: Annotated[dict[Remark, Remark | int], Field(max_length=20)]
    device: Remark
    threads: int
    seconds: float
    figures: Annotated[dict[Remark, tuple[float, float]], Field(max_length=50)]
    merbench: Remark
