"""The audit of a method: which runs it reads, and what they hold that habits of picking an epoch can pick from."""

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.rows import Row, measured_rows
from merbench.analysis.selections import (
    INNER,
    INNER_KEEP,
    LAST,
    SELECTIONS,
    Kept,
    Seed,
    disagreeing,
    picked_epochs,
    selection_curves,
    selection_rows,
)
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import MerbenchError, RecordError, listed
from merbench.records import entries as leaderboard
from merbench.records import read as runs
from merbench.records.folder import EPOCHS, RunFolder
from merbench.records.model import RunFile, RunKey
from merbench.records.read import RecordedRun, first_record

#: Why a run that was not asked to keep its epochs can't be audited.
NO_EPOCHS = "it kept no epochs"


@dataclass(frozen=True)
class Wanted:
    """What is to be audited.

    Attributes
    ----------
    method, protocol : str
        Names as they are recorded.
    given : str
        The protocol as the user wrote it, for commands to repeat.
    data : str, optional
        Only runs on this data.
    config : dict, optional
        Only runs with these settings, whatever else they are run with.
    options : tuple of str
        The words by which data and settings were given, for commands to repeat.
    place : tuple of str
        Those by which the results folder was.
    """

    method: str
    protocol: str
    given: str
    data: str | None = None
    config: dict[str, Any] | None = None
    options: tuple[str, ...] = ()
    place: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that records the method so that it can be audited."""
        words = ["merbench", "run", self.method, "--protocol", self.given]
        return shlex.join([*words, *self.options, "--keep-epochs", *self.place])


@dataclass(frozen=True)
class Audit:
    """What the habits make of one method.

    Attributes
    ----------
    row : Row
        The row of the last epoch, as `compare` has it.
    kept : Kept
        The predictions after every epoch.
    inner_runs : tuple of str
        Runs that were read for ``inner`` and ``inner-keep``.
    notes : list of str
        What is missing, and what does not agree.
    """

    row: Row
    kept: Kept
    inner_runs: tuple[str, ...]
    notes: list[str]

    @property
    def file(self) -> RunFile:
        """The run of the first seed."""
        return self.row.runs[0].file

    @property
    def epochs(self) -> int:
        """For how many epochs the longest fold was trained."""
        return max(int(seed.predicted.shape[1]) for seed in self.kept.seeds)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A row a part and selection, see :func:`merbench.analysis.selections.selection_rows`."""
        return selection_rows(self.kept, list(self.file.parts))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """What each selection would report after each epoch: :func:`merbench.analysis.selections.selection_curves`."""
        return selection_curves(self.kept)

    @cached_property
    def picked(self) -> pd.DataFrame:
        """What each selection picks in each fold: :func:`merbench.analysis.selections.picked_epochs`."""
        return picked_epochs(self.kept)


def read_audit(results: Path, known: Sequence[RecordedRun], wanted: Wanted) -> Audit:
    """Find the runs of a method that kept their epochs, and read them.

    Runs that were recorded here are read; where there is none, rows of the committed leaderboard.

    Parameters
    ----------
    results : Path
        Where runs are recorded.
    known : sequence of RecordedRun
        Those recorded there, and then those of the leaderboard.

    Raises
    ------
    MerbenchError
        There is nothing to pick from, or several configurations; says what to do.
    """
    fitting = [run for run in known if _fits(run.file, wanted)]
    if any(run.file.task != "classification" for run in fitting):
        raise not_of_classes(wanted.protocol)
    recorded = [run for run in fitting if run.file.key.selection == LAST]
    here = [run for run in recorded if run.origin == "measured"]
    asked = here or recorded
    unfit = {run.file.run_id: why for run in asked if (why := _unfit(results, run))}
    whole = [run for run in asked if run.file.run_id not in unfit]
    if not whole:
        raise _nothing_kept(results, asked, unfit, wanted, shipped=bool(here) and len(recorded) > len(here))
    chosen, notes = _newest(whole, wanted)
    notes += _left_out(asked, chosen, unfit, wanted)
    if len({tuple(run.file.folds) for run in chosen}) > 1:
        raise MerbenchError(f"the seeds of {wanted.method} differ in their folds: {wanted.command} --existing redo")
    clips = _clips(results, chosen[0], wanted)
    inner = _of_selections(fitting, chosen)
    seeds = tuple(_seed(results, run, clips, inner.get(run.file.key.seed, {}), wanted) for run in chosen)
    file = chosen[0].file
    kept = Kept(clips, tuple(file.folds), tuple(file.outputs), seeds)
    (row,), _ = measured_rows(chosen)
    notes += _told(kept, file, wanted)
    read = tuple(run.file.run_id for of in inner.values() for run in of.values())
    return Audit(row, kept, read, notes)


def not_of_classes(protocol: str) -> MerbenchError:
    """Return the error of auditing action units."""
    return MerbenchError(f"{protocol} is AU detection, and audit compares classes: it has nothing to tell of it")


def _fits(file: RunFile, wanted: Wanted) -> bool:
    return (
        (file.method, file.protocol) == (wanted.method, wanted.protocol)
        and wanted.data in (None, file.data)
        and (wanted.config is None or wanted.config.items() <= file.key.config.items())
        and not file.key.shuffled
    )


def _unfit(results: Path, run: RecordedRun) -> str:
    """Say why a run can't be audited; nothing if it can."""
    if run.origin == "leaderboard":
        return "" if run.mark is not None and run.mark.epochs_sha256 is not None else NO_EPOCHS
    if not run.complete:
        holes = f"{len(run.file.folds) - run.folds} of {len(run.file.folds)} folds are not recorded"
        return "; ".join(run.problems) or holes
    records, without = RunFolder(results / "runs" / run.file.run_id), []
    for fold in run.file.folds:
        try:
            if EPOCHS not in records.read_record(fold, run.file.key.digest()).checksums:
                without.append(fold)
        except RecordError as error:
            return str(error)
    if len(without) == len(run.file.folds):
        return NO_EPOCHS
    return f"{listed(without)} kept no epochs" if without else ""


def _nothing_kept(
    results: Path, recorded: Sequence[RecordedRun], unfit: dict[str, str], wanted: Wanted, shipped: bool
) -> MerbenchError:
    """Say why there is nothing to pick from, and what would change that."""
    of = f"{wanted.method} under {wanted.protocol}"
    if not recorded:
        return MerbenchError(f"no run of {of} is recorded{_narrowed(wanted)}: {wanted.command}")
    for run in recorded:
        folder = results / "runs" / run.file.run_id
        record = first_record(folder, run) if run.origin == "measured" else None
        if record and record.epochs and not record.failure and EPOCHS not in record.checksums:
            return MerbenchError(
                f"{wanted.method} has no epochs to pick from ({run.file.run_id} was asked to keep them, and has none): "
                "there is nothing to audit"
            )
    instead = " (--leaderboard audits the committed rows)" if shipped else ""
    begun = [run for run in recorded if unfit[run.file.run_id] != NO_EPOCHS]
    if begun:
        first = begun[0].file
        again = run_command(first, wanted.given, [first.key.seed], ["--keep-epochs", *wanted.place])
        return MerbenchError(
            f"{first.run_id} can't be audited, only whole runs can: {unfit[first.run_id]}: {again}{instead}"
        )
    return MerbenchError(
        f"no run of {of} kept predictions after each epoch{_narrowed(wanted)}; if the method has epochs: "
        f"{wanted.command}{instead}"
    )


def _left_out(
    asked: Sequence[RecordedRun], chosen: Sequence[RecordedRun], unfit: dict[str, str], wanted: Wanted
) -> list[str]:
    """Name the runs of the chosen configuration that are as new, and can't be audited."""
    first, newest = chosen[0], max(run.file.created for run in chosen)
    name = (first.file.config_name, first.file.variant, first.file.data)
    notes = []
    for run in asked:
        file = run.file
        same = (file.config_name, file.variant, file.data) == name
        if file.run_id in unfit and same and (run.group == first.group or file.created > newest):
            again = run_command(file, wanted.given, [file.key.seed], ["--keep-epochs", *wanted.place])
            notes.append(f"seed {file.key.seed} ({file.run_id}) is left out: {unfit[file.run_id]}: {again}")
    return notes


def _narrowed(wanted: Wanted) -> str:
    said = [f"data {wanted.data}"] * bool(wanted.data) + ["these settings"] * (wanted.config is not None)
    return f" with {' and '.join(said)}" if said else ""


def _newest(whole: Sequence[RecordedRun], wanted: Wanted) -> tuple[list[RecordedRun], list[str]]:
    """Return the seeds of one configuration on one data, those of the newest code, by seed."""
    choices: dict[tuple[str, str, str], dict[str, list[RecordedRun]]] = {}
    for run in whole:
        name = (run.file.config_name, run.file.variant, run.file.data)
        choices.setdefault(name, {}).setdefault(run.group, []).append(run)
    if len(choices) > 1:
        said = [f"{' '.join(filter(None, [config, variant]))} on {data}" for config, variant, data in choices]
        raise MerbenchError(
            f"{wanted.method} under {wanted.protocol} kept its epochs in several ways ({'; '.join(said)}): choose one "
            "by --config, --set, --data"
        )
    (groups,) = choices.values()
    versions = sorted(groups.values(), key=lambda group: max(run.file.created for run in group))
    older = sum(map(len, versions[:-1]))
    notes = [f"{older} older runs of other code or data are not audited"] if older else []
    return sorted(versions[-1], key=lambda run: run.file.key.seed), notes


def _clips(results: Path, run: RecordedRun, wanted: Wanted) -> pd.DataFrame:
    """Return the run's clips with the fold that tested each: as recorded, or as the names of a shipped row's folds say.

    Raises
    ------
    MerbenchError
        A row of the leaderboard whose folds are not people, clips or databases.
    """
    clips = run.predictions[[*IDENTITY, "truth"]]
    if run.origin == "measured":
        tables = []
        with _folder(results, run, wanted) as folder:
            for fold in run.file.folds:
                _, table = RunFolder(folder).read_fold(fold, run.file)
                assert table is not None  # the run is whole
                tables.append(table[IDENTITY].assign(fold=fold))
        return clips.merge(pd.concat(tables), on=IDENTITY, how="left", validate="one_to_one")
    ways = [(clips.dataset + "/" + clips.subject).tolist(), clip_names(clips), clips.dataset.tolist()]
    only = [list(run.file.folds) * len(clips)] if len(run.file.folds) == 1 else []
    for names in [*ways, *only]:
        if Counter(names) == run.file.folds:
            return clips.assign(fold=names)
    raise MerbenchError(
        f"{run.file.run_id} of the leaderboard does not tell which fold tested which clip: run it here, --keep-epochs"
    )


def _of_selections(fitting: Sequence[RecordedRun], chosen: Sequence[RecordedRun]) -> dict[int, dict[str, RecordedRun]]:
    """Return the whole runs that differ from the chosen ones in their selection alone: seed -> selection -> run."""
    by_key: dict[str, RecordedRun] = {}
    for run in fitting:  # those recorded here come first
        if run.complete:
            by_key.setdefault(run.file.key.digest(), run)
    found: dict[int, dict[str, RecordedRun]] = {}
    for run in chosen:
        key = run.file.key
        of = {name: by_key.get(_selected(key, name)) for name in (INNER, INNER_KEEP)}
        found[key.seed] = {name: each for name, each in of.items() if each is not None}
    return found


def _selected(key: RunKey, selection: str) -> str:
    return key.model_copy(update={"selection": selection}).digest()


@contextmanager
def _folder(results: Path, run: RecordedRun, wanted: Wanted) -> Iterator[Path]:
    """Give the folder of a run, recorded here or shipped; what is damaged there is told with what mends it."""
    file = run.file
    try:
        if run.origin == "measured":
            yield results / "runs" / file.run_id
            return
        with as_file(files("merbench.results") / "leaderboard") as folder:
            yield folder / file.protocol / file.run_id
    except RecordError as error:
        select = ["--select", file.key.selection] * (file.key.selection != LAST)
        again = run_command(file, wanted.given, [file.key.seed], ["--keep-epochs", *select, *wanted.place])
        raise MerbenchError(f"{error}: {again if run.origin == 'measured' else 'install merbench again'}") from error


def _seed(results: Path, run: RecordedRun, clips: pd.DataFrame, inner: dict[str, RecordedRun], wanted: Wanted) -> Seed:
    """Read what one seed kept; rows as in `clips`."""
    here = run.origin == "measured"
    with _folder(results, run, wanted) as folder:
        epochs = runs.read_epochs(folder, run) if here else leaderboard.read_entry_epochs(folder, run)
        if epochs is None:
            raise MerbenchError(f"some folds of {run.file.run_id} kept no epochs: {wanted.command}")
        ends = _ends(folder, run) if here else [epochs.shape[1]] * len(run.file.folds)
    if others := int((epochs[:, -1] != _classes(run)).sum()):
        raise MerbenchError(
            f"{run.file.run_id} gave {others} of {len(epochs)} clips another class than its scores after the last "
            "epoch: a method that does not decide by its highest score, or changes then, can't be audited"
        )
    recorded, curve = {}, None
    for selection, other in inner.items():
        recorded[selection] = _classes(other)[_rows(clips, other.predictions)]
        with _folder(results, other, wanted) as folder:
            read = runs.read_inner if other.origin == "measured" else leaderboard.read_entry_inner
            found = read(folder, other)
        curve = found if curve is None else curve
        if list(other.file.folds) != list(run.file.folds):
            raise MerbenchError(f"{other.file.run_id} and {run.file.run_id} differ in their folds")
    return Seed(run.file.key.seed, epochs[_rows(clips, run.predictions)], np.array(ends), curve, recorded)


def _ends(folder: Path, run: RecordedRun) -> list[int]:
    kept = [RunFolder(folder).read_epochs(fold, run.file) for fold in run.file.folds]
    return [0 if scores is None else len(scores) for scores in kept]


def _rows(clips: pd.DataFrame, table: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return in which row of a prediction table each of `clips` stands."""
    rows = pd.MultiIndex.from_frame(table[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(clips[IDENTITY]))
    assert (rows >= 0).all()  # the same split digest: the same clips
    return np.asarray(rows)


def _classes(run: RecordedRun) -> npt.NDArray[np.int64]:
    number = {name: index for index, name in enumerate(run.file.outputs)}
    return np.array([number[name] for name in run.predictions.predicted], dtype=np.int64)


def _told(kept: Kept, file: RunFile, wanted: Wanted) -> list[str]:
    """Say which seeds lack inner selection, with the command that trains it, and what does not agree."""
    lacking = [seed.seed for seed in kept.seeds if INNER not in seed.recorded]
    notes = []
    if lacking:
        which = f"seed{'s' if len(lacking) > 1 else ''} {listed(lacking)} {'are' if len(lacking) > 1 else 'is'} not"
        which = "no seed is" if len(lacking) == len(kept.seeds) else which
        command = run_command(file, wanted.given, lacking, ["--select", "inner", *wanted.place])
        notes.append(f"{which} recorded with inner selection: {command}")
    for seed in kept.seeds:
        if INNER in seed.recorded and seed.inner is None:
            notes.append(
                f"seed {seed.seed}: the inner run kept no scores of its inner clips, so its picks are not known"
            )
        if differing := disagreeing(kept, seed):
            notes.append(
                f"seed {seed.seed}: {differing} of {len(kept.clips)} clips of the inner run differ from the run of the "
                "last epoch at the picked epochs, although both begin alike: another machine type, or other packages"
            )
    return notes


def run_command(file: RunFile, protocol: str, seeds: Sequence[int], more: Sequence[str]) -> str:
    """Write the command that records other runs of a run's configuration and data."""
    words = ["merbench", "run", file.method, "--protocol", protocol, "--data", file.data]
    words += ["--config", file.config_name] if file.config_name != "default" else []
    for setting in re.split(r" (?=\w+=)", file.variant) if file.variant else []:
        words += ["--set", setting]
    first, last = min(seeds), max(seeds)
    every = (
        f"{first}-{last}" if list(seeds) == list(range(first, last + 1)) and first < last else ",".join(map(str, seeds))
    )
    return shlex.join([*words, "--seeds", every, *more])


def records(audit: Audit) -> list[dict[str, Any]]:
    """Return a row a part and selection, None for what there is not; figures to six decimals."""
    titles = {selection.name: selection.title for selection in SELECTIONS}
    first = ("part", "selection", "title")
    found = []
    for row in audit.rows.to_dict("records"):
        told = {str(name): _plain(value) for name, value in row.items()} | {"title": titles[row["selection"]]}
        found.append({name: told[name] for name in (*first, *(name for name in told if name not in first))})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
