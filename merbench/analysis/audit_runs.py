"""Which runs an audit reads, and why others are not read."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.audit import Audit
from merbench.analysis.kept_epochs import Kept, Seed, disagreeing
from merbench.analysis.rows import measured_rows
from merbench.analysis.selection_rules import INNER, INNER_KEEP, LAST
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import MerbenchError, RecordError, listed
from merbench.contracts.notes import Note
from merbench.records import entries as leaderboard
from merbench.records import read as runs
from merbench.records.folder import EPOCHS, RunFolder
from merbench.records.model import RunFile, RunKey
from merbench.records.read import RecordedRun, first_record

_NO_EPOCHS = "its epochs were not kept"


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

    @property
    def asked(self) -> str:
        """Method and protocol, and what runs were narrowed down to, in words."""
        said = [f"data {self.data}"] * bool(self.data) + ["these settings"] * (self.config is not None)
        return f"{self.method} under {self.protocol}" + (f" with {' and '.join(said)}" if said else "")

    def again(self, file: RunFile, *more: str) -> str:
        """Return the command that records a run again with its epochs."""
        return run_command(file, self.given, [file.key.seed], ["--keep-epochs", *more, *self.place])

    def fits(self, file: RunFile) -> bool:
        """Say whether a run is one of those asked for, under whatever selection."""
        return (
            (file.method, file.protocol) == (self.method, self.protocol)
            and self.data in (None, file.data)
            and (self.config is None or self.config.items() <= file.key.config.items())
            and not file.key.shuffled
        )


def not_of_classes(protocol: str) -> MerbenchError:
    """Return the error of auditing action units."""
    return MerbenchError(f"{protocol} is an AU-detection protocol: merbench audit supports classification only")


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
        No run to audit, or several configurations; says what to do.
    """
    fitting = [run for run in known if wanted.fits(run.file)]
    if any(run.file.task != "classification" for run in fitting):
        raise not_of_classes(wanted.protocol)
    recorded = [run for run in fitting if run.file.key.selection == LAST]
    here = [run for run in recorded if run.origin == "measured"]
    asked = here or recorded
    unfit = {run.file.run_id: why for run in asked if (why := _unfit(results, run))}
    whole = [run for run in asked if run.file.run_id not in unfit]
    if not whole:
        raise _nothing_kept(results, asked, unfit, wanted, committed=bool(here) and len(recorded) > len(here))
    chosen, older = _newest(whole, wanted)
    said = [f"{older} older runs of other code or data are not audited"] if older else []
    said += _excluded(asked, chosen, unfit, wanted)
    if len({tuple(run.file.folds) for run in chosen}) > 1:
        raise MerbenchError(f"the seeds of {wanted.method} differ in their folds: {wanted.command} --existing redo")
    clips = _clips(results, chosen[0], wanted)
    inner = _of_selections(fitting, chosen)
    seeds = tuple(_seed(results, run, clips, inner.get(run.file.key.seed, {}), wanted) for run in chosen)
    file = chosen[0].file
    kept = Kept(clips, tuple(file.folds), tuple(file.outputs), seeds)
    (row,), _ = measured_rows(chosen)
    said += _inner_notes(kept, file, wanted)
    read = tuple(run.file.run_id for of in inner.values() for run in of.values())
    return Audit(row, kept, read, tuple(Note("warning", text) for text in said))


def _unfit(results: Path, run: RecordedRun) -> str:
    """Say why a run can't be audited; empty if it can."""
    if run.origin == "leaderboard":
        return "" if run.mark is not None and run.mark.epochs_sha256 is not None else _NO_EPOCHS
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
        return _NO_EPOCHS
    return f"epochs of {listed(without)} were not kept" if without else ""


def _nothing_kept(
    results: Path, recorded: Sequence[RecordedRun], unfit: dict[str, str], wanted: Wanted, committed: bool
) -> MerbenchError:
    """Say why there is nothing to pick from, and what would change that."""
    if not recorded:
        return MerbenchError(f"no run of {wanted.asked} is recorded: {wanted.command}")
    for run in recorded:
        folder = results / "runs" / run.file.run_id
        record = first_record(folder, run) if run.origin == "measured" else None
        if record and record.epochs and not record.failure and EPOCHS not in record.checksums:
            return MerbenchError(
                f"{wanted.method} does not report epochs ({run.file.run_id} was run with --keep-epochs and has none): "
                "there is nothing to audit"
            )
    instead = " (--leaderboard audits the committed rows)" if committed else ""
    begun = [run for run in recorded if unfit[run.file.run_id] != _NO_EPOCHS]
    if begun:
        file = begun[0].file
        why = f"{file.run_id} can't be audited, only complete runs can: {unfit[file.run_id]}"
        return MerbenchError(f"{why}: {wanted.again(file)}{instead}")
    return MerbenchError(
        f"no run of {wanted.asked} kept predictions after each epoch; if the method has epochs: "
        f"{wanted.command}{instead}"
    )


def _excluded(
    asked: Sequence[RecordedRun], chosen: Sequence[RecordedRun], unfit: dict[str, str], wanted: Wanted
) -> list[str]:
    """Name the runs of the chosen configuration that are as new, and can't be audited."""
    first, newest = chosen[0], max(run.file.created for run in chosen)
    return [
        f"seed {run.file.key.seed} ({run.file.run_id}) is excluded: {unfit[run.file.run_id]}: {wanted.again(run.file)}"
        for run in asked
        if run.file.run_id in unfit
        and _name(run.file) == _name(first.file)
        and (run.group == first.group or run.file.created > newest)
    ]


def _name(file: RunFile) -> tuple[str, str, str]:
    return file.config_name, file.variant, file.data


def _newest(whole: Sequence[RecordedRun], wanted: Wanted) -> tuple[list[RecordedRun], int]:
    """Return the runs of one configuration on one data, those of the newest code, by seed; and how many are older."""
    choices: dict[tuple[str, str, str], dict[str, list[RecordedRun]]] = {}
    for run in whole:
        choices.setdefault(_name(run.file), {}).setdefault(run.group, []).append(run)
    if len(choices) > 1:
        said = [f"{' '.join(filter(None, [config, variant]))} on {data}" for config, variant, data in choices]
        raise MerbenchError(
            f"{wanted.method} under {wanted.protocol} kept its epochs in several configurations ({'; '.join(said)}): "
            "choose one by --config, --set, --data"
        )
    (groups,) = choices.values()
    *older, newest = sorted(groups.values(), key=lambda group: max(run.file.created for run in group))
    return sorted(newest, key=lambda run: run.file.key.seed), sum(map(len, older))


def _clips(results: Path, run: RecordedRun, wanted: Wanted) -> pd.DataFrame:
    """Return the run's clips with the fold that tested each: as recorded, or by the names of a committed row's folds.

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
        f"{run.file.run_id} of the leaderboard does not say which fold tested which clip: run it here, --keep-epochs"
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
    """Give the folder of a run, recorded here or committed; damage is reported with the command that repairs it."""
    file = run.file
    try:
        if run.origin == "measured":
            yield results / "runs" / file.run_id
            return
        with as_file(files("merbench.results") / "leaderboard") as folder:
            yield folder / file.protocol / file.run_id
    except RecordError as error:
        select = ["--select", file.key.selection] * (file.key.selection != LAST)
        repair = wanted.again(file, *select) if run.origin == "measured" else "install merbench again"
        raise MerbenchError(f"{error}: {repair}") from error


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
            f"{run.file.run_id}: the recorded class of {others} of {len(epochs)} clips is not the one with the highest "
            "score after the last epoch, so this run can't be audited"
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
    """Return the row of each of `clips` in a prediction table."""
    rows = pd.MultiIndex.from_frame(table[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(clips[IDENTITY]))
    assert (rows >= 0).all()  # the same split digest: the same clips
    return np.asarray(rows)


def _classes(run: RecordedRun) -> npt.NDArray[np.int64]:
    number = {name: index for index, name in enumerate(run.file.outputs)}
    return np.array([number[name] for name in run.predictions.predicted], dtype=np.int64)


def _inner_notes(kept: Kept, file: RunFile, wanted: Wanted) -> list[str]:
    """Say which seeds lack inner selection, with the command that trains it, and which runs do not agree."""
    lacking = [seed.seed for seed in kept.seeds if INNER not in seed.recorded]
    notes = []
    if lacking:
        which = f"seed{'s' if len(lacking) > 1 else ''} {listed(lacking)} {'are' if len(lacking) > 1 else 'is'} not"
        which = "no seed is" if len(lacking) == len(kept.seeds) else which
        command = run_command(file, wanted.given, lacking, ["--select", "inner", *wanted.place])
        notes.append(f"{which} recorded with inner selection: {command}")
    for seed in kept.seeds:
        if INNER in seed.recorded and seed.inner is None:
            notes.append(f"seed {seed.seed}: the inner run has no scores of its inner clips, so its picks are unknown")
        if differing := disagreeing(kept, seed):
            notes.append(
                f"seed {seed.seed}: {differing} of {len(kept.clips)} clips of the inner run differ from the run of the "
                "last epoch at the picked epochs, although both start from the same random streams: different machine "
                "types or packages"
            )
    return notes


def run_command(file: RunFile, protocol: str, seeds: Sequence[int], more: Sequence[str]) -> str:
    """Write the command that records other runs of a run's configuration and data."""
    words = ["merbench", "run", file.method, "--protocol", protocol, "--data", file.data]
    words += ["--config", file.config_name] if file.config_name != "default" else []
    for setting in re.split(r" (?=\w+=)", file.variant) if file.variant else []:
        words += ["--set", setting]
    first, last = min(seeds), max(seeds)
    run_of = first < last and list(seeds) == list(range(first, last + 1))
    return shlex.join([*words, "--seeds", f"{first}-{last}" if run_of else ",".join(map(str, seeds)), *more])
