"""The committed leaderboard: one folder a run, ``<protocol>/<run>/``.

::

    run.json            settings, data, digests of the run
    predictions.csv     predictions, scores to six decimals
    epochs.npz          predicted class of each clip after each epoch, if the run kept its epochs; and the inner UF1
                        by which an epoch was selected, if one was
    complete.json       checksums of the others
"""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import clip_names
from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.contracts.names import checked_name
from merbench.records.files import npz_bytes, read_json, remove, verified_arrays, verified_bytes, write_whole
from merbench.records.folder import CHANGED
from merbench.records.model import CompleteFile, FoldRecord, RunFile
from merbench.records.predictions import check_predictions, no_predictions, problem_of
from merbench.records.read import Arrays, ByFold, RecordedRun

PREDICTIONS = "predictions.csv"
EPOCHS = "epochs.npz"
#: Digests of run.json of the rows that were committed before complete.json held them.
_BEFORE = {
    "majority-megc2019-s0-da613c25f8": "bdae86e71bcf7ef62f0a5a17beed13150537e8a2a4ba7f9346fc1002932e758e",
    "ststnet-megc2019-s0-96bb92611e": "068e31a850761ffa4cb0cb3f1d813b1fa6d065381471773365b2a09ea7dce231",
    "ststnet-megc2019-s0-faada5d37f": "efa1ba2794cc00d30233471557a3dfcc6fc2a7bf59c2bc824ec3b1d0a9f2433a",
    "ststnet-megc2019-s1-82edb0ef44": "f526aa522401a65524daf37af1412b4e7c9bd8c239e2292354e4eb51f5b89c31",
    "ststnet-megc2019-s1-f736dd6b10": "717dd072066501c97f504424f2e8f196a0972d90d34a65e2eee255ceffef6f34",
    "ststnet-megc2019-s2-8a775376db": "44f6585c69d4b30d909e9e1c9d528144b0ff03abc3f2971bfcc4286e4991e3a8",
    "ststnet-megc2019-s2-c1bd71858d": "5f71e6dc64c32f0d9b03e05f475d50d6aba81dd63d5f70886e9ef53226cddace",
    "svm-flow-megc2019-s0-94ce8d8f94": "7d42c515db64525f83535970f7e16d5890d18502c424a6425e0e37418e12223b",
}


def completed(run: RecordedRun) -> CompleteFile:
    """Return the commit mark of a run that can be committed.

    Raises MerbenchError if it is incomplete, imported, on synthetic data, or trained on shuffled labels.
    """
    if run.mark is None:
        raise MerbenchError(f"{run.file.run_id} has {run.folds} of {len(run.file.folds)} folds: run the others first")
    if run.file.imported:
        raise MerbenchError(
            f"{run.file.run_id} is imported from {run.file.imported}: its training was not seen, so it is not accepted "
            "on the leaderboard; submit a run of the method itself (docs/adding-a-method.md)"
        )
    if run.file.synthetic:
        raise MerbenchError(f"{run.file.run_id}: runs on synthetic data are not accepted on the leaderboard")
    if run.file.key.shuffled:
        raise MerbenchError(f"{run.file.run_id}: runs on shuffled labels are not accepted on the leaderboard")
    return run.mark


def write_entry(run: RecordedRun, folder: Path) -> Path:
    """Write a complete run as ``<folder>/<protocol>/<run>/``, in the form of committed rows.

    If every fold kept its epochs, the predicted class of each clip after each epoch is written as well, a few bytes per
    clip; and the inner UF1, if epochs were selected. Raises as :func:`completed`.
    """
    mark = completed(run)
    epochs = run.epochs() if run.file.task == "classification" else None
    arrays = {"predicted": None if epochs is None else epochs[0], "inner_uf1": run.inner()}
    target = folder / checked_name(run.file.protocol, "protocol") / run.file.run_id
    content = run.predictions.to_csv(index=False, lineterminator="\n", float_format="%.6f").encode()
    mark = mark.model_copy(update={"predictions": PREDICTIONS, "sha256": bytes_digest(content)})
    write_whole(target / PREDICTIONS, content)
    remove(target / EPOCHS)  # from an earlier run with the same name
    kept = {name: array for name, array in arrays.items() if array is not None}
    if kept:
        packed = npz_bytes(kept)
        mark = mark.model_copy(update={"epochs_sha256": bytes_digest(packed)})
        write_whole(target / EPOCHS, packed)
    write_whole(target / "run.json", (run.file.model_dump_json(indent=1) + "\n").encode())
    write_whole(target / "complete.json", (mark.model_dump_json(indent=1) + "\n").encode())
    return target


def read_entry(folder: Path, named: Path | None = None) -> RecordedRun:
    """Open and verify one entry; RecordError names the file that does not verify.

    `named` is the folder whose name and parent must be those of the run, if `folder` is a copy of it.
    """
    file = read_json(folder / "run.json", RunFile)
    place = _Entry(folder)
    mark = place.complete(file)
    named = named or folder
    if file.run_id != named.name:
        raise RecordError(f"{named} contains the run {file.run_id}: the folder must have the run's name")
    if file.protocol != named.parent.name:
        raise RecordError(f"{named} contains a run of {file.protocol}: it belongs in a folder of that name")
    if mark.epochs_sha256 is not None:
        verified_bytes(folder / EPOCHS, mark.epochs_sha256)
    run = RecordedRun(file, place)
    run.predictions = place.predictions(file)
    return run


class _Entry:
    """A committed run."""

    origin = "leaderboard"

    def __init__(self, path: Path) -> None:
        self.path = path

    def complete(self, file: RunFile) -> CompleteFile:
        mark = read_json(self.path / "complete.json", CompleteFile)
        verified_bytes(self.path / PREDICTIONS, mark.sha256)
        if mark.key_digest != file.key.digest():
            raise RecordError(f"{self.path} has changed since it was recorded: complete.json is of a different key")
        if (mark.run_digest or _BEFORE.get(file.run_id)) != file.digest():
            raise RecordError(f"{self.path / 'run.json'} {CHANGED}")
        return mark

    def predictions(self, file: RunFile) -> pd.DataFrame:
        mark, path = self.complete(file), self.path / PREDICTIONS
        content = verified_bytes(path, mark.sha256)
        text = dict.fromkeys(("dataset", "subject", "clip", "truth", "predicted"), str)
        try:
            read = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False)
        except ValueError as error:
            raise RecordError(f"{path} is not a readable CSV file: {error}") from error
        for column in (name for name in read.columns if name.startswith("truth_")):  # nullable, of AU detection
            read[column] = pd.to_numeric(read[column], errors="coerce").astype("Float64")
        table = check_predictions(read, problem_of(file), str(path))
        if not len(table) == mark.clips == sum(file.folds.values()):
            raise RecordError(f"{path} has {len(table)} clips, the run has {sum(file.folds.values())}")
        return table

    def by_fold(self, file: RunFile, asked: object) -> ByFold:
        """Return nothing: the folds of a committed run are not committed."""
        return 0, {}, [], no_predictions(problem_of(file))

    def epochs(self, run: RecordedRun) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]] | None:
        found = self._kept(run).get("predicted")
        if found is None:
            return None
        fits = found.dtype == np.uint8 and found.ndim == 2 and len(found) == len(run.predictions)
        if not fits or not found.size or found.max() >= len(run.file.outputs):
            raise RecordError(f"{self.path / EPOCHS} does not fit the {len(run.predictions)} clips of the run")
        return found, np.full(len(run.file.folds), found.shape[1])

    def without_epochs(self, file: RunFile) -> list[str]:
        return [] if self.complete(file).epochs_sha256 is not None else list(file.folds)

    def inner(self, run: RecordedRun) -> npt.NDArray[np.float64] | None:
        found = self._kept(run).get("inner_uf1")
        if found is None:
            return None
        fits = found.dtype == np.float64 and found.ndim == 2 and len(found) == len(run.file.folds) and found.size
        if not fits or np.isnan(found[:, 0]).any() or np.nanmin(found) < 0 or np.nanmax(found) > 1:
            raise RecordError(f"{self.path / EPOCHS} does not fit the {len(run.file.folds)} folds of the run")
        return found

    def _kept(self, run: RecordedRun) -> dict[str, npt.NDArray[Any]]:
        sha256 = self.complete(run.file).epochs_sha256
        return {} if sha256 is None else verified_arrays(self.path / EPOCHS, sha256)

    def diagnostics(self, file: RunFile, fold: str) -> Arrays:
        """Return nothing: diagnostics are not committed."""
        return {}

    def first_record(self, file: RunFile) -> FoldRecord | None:
        """Return nothing: fold records are not committed."""

    def tested_in(self, run: RecordedRun) -> list[str]:
        """Infer the folds from their names: subjects, clips or databases."""
        clips = run.predictions
        ways = [(clips.dataset + "/" + clips.subject).tolist(), clip_names(clips), clips.dataset.tolist()]
        only = [list(run.file.folds) * len(clips)] if len(run.file.folds) == 1 else []
        for names in [*ways, *only]:
            if Counter(names) == run.file.folds:
                return list(names)
        raise RecordError(f"{run.file.run_id} of the leaderboard does not record the fold of each clip")
