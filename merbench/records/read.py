"""A recorded run, one's own or a committed one, read lazily: what it is at once, what came out when it is asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import RecordError
from merbench.records.folder import DIAGNOSTICS, EPOCHS, RunFolder
from merbench.records.model import CompleteFile, FoldRecord, RunFile
from merbench.records.predictions import no_predictions, problem_of

Arrays = dict[str, npt.NDArray[Any]]
#: How many folds verify, fold -> what its method raised, what does not verify, and the predictions.
ByFold = tuple[int, dict[str, str], list[str], pd.DataFrame]


class _State(NamedTuple):
    """The recorded state of a run; see the properties of :class:`RecordedRun`."""

    mark: CompleteFile | None
    folds: int
    failed: dict[str, str]
    problems: list[str]


class _Place(Protocol):
    """Where a run's files are, and how `RecordedRun` reads them there; every read verifies what it returns."""

    origin: str
    path: Path

    def complete(self, file: RunFile) -> CompleteFile | None: ...
    def predictions(self, file: RunFile) -> pd.DataFrame: ...
    def by_fold(self, file: RunFile, asked: Sequence[str]) -> ByFold: ...
    def epochs(self, run: "RecordedRun") -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]] | None: ...
    def without_epochs(self, file: RunFile) -> list[str]: ...
    def inner(self, run: "RecordedRun") -> npt.NDArray[np.float64] | None: ...
    def diagnostics(self, file: RunFile, fold: str) -> Arrays: ...
    def first_record(self, file: RunFile) -> FoldRecord | None: ...
    def tested_in(self, run: "RecordedRun") -> list[str]: ...


@dataclass(eq=False)
class RecordedRun:
    """A recorded run, read in the same way wherever its files are.

    `file` is ``run.json``; `place` reads its other files; `asked` are the requested folds, if not all: others are not
    read.
    """

    file: RunFile
    place: _Place
    asked: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """``measured`` in a results folder, ``leaderboard``, or ``imported``; for people, and to tell rows apart."""
        return "imported" if self.file.imported else self.place.origin

    @cached_property
    def key_digest(self) -> str:
        """Digest of all that the result depends on."""
        return self.file.key.digest()

    @cached_property
    def group(self) -> str:
        """Digest of all that the result depends on but the seed: runs with the same one are seeds of one row."""
        return self.file.key.group()

    @property
    def age(self) -> tuple[int, str, str]:
        """What orders runs by when they were begun: the recorded counter, else ``created``, else the id."""
        return self.file.sequence or 0, self.file.created, self.file.run_id

    @property
    def asked_folds(self) -> Sequence[str]:
        """The folds that were asked for: all of the protocol's, or some."""
        return self.asked or tuple(self.file.folds)

    @cached_property
    def _state(self) -> _State:
        try:
            mark = None if self.asked else self.place.complete(self.file)
        except RecordError as error:
            return self._by_fold([str(error)])
        return self._by_fold([]) if mark is None else _State(mark, len(self.file.folds), {}, [])

    def _by_fold(self, problems: list[str]) -> _State:
        folds, failed, more, self.predictions = self.place.by_fold(self.file, self.asked_folds)
        problems = problems + more
        if folds == len(self.file.folds) and not problems and not self.asked:
            problems.append(f"{self.place.path}: all folds are recorded but not yet merged; run the same command again")
        return _State(None, folds, failed, problems)

    @property
    def mark(self) -> CompleteFile | None:
        """The commit mark, if the run is complete and merged."""
        return self._state.mark

    @property
    def undisclosed(self) -> dict[str, str]:
        """Files that its method read from outside its folder, where its card does not say what they have seen."""
        seen = any(said.startswith("weights have seen") for said in self.file.disclosures)
        return {} if seen or self.mark is None else self.mark.read

    @property
    def folds(self) -> int:
        """Number of folds that verify."""
        return self._state.folds

    @property
    def failed(self) -> dict[str, str]:
        """Fold -> exception of its method, in a line."""
        return self._state.failed

    @property
    def problems(self) -> list[str]:
        """Files that do not verify."""
        return self._state.problems

    @property
    def complete(self) -> bool:
        """Whether all requested folds are recorded; of a whole run, whether it is merged and verified, by its mark."""
        return self.folds == len(self.asked) if self.asked else self.mark is not None

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Predictions of all folds that verify; may be empty. Read at the first use, then kept until `forget`."""
        if self.mark is None:
            return self.place.by_fold(self.file, self.asked_folds)[-1]
        try:
            return self.place.predictions(self.file)
        except RecordError as error:  # a mark with the checksum of a file that is not a prediction table
            self._state = self._by_fold([str(error)])
            return self.predictions

    def forget(self) -> None:
        """Let go of the predictions, so that many runs can be read one after another; they are read again if needed."""
        self.__dict__.pop("predictions", None)

    def epochs(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]] | None:
        """Read the predicted class of each clip after each epoch, of a complete run of classification.

        Returns indices of the outputs with the highest score, (n_clips, n_epochs), clips as in `predictions`, where a
        fold that was trained for fewer epochs keeps the classes of its last one; and the number of epochs of each fold,
        (n_folds,), as far as recorded, folds as in ``file.folds``. None if a fold did not keep its epochs; RecordError
        if a file does not verify.
        """
        return self.place.epochs(self)

    def without_epochs(self) -> list[str]:
        """Name the folds of a whole run that kept no epochs; raises RecordError where a record does not verify."""
        return self.place.without_epochs(self.file)

    def inner(self) -> npt.NDArray[np.float64] | None:
        """Read the inner UF1 by which the epochs of a complete run were selected; None if the run selects none.

        UF1 of the clips held out within the training fold, in 0..1, shape (n_folds, n_epochs); folds as in
        ``file.folds``, NaN after a fold's last epoch. The first maximum of a row is the epoch that counts. Raises
        RecordError if a file does not verify.
        """
        return self.place.inner(self)

    def diagnostics(self, fold: str) -> Arrays:
        """Read the diagnostics of a fold, see :class:`merbench.records.outcome.FoldOutcome`; empty if it has none.

        Raises RecordError if the fold's record or the arrays do not verify.
        """
        return self.place.diagnostics(self.file, fold)

    def first_record(self) -> FoldRecord | None:
        """Return the record of the first fold that verifies: what it was computed with. None where there is none."""
        return self.place.first_record(self.file)

    def clips(self) -> pd.DataFrame:
        """Return ``dataset, subject, clip, truth`` of the predictions, and the ``fold`` that tested each clip.

        Raises RecordError if a fold does not verify, or a committed run does not record the fold of each clip.
        """
        return self.predictions[[*IDENTITY, "truth"]].assign(fold=self.place.tested_in(self))


class _OwnFolder:
    """A run in a results folder: its folds, and all of them merged once the last is in."""

    origin = "measured"

    def __init__(self, path: Path) -> None:
        self.path, self._records = path, RunFolder(path)

    def complete(self, file: RunFile) -> CompleteFile | None:
        return self._records.read_mark(file) if (self.path / "complete.json").exists() else None

    def predictions(self, file: RunFile) -> pd.DataFrame:
        return self._records.read_complete(file)[1]

    def by_fold(self, file: RunFile, asked: Sequence[str]) -> ByFold:
        tables, failed, problems = [], {}, []
        for fold in asked:
            if not (self._records.fold_path(fold) / "record.json").exists():
                continue
            try:
                record, fold_table = self._records.read_fold(fold, file)
            except RecordError as error:
                problems.append(str(error))
                continue
            if record.failure:
                failed[fold] = f"{record.failure.type}: {record.failure.message}"
            if fold_table is not None:
                tables.append(fold_table)
        table = pd.concat(tables, ignore_index=True) if tables else no_predictions(problem_of(file))
        return len(tables), failed, problems, table

    def epochs(self, run: RecordedRun) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]] | None:
        tables, labels = [], []
        for fold in run.file.folds:
            scores = self._records.read_arrays(fold, run.file, EPOCHS).get("scores")
            if scores is None:
                return None
            tables.append(self._clips_of(fold, run.file))
            labels.append(scores.argmax(axis=2).astype(np.uint8).T)
        longest = max(found.shape[1] for found in labels)
        filled = [np.pad(found, [(0, 0), (0, longest - found.shape[1])], mode="edge") for found in labels]
        rows = pd.concat(tables, ignore_index=True).reset_index(names="row")
        ordered: npt.NDArray[np.uint8] = np.concatenate(filled)[run.predictions[IDENTITY].merge(rows, on=IDENTITY).row]
        return ordered, np.array([found.shape[1] for found in labels])

    def without_epochs(self, file: RunFile) -> list[str]:
        digest = file.key.digest()
        return [fold for fold in file.folds if EPOCHS not in self._records.read_record(fold, digest).checksums]

    def inner(self, run: RecordedRun) -> npt.NDArray[np.float64] | None:
        found = [self._records.read_arrays(fold, run.file, EPOCHS).get("inner_uf1") for fold in run.file.folds]
        curves = [curve for curve in found if curve is not None]
        if len(curves) < len(found):
            return None
        longest = max(map(len, curves))
        return np.array([np.pad(curve, (0, longest - len(curve)), constant_values=np.nan) for curve in curves])

    def diagnostics(self, file: RunFile, fold: str) -> Arrays:
        return self._records.read_arrays(fold, file, DIAGNOSTICS)

    def first_record(self, file: RunFile) -> FoldRecord | None:
        for fold in file.folds:
            try:
                return self._records.read_record(fold, file.key.digest())
            except RecordError:
                continue
        return None

    def tested_in(self, run: RecordedRun) -> list[str]:
        tables = [self._clips_of(fold, run.file).assign(fold=fold) for fold in run.file.folds]
        found = run.predictions[IDENTITY].merge(pd.concat(tables), on=IDENTITY, how="left", validate="one_to_one")
        return list(found.fold)

    def _clips_of(self, fold: str, file: RunFile) -> pd.DataFrame:
        _, table = self._records.read_fold(fold, file)
        if table is None:
            raise RecordError(f"{self._records.fold_path(fold)} failed, but the run is marked complete")
        return table[IDENTITY]


def read_run(folder: Path, folds: Collection[str] = ()) -> RecordedRun:
    """Open the run in a folder of the user's results, all of its folds or those of `folds` only.

    Raises RecordError if ``run.json`` itself does not verify. Anything else that does not is excluded from the
    predictions and named in `problems`.
    """
    file = RunFolder(folder).read_run()
    asked = tuple(fold for fold in file.folds if fold in folds)
    return RecordedRun(file, _OwnFolder(folder), () if asked == tuple(file.folds) else asked)
