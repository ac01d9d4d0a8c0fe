"""The files of a run: ``run.json``, a fold's ``record.json`` and predictions, and ``complete.json``, as typed contents.

Predictions have the columns ``dataset, subject, clip, truth, predicted, score_<class>...``; for AU detection nullable
``truth_<au>`` and ``score_<au>``. Metrics are always computed from them.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from merbench.contracts.cards import Task
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.digests import digest
from merbench.contracts.errors import RecordError, listed
from merbench.contracts.methods import Prediction, Problem

#: Raised, from the first release on, whenever a file gains or loses a field: fields that are not known are refused.
SCHEMA_VERSION = 1


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION


class RunKey(BaseModel):
    """All that a prediction depends on, seed included; the fold is added by where it lies.

    Paths, workers and verbosity are not in it. Packages and hardware are recorded with each fold.

    Attributes
    ----------
    selection : str
        Which epoch's predictions count: ``last``, ``inner`` or ``inner-keep``.
    shuffled : bool
        Labels of the training clips were shuffled: a check of sanity, never a result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    method: str
    config: dict[str, Any]
    code_digest: str
    code_versions: dict[str, int]
    spec_digest: str
    split_digest: str
    data_digest: str
    input_digests: dict[str, str]
    selection: str
    transductive: bool
    au_labels_at_test: bool
    shuffled: bool = False
    seed: int

    def digest(self) -> str:
        """Return the digest of all of it; what has a default is digested where it differs from that."""
        return digest(self.model_dump(mode="json", exclude_defaults=True))

    def group(self) -> str:
        """Return the digest of all of it but the seed: runs with the same one are seeds of one row."""
        return digest(self.model_dump(mode="json", exclude={"seed"}, exclude_defaults=True))


class RunFile(_File):
    """``run.json``: one method configuration, protocol, data, selection and seed.

    Attributes
    ----------
    folds : dict of str to int
        Fold name -> number of test clips: what a whole run has.
    parts : dict of str to str
        Reporting parts of the protocol and their titles: ``full``, and datasets.
    variant : str
        Settings that differ from the named configuration, ``epochs=5``; and that labels were shuffled.
    sanity : bool
        Recorded as a sanity row only: no one asked for the method by its name. Always so where labels were shuffled.
    prepared : dict of str to dict of str to str
        Input -> database -> how the input was made there, where that says more than the card: how faces were found.
    admissions : list of str
        What the method's card admits, such as "transductive"; its rows rank apart.
    remark : str
        The card's remark, shown with its rows.
    warnings : list of str
        What every table says of the protocol's figures, such as "subject-dependent".
    """

    run_id: str
    key: RunKey
    method: str
    config_name: str
    variant: str
    sanity: bool = False
    protocol: str
    parts: dict[str, str]
    task: Task
    outputs: list[str]
    data: str
    prepared: dict[str, dict[str, str]] = {}
    synthetic: bool
    deterministic: bool
    admissions: list[str]
    remark: str
    warnings: list[str] = []
    folds: dict[str, int]
    created: str
    merbench: str
    git_commit: str | None

    def apart(self) -> list[str]:
        """Tell the run from others of its method: configuration, settings, selection, where they are not the usual."""
        selection = "" if self.key.selection == "last" else f"{self.key.selection} epoch"
        config = "" if self.config_name == "default" else self.config_name
        return [word for word in (config, self.variant, selection) if word]


class Failure(BaseModel):
    """What went wrong in a fold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    message: str
    traceback: str


class FoldRecord(_File):
    """``record.json``: the commit mark of a fold, written last. What it does not vouch for is not there.

    Attributes
    ----------
    selected_epoch : int, optional
        The epoch that counts, from 1, where the run selects one within the training fold.
    epochs : bool
        Per-epoch predictions were asked for; they are there if the method tells of its epochs.
    diagnostics : bool
        What the method tells of itself was asked for, and is there unless the fold failed.
    checksums : dict of str to str
        File name beside it -> SHA-256.
    seconds : dict of str to float
        ``select`` if an epoch was selected, ``fit``, ``predict``, ``diagnose`` if it was asked for, and ``total``.
    peak_memory_mb : float, optional
        Highest resident memory of the process so far, in MiB.
    peak_gpu_memory_mb : float, optional
        Highest memory that torch held on the fold's GPU, in MiB; none for a fold on the CPU.
    packed : int
        How many folds were trained together in one program, this one among them: times are then its even share, peaks
        of memory those of all of them.
    """

    run_id: str
    key_digest: str
    fold: str
    status: Literal["ok", "failed"]
    clips: int
    train_clips: int
    seconds: dict[str, float]
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None = None
    threads: int
    device: str
    packed: int = 1
    packages: dict[str, str]
    hardware: dict[str, Any]
    selected_epoch: int | None = None
    epochs: bool
    diagnostics: bool = False
    checksums: dict[str, str] = {}
    failure: Failure | None = None
    finished: str


class CompleteFile(_File):
    """``complete.json``: the commit mark of a whole run; vouches for the ``predictions`` file beside it.

    Attributes
    ----------
    epochs_sha256 : str, optional
        Of ``epochs.npz`` beside it, which a row of the leaderboard may have.
    """

    run_id: str
    key_digest: str
    predictions: str
    sha256: str
    epochs_sha256: str | None = None
    clips: int = Field(ge=1)
    seconds: float
    mixed: list[str]
    finished: str


def problem_of(run: RunFile) -> Problem:
    """Return the task and outputs of a recorded run."""
    return Problem(run.task, tuple(run.outputs))


def prediction_columns(problem: Problem) -> list[str]:
    """Return the columns of a prediction table, in order."""
    if problem.task == "classification":
        return [*IDENTITY, "truth", "predicted", *(f"score_{name}" for name in problem.outputs)]
    return [*IDENTITY, *(f"{kind}_{name}" for kind in ("truth", "score") for name in problem.outputs)]


def prediction_table(clips: pd.DataFrame, truth: Any, prediction: Prediction, problem: Problem) -> pd.DataFrame:
    """Join identities, truth and prediction of a fold's test clips; all three are in the order of `clips`."""
    columns: dict[str, Any] = {column: clips[column].to_numpy() for column in IDENTITY}
    names = np.array(problem.outputs, dtype=object)
    if problem.task == "classification":
        columns |= {"truth": names[np.asarray(truth)], "predicted": names[prediction.decisions()]}
    else:
        nullable = [pd.array(column, dtype="Float64") for column in np.asarray(truth, dtype=float).T]
        columns |= {f"truth_{name}": column for name, column in zip(problem.outputs, nullable, strict=True)}
    columns |= {f"score_{name}": prediction.scores[:, index] for index, name in enumerate(problem.outputs)}
    return pd.DataFrame(columns)


def units_text(labels: Any, units: Sequence[str]) -> list[str]:
    """Write which action units each clip shows, ``4+7``, and then of which nothing is known, ``4+7 10?``.

    Parameters
    ----------
    labels : ndarray of float, shape (n_clips, n_units)
        1 shown, 0 not, NaN not known.
    units : sequence of str
        Their numbers.
    """
    texts = []
    for row in np.asarray(labels, dtype=float):
        shown = "+".join(unit for unit, value in zip(units, row, strict=True) if value == 1)
        unknown = [f"{unit}?" for unit, value in zip(units, row, strict=True) if np.isnan(value)]
        texts.append(" ".join([shown or "-", *unknown]))
    return texts


def with_truth(table: pd.DataFrame) -> pd.DataFrame:
    """Return a prediction table with a column ``truth``; of AU detection it is written by `units_text`."""
    units = [name.removeprefix("truth_") for name in table.columns if name.startswith("truth_")]
    if not units:
        return table
    labels = table[[f"truth_{unit}" for unit in units]].to_numpy(dtype=float, na_value=np.nan)
    return table.assign(truth=units_text(labels, units))


def check_predictions(table: pd.DataFrame, problem: Problem, origin: str) -> pd.DataFrame:
    """Return `table` if it is a prediction table of `problem`; anything else is named.

    Raises
    ------
    RecordError
        Missing or foreign columns, a clip listed twice, an unknown class, a score that is no finite number.
    """
    expected = prediction_columns(problem)
    missing = [column for column in expected if column not in table.columns]
    extra = [column for column in table.columns if column not in expected]
    if missing or extra:
        lacks = f"lacks the columns {listed(missing)}" if missing else f"has foreign columns {listed(extra)}"
        raise RecordError(f"{origin} {lacks}")
    identities = list(zip(*(table[column].tolist() for column in IDENTITY), strict=True))
    if len(set(identities)) < len(identities):
        raise RecordError(f"{origin} has a clip twice: {listed(clip_names(table[table[IDENTITY].duplicated()]))}")
    for column in ("truth", "predicted") if problem.task == "classification" else ():
        strange = set(table[column].tolist()) - set(problem.outputs)
        if strange:
            raise RecordError(f"{origin}: {column} {strange.pop()!r} is none of {', '.join(problem.outputs)}")
    scores = table[[f"score_{name}" for name in problem.outputs]]
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in scores.dtypes):
        raise RecordError(f"{origin}: scores must be numbers")
    finite = np.isfinite(scores.to_numpy(dtype=float))
    if not finite.all():
        raise RecordError(
            f"{origin}: a score is missing or not finite for {listed(clip_names(table[~finite.all(axis=1)]))}"
        )
    return table[expected]
