"""How far a row of the leaderboard was verified, kept beside its record.

``verification.json`` beside the record says what ``merbench verify`` found; the rows that merbench's maintainers
recorded are listed in ``results/reproduced.csv`` with what ``merbench reproduce`` found. Either counts only for the
predictions whose checksum it names. Without them a row is claimed.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from merbench.contracts.errors import RecordError
from merbench.records.files import read_json, write_whole
from merbench.records.model import CompleteFile, Verification
from merbench.records.read import RecordedRun

FILE = "verification.json"
#: From the least to the most; ``recorded`` are rows of merbench's maintainers.
WORDS = ("failed", "claimed", "consistent", "recorded", "rerun", "verified")
#: The columns of ``results/reproduced.csv``, a line a run.
COLUMNS = (
    "run_id", "sha256", "outcome", "folds", "of", "clips", "differ", "largest", "seconds", "isolated", "when",
    "merbench", "commit", "processor",
)  # fmt: skip
#: Why rows of these states get no rank.
_UNRANKED = {
    "failed": "failed verification",
    "claimed": "claimed, not verified",
    "consistent": "its files are consistent, but its method was not run again",
}


class State(NamedTuple):
    """One of :data:`WORDS`, the same with numbers for tables, and who found it; of measured runs all are empty."""

    word: str = ""
    text: str = ""
    found: str = ""

    @property
    def unranked(self) -> str:
        """Why a row of this state gets no rank; empty if it gets one."""
        return _UNRANKED.get(self.word, "")


def state_of(runs: Sequence[RecordedRun]) -> State:
    """Return the state of a row, that of its least verified seed; an empty one for runs that are not committed."""
    return min(map(_state, runs), key=lambda state: (*WORDS, "").index(state.word))


def write_verification(folder: Path, found: Verification) -> Path:
    """Keep beside a committed row what was found of it."""
    write_whole(folder / FILE, (found.model_dump_json(indent=1) + "\n").encode())
    return folder / FILE


def _state(run: RecordedRun) -> State:
    if run.origin != "leaderboard" or run.mark is None:
        return State()
    path = run.place.path / FILE
    if path.exists():
        try:
            found = read_json(path, Verification)
        except RecordError as error:
            return State("claimed", "claimed", str(error))
        if (found.run_id, found.key_digest, found.sha256) != _about(run, run.mark):
            return State("claimed", "claimed", f"{FILE} is about other files: verify it again")
        day, _, _ = found.when.partition("T")
        who = f"by {found.by}, {day}, merbench {found.merbench}{found.isolated_by and f', {found.isolated_by}'}"
        return State(found.state, found.text, "; ".join([who, *found.reasons]))
    if (known := line_of(run, reproduced())) is None:
        return State("claimed", "claimed")
    word = {"differs": "failed", "": "recorded", "bitwise": "recorded", "within tolerance": "recorded"}
    state = word.get(known["outcome"], "claimed")
    return State(state, state, "" if known["outcome"] in ("", "bitwise") else _reproduced_text(known))


def line_of(run: RecordedRun, lines: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the line of a run, if one of :func:`read_reproduced` is about these very predictions."""
    line = lines.get(run.file.run_id)
    return line if line is not None and run.mark is not None and line["sha256"] == run.mark.sha256 else None


def _about(run: RecordedRun, mark: CompleteFile) -> tuple[str, str, str]:
    return run.file.run_id, mark.key_digest, mark.sha256


def _reproduced_text(row: dict[str, Any]) -> str:
    folds = f"{row['folds']} of {row['of']} folds run again"
    differ = f", {row['differ']} of {row['clips']} clips differ" if row["differ"] else ""
    return f"{folds}: {row['outcome']}{differ}"


@cache
def reproduced() -> dict[str, dict[str, Any]]:
    """Read ``results/reproduced.csv``, which merbench ships: run id -> its line."""
    with as_file(files("merbench.results") / "reproduced.csv") as path:
        return read_reproduced(path)


def read_reproduced(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file that ``merbench reproduce --out`` wrote; empty where there is none."""
    if not path.exists():
        return {}
    try:
        text = {"outcome": str, "sha256": str, "run_id": str, "merbench": str, "when": str}
        table = pd.read_csv(path, dtype=text, keep_default_na=False)
        if tuple(table) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}")
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not what merbench reproduce writes: {error}") from error
    return {str(row["run_id"]): {str(name): value for name, value in row.items()} for row in table.to_dict("records")}
