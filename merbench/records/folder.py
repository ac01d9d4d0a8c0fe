"""The records of runs on disk: written once, by rename, verified by checksum; only these count as complete.

::

    runs/<run>/run.json                         settings, data, digests of the run
    runs/<run>/folds/<fold>/predictions.parquet predictions of the fold
    runs/<run>/folds/<fold>/epochs.npz          scores after each epoch, on request; inner UF1 of each epoch
    runs/<run>/folds/<fold>/diagnostics.npz     diagnostics of the method, on request
    runs/<run>/folds/<fold>/record.json         the fold's commit mark, written last
    runs/<run>/predictions.parquet              all folds, after the last one
    runs/<run>/complete.json                    its commit mark
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout

from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import MerbenchError, RecordError
from merbench.contracts.names import fold_folder
from merbench.records.files import (
    FutureSchemaError,
    now,
    npz_bytes,
    parquet_bytes,
    read_json,
    read_predictions,
    remove,
    verified_arrays,
    verified_bytes,
    write_whole,
)
from merbench.records.model import CompleteFile, FoldRecord, RunFile
from merbench.records.outcome import FoldOutcome
from merbench.records.predictions import problem_of

PREDICTIONS = "predictions.parquet"
CHANGED = "has changed since the run was recorded: its digest differs from the one in complete.json"
EPOCHS = "epochs.npz"
DIAGNOSTICS = "diagnostics.npz"
#: Fields of a fold's record that are those of its outcome.
_AS_COMPUTED = (
    "fold", "clips", "train_clips", "peak_memory_mb", "peak_gpu_memory_mb", "threads", "device", "packed", "packages",
    "hardware", "selected_epoch", "failure", "read", "isolated",
)  # fmt: skip


class RunFolder:
    """The folder of one run, ``<results>/runs/<run>``; run ids are safe path components (checked names, a digest)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def lock(self, wait: bool = True) -> Iterator[bool]:
        """Lock the run for writing; a kill releases it. Without `wait`, yield False if another process holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=-1 if wait else 0)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise MerbenchError(
                f"{self.path} can't be written ({error.strerror or error}): choose a --results folder of yours"
            ) from error
        try:
            yield True
        finally:
            lock.release()

    def read_run(self) -> RunFile:
        """Read ``run.json``; :class:`RecordError` if it does not verify or belongs to another folder."""
        run = read_json(self.path / "run.json", RunFile)
        if run.run_id != self.path.name:
            raise RecordError(
                f"{self.path / 'run.json'} belongs to run {run.run_id}: copying a run folder does not create a new run"
            )
        return run

    def start(self, run: RunFile, anew: bool = False) -> str:
        """Write ``run.json`` if it is missing, damaged, or differs from `run` in anything but the time of its start.

        Version and commit stay those of the first fold, unless all folds were run `anew`. Returns in a sentence the
        damage, or from which data the run is now counted for others with the same key; or an empty text. Raises
        RecordError if the folder belongs to another run, or to a later merbench.
        """
        path, note = self.path / "run.json", ""
        if path.exists():
            try:
                found = self.read_run()
            except FutureSchemaError:
                raise
            except RecordError as error:
                note = f"{error}; it is written again"
            else:
                if found.key != run.key:
                    raise RecordError(f"{path} belongs to a run other than {run.run_id}: move that folder away")
                begun = ("created", "sequence") + ("merbench", "git_commit", "method_source") * (not anew)
                run = run.model_copy(update={name: getattr(found, name) for name in begun})
                if found == run:
                    return ""
                self._follow(found, run)
                if found.data != run.data:
                    note = (
                        f"{run.run_id} was a run on {found.data} and is one on {run.data} from now on: it uses nothing "
                        "but clips and labels, which are the same; another --results keeps both"
                    )
        write_whole(path, run.model_dump_json(indent=1).encode())
        return note

    def _follow(self, before: RunFile, after: RunFile) -> None:
        """Let the commit mark of the whole run, if it vouches for ``run.json``, vouch for what replaces it."""
        path = self.path / "complete.json"
        with suppress(RecordError):
            mark = read_json(path, CompleteFile)
            if mark.run_digest == before.digest():
                mark = mark.model_copy(update={"run_digest": after.digest()})
                write_whole(path, mark.model_dump_json(indent=1).encode())

    def uncommit(self) -> None:
        """Remove the commit mark of the whole run, before one of its folds is run again."""
        remove(self.path / "complete.json")

    def remove_drafts(self) -> None:
        """Remove drafts that a killed process left; the caller holds the lock, so no other process writes."""
        for draft in self.path.rglob(".*.tmp"):
            remove(draft)

    def fold_path(self, fold: str) -> Path:
        """Return the folder of a fold."""
        return self.path / "folds" / fold_folder(fold)

    def write_fold(self, outcome: FoldOutcome, run: RunFile) -> FoldRecord:
        """Write the outcome of a fold, its commit mark last.

        Raises MerbenchError if the disk is full or not writable; the fold then does not count as run.
        """
        folder = self.fold_path(outcome.fold)
        remove(folder / "record.json")
        files: dict[str, bytes] = {}
        if outcome.predictions is not None:
            files[PREDICTIONS] = parquet_bytes(outcome.predictions)
        by_epoch = {} if outcome.epochs is None else {"scores": outcome.epochs}
        if outcome.inner is not None:
            by_epoch["inner_uf1"] = outcome.inner
        if by_epoch:
            files[EPOCHS] = npz_bytes(by_epoch)
        if outcome.diagnostics is not None:
            files[DIAGNOSTICS] = npz_bytes(outcome.diagnostics)
        for name, content in files.items():
            write_whole(folder / name, content)
        record = FoldRecord(
            run_id=run.run_id,
            key_digest=run.key.digest(),
            status="failed" if outcome.failure else "ok",
            seconds={name: round(value, 6) for name, value in outcome.seconds.items()},
            epochs=outcome.epochs_asked,
            diagnostics=outcome.diagnostics is not None,
            checksums={name: bytes_digest(content) for name, content in files.items()},
            finished=now(),
            **{name: getattr(outcome, name) for name in _AS_COMPUTED},
        )
        write_whole(folder / "record.json", record.model_dump_json(indent=1).encode())
        return record

    def read_record(self, fold: str, key_digest: str) -> FoldRecord:
        """Read a fold's commit mark; RecordError if it is missing, does not verify, or is of another run or fold."""
        path = self.fold_path(fold) / "record.json"
        record = read_json(path, FoldRecord)
        if (record.fold, record.key_digest) != (fold, key_digest):
            raise RecordError(f"{path} belongs to another run or to fold {record.fold}, not to fold {fold} of this run")
        return record

    def read_fold(self, fold: str, run: RunFile) -> tuple[FoldRecord, pd.DataFrame | None]:
        """Read a fold's record, and its predictions unless it failed; RecordError names a file that does not verify."""
        record = self.read_record(fold, run.key.digest())
        if record.status == "failed":
            return record, None
        folder = self.fold_path(fold)
        table = read_predictions(folder / PREDICTIONS, record.checksums.get(PREDICTIONS, "none"), problem_of(run))
        if len(table) != run.folds.get(fold):
            raise RecordError(f"{folder / PREDICTIONS} has {len(table)} clips, the fold has {run.folds.get(fold)}")
        for name in {EPOCHS, DIAGNOSTICS} & record.checksums.keys():
            verified_bytes(folder / name, record.checksums[name])
        return record, table

    def read_arrays(self, fold: str, run: RunFile, name: str) -> dict[str, npt.NDArray[Any]]:
        """Read the diagnostics of a fold (`DIAGNOSTICS`), or what was kept of its epochs (`EPOCHS`).

        Of the latter ``scores`` and ``inner_uf1``, `epochs` and `inner` of
        :class:`merbench.records.outcome.FoldOutcome`, which also describes the former. Empty if the fold has none or
        was not run. Raises RecordError if the fold's record or the arrays do not verify.
        """
        folder = self.fold_path(fold)
        if not (folder / "record.json").exists():
            return {}
        sha256 = self.read_record(fold, run.key.digest()).checksums.get(name)
        return {} if sha256 is None else verified_arrays(folder / name, sha256)

    def is_complete(self, run: RunFile) -> bool:
        """Return whether the run is complete and its commit mark and predictions verify."""
        try:
            self.read_complete(run)
        except RecordError:
            return False
        return True

    def read_mark(self, run: RunFile) -> CompleteFile:
        """Read a complete run's commit mark and verify its predictions; RecordError if either is missing or differs."""
        mark = read_json(self.path / "complete.json", CompleteFile)
        if mark.key_digest != run.key.digest():
            raise RecordError(f"{self.path / 'complete.json'} belongs to another run")
        if mark.run_digest is None:
            why = "was written by an earlier version, without a digest of run.json"
            raise RecordError(f"{self.path / 'complete.json'} {why}: repeat the run, which keeps its folds")
        if mark.run_digest != self.read_run().digest():
            raise RecordError(f"{self.path / 'run.json'} {CHANGED}")
        verified_bytes(self.path / PREDICTIONS, mark.sha256)
        clips = sum(run.folds.values())
        if mark.clips != clips:
            raise RecordError(f"{self.path / 'complete.json'} counts {mark.clips} clips, the run has {clips} clips")
        return mark

    def read_complete(self, run: RunFile) -> tuple[CompleteFile, pd.DataFrame]:
        """Read and verify the merged predictions of a complete run; raises as :meth:`read_mark`."""
        mark = self.read_mark(run)
        table = read_predictions(self.path / PREDICTIONS, mark.sha256, problem_of(run))
        if len(table) != mark.clips:
            raise RecordError(f"{self.path / PREDICTIONS} has {len(table)} clips, the run has {mark.clips}")
        return mark, table
