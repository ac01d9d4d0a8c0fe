"""Recorded diagnostics: the held-out clips of all folds in one table, with their arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import DataError, MerbenchError, RecordError, suggestion
from merbench.records.read import RecordedRun
from merbench.scoring.decoupling import Decoupling, decoupling
from merbench.scoring.unit_scores import UnitScores, names_of

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Diagnostics:
    """The diagnostics of a run, as far as they verify.

    `clips` are the held-out clips of the folds that have diagnostics, fold after fold: ``dataset, subject, clip, fold,
    truth, predicted`` and ``units``, a frozenset of the action units that are certain, None where they are not known.
    `arrays` are what the contract of ``diagnose`` names (``gate/motion``, ``kept/0.25``), without the features, rows as
    `clips`; `folds` the arrays of each as stored, ``test/…`` and ``train/…``: each fold's features live in a net of its
    own. `decoupling` says how far the features keep apart, and how well action units are found; `problems` name
    diagnostics that do not verify or cannot be combined, and are excluded.
    """

    clips: pd.DataFrame
    arrays: dict[str, npt.NDArray[Any]]
    folds: dict[str, Arrays]
    decoupling: Decoupling | None = None
    problems: list[str] = field(default_factory=list)

    def of_kind(self, kind: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of a kind by the rest of their names, ``gate`` -> ``motion``; numbers in their order."""
        found = {name.partition("/")[2]: values for name, values in self.arrays.items() if name.startswith(f"{kind}/")}
        return {name: found[name] for name in sorted(found, key=_by_number)}

    @property
    def features(self) -> list[str]:
        """Names of the features that every fold has."""
        return names_of([list(self.folds.values())], "test/feature/")

    @property
    def telling_fold(self) -> str:
        """The fold with most held-out clips, of those whose action units are known if there are any."""
        coded = self.clips[self.clips.units.notna()]
        return str((coded if len(coded) else self.clips).fold.value_counts(sort=False).idxmax())


def read_diagnostics(run: RecordedRun) -> Diagnostics:
    """Read the diagnostics of all folds of a run; folds that do not verify are excluded and named in `problems`."""
    folds: dict[str, Arrays] = {}
    problems: list[str] = []
    for fold in run.file.folds:
        try:
            arrays = run.diagnostics(fold)
        except RecordError as error:
            if str(error) not in run.problems:
                problems.append(str(error))
            continue
        if arrays:
            folds[fold] = arrays
    return gathered(folds, run.predictions, problems)


def check_fold(fold: str, diagnostics: Diagnostics, run: RecordedRun) -> None:
    """Refuse a fold that does not exist or has no diagnostics: MerbenchError names it."""
    if fold not in run.file.folds:
        raise MerbenchError(f"{run.file.run_id} has no fold {fold!r}{suggestion(fold, run.file.folds)}")
    if fold not in diagnostics.folds:
        line = f"fold {fold!r} of {run.file.run_id} has no diagnostics"
        raise MerbenchError(f"{line}; record them: merbench run … --diagnose")


def gathered(folds: Mapping[str, Arrays], predictions: pd.DataFrame, problems: list[str]) -> Diagnostics:
    """Put the held-out clips of all folds into one table, and their arrays below one another.

    `folds` are as :meth:`merbench.records.read.RecordedRun.diagnostics` gives them, `predictions` those of the run; a
    fold with other clips is excluded. `problems` name what is known to be missing already.
    """
    problems, tables = list(problems), []
    kept: dict[str, Arrays] = {}
    if folds and "predicted" not in predictions:
        problems.append("diagnostics are not drawn for AU detection")
        folds = {}
    predicted = predictions.set_index(IDENTITY).predicted if folds else pd.Series(dtype=str)
    for fold, arrays in folds.items():
        table = pd.DataFrame({name: arrays[f"test/{name}"].astype(str) for name in (*IDENTITY, "truth", "aus")})
        answers = predicted.reindex(pd.MultiIndex.from_frame(table[IDENTITY]))
        if answers.isna().any():
            problems.append(f"fold {fold} has diagnostics of clips without a verified prediction: excluded")
            continue
        tables.append(table.assign(fold=fold, predicted=answers.to_numpy()))
        kept[fold] = arrays
    columns = [*IDENTITY, "fold", "truth", "predicted", "aus"]
    clips = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns, dtype=str)
    clips["units"] = pd.Series([units_of(text) for text in clips.pop("aus")], dtype=object)
    return Diagnostics(clips, _pooled(kept, problems), kept, _decoupling(kept, problems), problems)


def _decoupling(folds: Mapping[str, Arrays], problems: list[str]) -> Decoupling | None:
    try:
        return decoupling([list(folds.values())]) if folds else None
    except DataError as error:
        problems.append(str(error))
        return None


def _pooled(folds: Mapping[str, Arrays], problems: list[str]) -> dict[str, npt.NDArray[Any]]:
    """Put arrays of the folds below one another; one that a fold lacks, or has in another shape, is reported."""
    columns = ("test/dataset", "test/subject", "test/clip", "test/truth", "test/aus")
    names = dict.fromkeys(name for arrays in folds.values() for name in arrays if name.startswith("test/"))
    pooled = {}
    for name in names:
        if name in columns or name.startswith("test/feature/"):
            continue
        shapes = {arrays[name].shape[1:] if name in arrays else None for arrays in folds.values()}
        if len(shapes) > 1:
            problems.append(f"{name.removeprefix('test/')} differs in shape or is missing in some folds: excluded")
            continue
        pooled[name.removeprefix("test/")] = np.concatenate([arrays[name] for arrays in folds.values()])
    return pooled


def unit_series(diagnostics: Diagnostics) -> dict[str, UnitScores]:
    """Return unit scores of the method, and of a linear probe of each feature; empty if no held-out clip shows any."""
    found = diagnostics.decoupling
    if found is None:
        return {}
    series = {"the method": found.detection} if found.detection else {}
    series |= {f"probe of {name}": probe for name, probe in found.probes.items()}
    return {name: scores for name, scores in series.items() if any(unit.shown for unit in scores.units)}


def units_of(text: str) -> frozenset[int] | None:
    """Read which action units are certain; None where the sheet has none, does not know, or can't be read."""
    try:
        coding = read_coding(text)
    except ValueError:
        return None
    return None if coding is None or coding.unknown else coding.shown()


def _by_number(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name
