"""Read recorded runs: their predictions as far as they verify, and what does not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError, suggestion
from merbench.records.folder import RunFolder
from merbench.records.model import CompleteFile, FoldRecord, RunFile, prediction_columns, problem_of


@dataclass(frozen=True)
class RecordedRun:
    """One run as it lies on disk.

    Attributes
    ----------
    predictions : DataFrame
        Of all folds that verify; may be empty.
    folds : int
        How many folds these are.
    failed : dict of str to str
        Fold -> what its method raised, in a line.
    problems : list of str
        What did not verify.
    mark : CompleteFile, optional
        The commit mark of a run that is whole and put together.
    origin : str
        ``measured`` here, or ``leaderboard``.
    asked : tuple of str
        The folds that were asked for, where these are not all; nothing else is read.
    """

    file: RunFile
    predictions: pd.DataFrame
    folds: int
    failed: dict[str, str]
    problems: list[str]
    mark: CompleteFile | None = None
    origin: str = "measured"
    asked: tuple[str, ...] = ()

    def asked_as(self, sanity: bool) -> "RecordedRun":
        """Return the same run as it was asked for this time: as a sanity row, or by name."""
        return replace(self, file=self.file.model_copy(update={"sanity": sanity}))

    @property
    def asked_folds(self) -> Sequence[str]:
        """The folds that were asked for: all of the protocol's, or some."""
        return self.asked or tuple(self.file.folds)

    @property
    def complete(self) -> bool:
        """Whether every fold asked for is in.

        All of them are in once they are put together and held against the protocol, which the commit mark says.
        """
        return self.folds == len(self.asked) if self.asked else self.mark is not None

    @property
    def group(self) -> str:
        """Digest of all that the result depends on but the seed: runs with the same one are seeds of one row."""
        return self.file.key.group()


def read_run(folder: Path, folds: Collection[str] = ()) -> RecordedRun:
    """Read one run's folder; what does not verify is left out of the predictions and named in `problems`.

    Parameters
    ----------
    folder : Path
        The run's.
    folds : collection of str
        Read these folds only, as if the protocol had no others; all by default.

    Raises
    ------
    RecordError
        ``run.json`` itself does not verify.
    """
    records = RunFolder(folder)
    file = records.read_run()
    problems: list[str] = []
    asked = tuple(fold for fold in file.folds if fold in folds)
    if asked == tuple(file.folds):
        asked = ()
    if not asked and (folder / "complete.json").exists():
        try:
            mark, table = records.read_complete(file)
        except RecordError as error:
            problems.append(str(error))
        else:
            return RecordedRun(file, table, len(file.folds), {}, [], mark)
    tables, failed = [], {}
    for fold in asked or file.folds:
        if not (records.fold_path(fold) / "record.json").exists():
            continue
        try:
            record, fold_table = records.read_fold(fold, file)
        except RecordError as error:
            problems.append(str(error))
            continue
        if record.failure:
            failed[fold] = f"{record.failure.type}: {record.failure.message}"
        if fold_table is not None:
            tables.append(fold_table)
    if len(tables) == len(file.folds) and not problems:
        problems.append(f"{folder} has all its folds but is not put together: give the same command again")
    columns = prediction_columns(problem_of(file))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns, dtype=str)
    return RecordedRun(file, table, len(tables), failed, problems, asked=asked)


def read_epochs(folder: Path, run: RecordedRun) -> npt.NDArray[np.uint8] | None:
    """Read which class each clip was given after each epoch.

    Parameters
    ----------
    folder : Path
        The run's.
    run : RecordedRun
        What `read_run` gave of it: a whole run of classification.

    Returns
    -------
    ndarray of uint8, shape (n_clips, n_epochs), optional
        Clips as in ``run.predictions``; the outputs' numbers, by the highest score. After its last epoch a fold that
        was trained for fewer stays as it is. None where a fold did not keep its epochs.

    Raises
    ------
    RecordError
        What a fold kept does not verify.
    """
    records, tables, labels = RunFolder(folder), [], []
    for fold in run.file.folds:
        scores = records.read_epochs(fold, run.file)
        if scores is None:
            return None
        _, table = records.read_fold(fold, run.file)
        assert table is not None  # a fold that failed keeps no epochs
        tables.append(table[IDENTITY])
        labels.append(scores.argmax(axis=2).astype(np.uint8).T)
    longest = max(found.shape[1] for found in labels)
    filled = [np.pad(found, [(0, 0), (0, longest - found.shape[1])], mode="edge") for found in labels]
    rows = pd.concat(tables, ignore_index=True).reset_index(names="row")
    ordered: npt.NDArray[np.uint8] = np.concatenate(filled)[run.predictions[IDENTITY].merge(rows, on=IDENTITY).row]
    return ordered


def read_inner(folder: Path, run: RecordedRun) -> npt.NDArray[np.float64] | None:
    """Read what the epochs of a run that selects them were selected by.

    Parameters
    ----------
    folder : Path
        The run's.
    run : RecordedRun
        What `read_run` gave of it: a whole run.

    Returns
    -------
    ndarray of float, shape (n_folds, n_epochs), optional
        UF1 of the clips held out within the training fold, see :mod:`merbench.engine.fold.selection`; folds as in
        ``run.file.folds``, NaN after a fold's last epoch. The first highest of a row is the epoch that counts. None
        where the run selects none.

    Raises
    ------
    RecordError
        What a fold kept does not verify.
    """
    records = RunFolder(folder)
    found = [records.read_inner(fold, run.file) for fold in run.file.folds]
    curves = [curve for curve in found if curve is not None]
    if len(curves) < len(found):
        return None
    longest = max(map(len, curves))
    return np.array([np.pad(curve, (0, longest - len(curve)), constant_values=np.nan) for curve in curves])


def first_record(folder: Path, run: RecordedRun) -> FoldRecord | None:
    """Read the record of the run's first fold that verifies: what it was computed with; None if none does."""
    for fold in run.file.folds:
        try:
            return RunFolder(folder).read_record(fold, run.file.key.digest())
        except RecordError:
            continue
    return None


def read_runs(results: Path) -> tuple[list[RecordedRun], list[str]]:
    """Read every run below ``<results>/runs``; runs whose ``run.json`` does not verify are told in lines."""
    runs, problems = [], []
    for path in sorted((results / "runs").glob("*/run.json")):
        try:
            runs.append(read_run(path.parent))
        except RecordError as error:
            problems.append(str(error))
    return runs, problems


def named_together(runs: Sequence[RecordedRun]) -> list[RecordedRun]:
    """Count a method that was asked for by its name, in one seed or on the leaderboard, as no sanity row in any."""
    named = {run.group for run in runs if not run.file.sanity}
    return [run.asked_as(run.file.sanity and run.group not in named) for run in runs]


def find_run(results: Path, name: str) -> Path:
    """Find the folder of the run whose id is `name` or begins with it.

    Raises
    ------
    MerbenchError
        None, or several.
    """
    known = sorted(path.parent.name for path in (results / "runs").glob("*/run.json"))
    found = [run_id for run_id in known if run_id == name] or [run_id for run_id in known if run_id.startswith(name)]
    if len(found) == 1:
        return results / "runs" / found[0]
    if not known:
        raise MerbenchError(f"there is no run in {results / 'runs'}: merbench run METHOD --protocol P")
    if found:
        raise MerbenchError(f"{name!r} could be any of {', '.join(found)}: write more of it")
    raise MerbenchError(f"no run is called {name!r}{suggestion(name, known)}")
