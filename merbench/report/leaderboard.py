"""The committed leaderboard: one folder a run, ``run.json``, ``predictions.csv`` and the mark that vouches for it."""

import io
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.contracts.records import CompleteFile, RunFile, check_predictions, problem_of
from merbench.engine.files import read_json, write_whole
from merbench.report.runs import RecordedRun

PREDICTIONS = "predictions.csv"


def write_entry(run: RecordedRun, folder: Path) -> Path:
    """Write a whole run as ``<folder>/<run>/``, the form that is committed; scores to six decimals.

    Raises
    ------
    MerbenchError
        The run has holes, or is synthetic.
    """
    if run.mark is None:
        raise MerbenchError(f"{run.file.run_id} has {run.folds} of {len(run.file.folds)} folds: run the others first")
    if run.file.synthetic:
        raise MerbenchError(f"{run.file.run_id} is on synthetic data, which no leaderboard takes")
    target = folder / run.file.run_id
    content = run.predictions.to_csv(index=False, lineterminator="\n", float_format="%.6f").encode()
    mark = run.mark.model_copy(update={"predictions": PREDICTIONS, "sha256": bytes_digest(content)})
    write_whole(target / PREDICTIONS, content)
    write_whole(target / "run.json", (run.file.model_dump_json(indent=1) + "\n").encode())
    write_whole(target / "complete.json", (mark.model_dump_json(indent=1) + "\n").encode())
    return target


def read_leaderboard() -> tuple[list[RecordedRun], list[str]]:
    """Read the leaderboard that merbench ships; entries that do not verify are told in lines."""
    runs, problems = [], []
    with as_file(files("merbench.results") / "leaderboard") as folder:
        for path in sorted(folder.glob("*/run.json")):
            try:
                runs.append(read_entry(path.parent))
            except RecordError as error:
                problems.append(str(error))
    return runs, problems


def read_entry(folder: Path) -> RecordedRun:
    """Read and verify one entry.

    Raises
    ------
    RecordError
        Any of it does not verify; says what.
    """
    file, mark = read_json(folder / "run.json", RunFile), read_json(folder / "complete.json", CompleteFile)
    path = folder / PREDICTIONS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror or error}") from error
    if bytes_digest(content) != mark.sha256 or mark.key_digest != file.key.digest():
        raise RecordError(f"{folder} has changed since it was recorded: a checksum differs")
    if file.run_id != folder.name:
        raise RecordError(f"{folder} holds the run {file.run_id}: the folder must be called after it")
    text = dict.fromkeys(("dataset", "subject", "clip", "truth", "predicted"), str)
    try:
        read = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False)
    except ValueError as error:
        raise RecordError(f"{path} is no readable CSV: {error}") from error
    table = check_predictions(read, problem_of(file), str(path))
    if not len(table) == mark.clips == sum(file.folds.values()):
        raise RecordError(f"{path} has {len(table)} clips, the run has {sum(file.folds.values())}")
    return RecordedRun(file, table, len(file.folds), {}, [], mark, "leaderboard")
