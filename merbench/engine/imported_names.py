"""The names of imported logs: one name for one method, one log for each of its seeds."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.engine.plan.catalogue import METHODS
from merbench.records.model import RunFile
from merbench.records.read import RecordedRun, read_run
from merbench.records.select import id_part

_LONGEST = 60


def slug_of(name: str) -> str:
    """Return the part of a run's id that stands for a name; MerbenchError for a name that can't be used."""
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
        raise MerbenchError(f"--name {name[:_LONGEST]!r}: expected printable text of at most {_LONGEST} characters")
    taken = {id_part(method): method for method in METHODS.names()}
    if (found := id_part(name)) in taken:
        raise MerbenchError(f"--name {name!r}: {taken[found]} is a registered method; choose another name")
    return found


def _plain(name: str) -> str:
    """Return a name without case, blanks and dashes."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def check_others(log: str, file: RunFile, table: pd.DataFrame, runs: Path) -> None:
    """Refuse a name that differs from that of an imported run by case, blanks or dashes only, and one log as two seeds.

    `log` is the name of the log, `table` has its predictions of all clips, `runs` is the folder of recorded runs.
    """
    own = table.sort_values(IDENTITY)[[*IDENTITY, "predicted"]].to_numpy().tolist()
    for run in _imported(runs, slug_of(file.method).replace("-", "")):
        other, at = run.file, f"({run.file.run_id})"
        if _plain(other.method) != _plain(file.method):
            continue
        if other.method != file.method:
            raise MerbenchError(
                f"--name {file.method!r}: {other.method!r} is imported already {at}; use its name, or one that differs "
                "by more than case, blanks and dashes"
            )
        same = other.key.spec_digest == file.key.spec_digest and other.key.seed != file.key.seed
        if same and run.predictions[[*IDENTITY, "predicted"]].to_numpy().tolist() == own:
            raise MerbenchError(
                f"{log} has the predictions of {other.method}, seed {other.key.seed}, for every clip {at}: "
                "seeds need logs of their own, and a deterministic method has one"
            )


def _imported(runs: Path, begin: str) -> Iterator[RecordedRun]:
    """Open the whole imported runs whose ids begin with `begin`, dashes ignored."""
    for path in sorted(runs.glob("*/run.json")):
        if path.parent.name.replace("-", "").startswith(begin):
            with suppress(RecordError):
                run = read_run(path.parent)
                if run.file.imported and run.complete:
                    yield run
