"""The committed leaderboard: one folder a run, ``<protocol>/<run>/``.

::

    run.json            what the run is
    predictions.csv     what came out, scores to six decimals
    epochs.npz          which class each clip was given after each epoch, where the run kept its epochs; and what an
                        epoch was selected by, where it was
    complete.json       vouches for them
"""

import io
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.contracts.names import checked_name
from merbench.records.files import npz_bytes, read_json, remove, verified_arrays, verified_bytes, write_whole
from merbench.records.model import CompleteFile, RunFile, check_predictions, problem_of
from merbench.records.read import RecordedRun

PREDICTIONS = "predictions.csv"
EPOCHS = "epochs.npz"


def write_entry(
    run: RecordedRun,
    folder: Path,
    epochs: npt.NDArray[np.uint8] | None = None,
    inner: npt.NDArray[np.float64] | None = None,
) -> Path:
    """Write a whole run as ``<folder>/<protocol>/<run>/``, the form that is committed.

    Parameters
    ----------
    run : RecordedRun
        The run.
    folder : Path
        The leaderboard.
    epochs : ndarray of uint8, shape (n_clips, n_epochs), optional
        Which class each clip was given after each epoch, from :func:`merbench.records.read.read_epochs`: a few bytes a
        clip, where the scores behind them would be megabytes.
    inner : ndarray of float, shape (n_folds, n_epochs), optional
        What epochs were selected by, from :func:`merbench.records.read.read_inner`.

    Raises
    ------
    MerbenchError
        The run has holes, is synthetic, was trained on shuffled labels, or is a sanity row.
    """
    if run.mark is None:
        raise MerbenchError(f"{run.file.run_id} has {run.folds} of {len(run.file.folds)} folds: run the others first")
    if run.file.synthetic:
        raise MerbenchError(f"{run.file.run_id} is on synthetic data, which no leaderboard takes")
    if run.file.key.shuffled:
        raise MerbenchError(f"{run.file.run_id} was trained on shuffled labels, which no leaderboard takes")
    if run.file.sanity:
        raise MerbenchError(f"{run.file.run_id} is a sanity row, which no leaderboard takes")
    target = folder / checked_name(run.file.protocol, "protocol") / run.file.run_id
    content = run.predictions.to_csv(index=False, lineterminator="\n", float_format="%.6f").encode()
    mark = run.mark.model_copy(update={"predictions": PREDICTIONS, "sha256": bytes_digest(content)})
    write_whole(target / PREDICTIONS, content)
    remove(target / EPOCHS)  # of an earlier run by the same name
    arrays = {"predicted": epochs, "inner_uf1": inner}
    kept = {name: array for name, array in arrays.items() if array is not None}
    if kept:
        packed = npz_bytes(kept)
        mark = mark.model_copy(update={"epochs_sha256": bytes_digest(packed)})
        write_whole(target / EPOCHS, packed)
    write_whole(target / "run.json", (run.file.model_dump_json(indent=1) + "\n").encode())
    write_whole(target / "complete.json", (mark.model_dump_json(indent=1) + "\n").encode())
    return target


def read_leaderboard() -> tuple[list[RecordedRun], list[str]]:
    """Read the leaderboard that merbench ships; entries that do not verify are told in lines."""
    runs, problems = [], []
    with as_file(files("merbench.results") / "leaderboard") as folder:
        for path in sorted(folder.glob("*/*/run.json")):
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
    if file.protocol != folder.parent.name:
        raise RecordError(f"{folder} holds a run of {file.protocol}: it belongs in a folder of that name")
    text = dict.fromkeys(("dataset", "subject", "clip", "truth", "predicted"), str)
    try:
        read = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False)
    except ValueError as error:
        raise RecordError(f"{path} is no readable CSV: {error}") from error
    for column in (name for name in read.columns if name.startswith("truth_")):  # nullable, of AU detection
        read[column] = pd.to_numeric(read[column], errors="coerce").astype("Float64")
    table = check_predictions(read, problem_of(file), str(path))
    if not len(table) == mark.clips == sum(file.folds.values()):
        raise RecordError(f"{path} has {len(table)} clips, the run has {sum(file.folds.values())}")
    if mark.epochs_sha256 is not None:
        verified_bytes(folder / EPOCHS, mark.epochs_sha256)
    return RecordedRun(file, table, len(file.folds), {}, [], mark, "leaderboard")


def read_entry_epochs(folder: Path, run: RecordedRun) -> npt.NDArray[np.uint8] | None:
    """Read which class each clip of an entry was given after each epoch; None where it does not tell.

    Returns
    -------
    ndarray of uint8, shape (n_clips, n_epochs), optional
        As :func:`merbench.records.read.read_epochs`.

    Raises
    ------
    RecordError
        It has changed since it was recorded, or is not that of the run's clips and classes.
    """
    found = _kept(folder, run).get("predicted")
    if found is None:
        return None
    fits = found.dtype == np.uint8 and found.ndim == 2 and len(found) == len(run.predictions)
    if not fits or not found.size or found.max() >= len(run.file.outputs):
        raise RecordError(f"{folder / EPOCHS} does not tell of the {len(run.predictions)} clips of the run")
    return found


def read_entry_inner(folder: Path, run: RecordedRun) -> npt.NDArray[np.float64] | None:
    """Read what the epochs of an entry were selected by; None where they were not.

    Returns
    -------
    ndarray of float, shape (n_folds, n_epochs), optional
        As :func:`merbench.records.read.read_inner`.

    Raises
    ------
    RecordError
        It has changed since it was recorded, or is not that of the run's folds.
    """
    found = _kept(folder, run).get("inner_uf1")
    if found is None:
        return None
    fits = found.dtype == np.float64 and found.ndim == 2 and len(found) == len(run.file.folds) and found.size
    if not fits or np.isnan(found[:, 0]).any() or np.nanmin(found) < 0 or np.nanmax(found) > 1:
        raise RecordError(f"{folder / EPOCHS} does not tell of the {len(run.file.folds)} folds of the run")
    return found


def _kept(folder: Path, run: RecordedRun) -> dict[str, npt.NDArray[Any]]:
    assert run.mark is not None
    return {} if run.mark.epochs_sha256 is None else verified_arrays(folder / EPOCHS, run.mark.epochs_sha256)
