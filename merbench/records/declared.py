"""What the leaderboard ranks, declared before it is run: ``results/declared.yaml``."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import as_file, files

from pydantic import BaseModel, Field, model_validator

from merbench.contracts.errors import listed
from merbench.contracts.yamlfiles import keyed_error, load_yaml_model
from merbench.records.model import RunFile

#: So many rows may be ranked, all methods together.
MOST = 30


class Declared(BaseModel, extra="forbid", frozen=True):
    """The declared rows, each ``METHOD`` or ``METHOD:CONFIGURATION``, by the last epoch and without other settings.

    `families` are rows of one kind, such as linear models: name -> some of `primary`.
    """

    primary: tuple[str, ...] = Field(min_length=1, max_length=MOST)
    families: dict[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Declared":
        if twice := sorted({name for name in self.primary if self.primary.count(name) > 1}):
            raise keyed_error(f"declared twice: {listed(twice)}", "primary")
        for family, members in self.families.items():
            if strange := [name for name in members if name not in self.primary]:
                raise keyed_error(f"not among the primary rows: {listed(strange)}", "families", family)
        return self

    def includes(self, file: RunFile, names: Iterable[str] | None = None) -> bool:
        """Whether a run is of a declared row; of `names`, if they are given."""
        plain = not file.variant and file.key.selection == "last"
        return plain and name_of(file) in (self.primary if names is None else names)


def name_of(file: RunFile) -> str:
    """Return how a run's method and configuration are declared."""
    return file.method + (f":{file.config_name}" if file.config_name != "default" else "")


@cache
def read_declared() -> Declared:
    """Read the file that merbench ships; MerbenchError with file, line and key if it is not valid."""
    with as_file(files("merbench.results") / "declared.yaml") as path:
        return load_yaml_model(path, Declared)
