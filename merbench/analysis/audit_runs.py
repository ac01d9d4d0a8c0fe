"""Which runs an audit reads, and why others are not read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.audit import Audit
from merbench.analysis.held import why_not_held
from merbench.analysis.kept_epochs import Kept, Seed, disagreeing, places
from merbench.analysis.rows import measured_rows
from merbench.analysis.selection_rules import INNER, INNER_KEEP, LAST
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, RecordError, listed
from merbench.contracts.notes import Note
from merbench.records.folder import EPOCHS
from merbench.records.model import RunFile
from merbench.records.read import RecordedRun
from merbench.records.select import Runs

_NO_EPOCHS = "its epochs were not kept"

#: ``command(file, seeds, select, keep_epochs)``: the command line that records other runs of a recorded run's
#: configuration and data; without a file, the first run of the method.
Command = Callable[[RunFile | None, Sequence[int], str, bool], str]


@dataclass(frozen=True)
class _Wanted:
    """What is to be audited, as given to `read_audit`."""

    method: str
    protocol: str
    command: Command
    data: str | None = None
    config: dict[str, Any] | None = None

    @property
    def first(self) -> str:
        """The command that records the method with its epochs."""
        return self.command(None, (), LAST, True)

    @property
    def asked(self) -> str:
        """Method and protocol, and the restrictions to data and settings, in words."""
        said = [f"data {self.data}"] * bool(self.data) + ["these settings"] * (self.config is not None)
        return f"{self.method} under {self.protocol}" + (f" with {' and '.join(said)}" if said else "")

    def again(self, file: RunFile, select: str = LAST) -> str:
        """Return the command that records a run again with its epochs."""
        return self.command(file, [file.key.seed], select, True)


def not_of_classes(protocol: str) -> MerbenchError:
    """Return the error of auditing action units."""
    return MerbenchError(f"{protocol} is an AU-detection protocol: merbench audit supports classification only")


def read_audit(
    known: Runs,
    method: str,
    protocol: str,
    command: Command,
    data: str | None = None,
    config: dict[str, Any] | None = None,
) -> Audit:
    """Find the runs of a method that kept their epochs, and read them.

    Runs that were recorded here are read; where there is none, rows of the committed leaderboard: `known` are both.
    `method` and `protocol` are names as they are recorded; `command` writes the commands in messages. Only runs on
    `data`, and with the settings `config`, if these are given. Raises MerbenchError for no run to audit, or several
    configurations; with the next step.
    """
    wanted = _Wanted(method, protocol, command, data, config)
    fitting = known.where(method=method, protocol=protocol, data=data, settings=config, shuffled=False)
    if any(run.file.task != "classification" for run in fitting):
        raise not_of_classes(wanted.protocol)
    recorded = fitting.where(selection=LAST)
    here = recorded.where(origin=("measured", "imported"))
    asked = here or recorded
    unfit = {run.file.run_id: why for run in asked if (why := _unfit(run))}
    whole = Runs(run for run in asked if run.file.run_id not in unfit)
    if not whole:
        imported = any(run.file.imported for run in fitting)
        raise _nothing_kept(asked, unfit, wanted, bool(here) and len(recorded) > len(here), imported)
    chosen, older = _newest(whole, wanted)
    said = [f"{older} older runs of other code or data are not audited"] if older else []
    said += _excluded(asked, chosen, unfit, wanted)
    if len({tuple(run.file.folds) for run in chosen}) > 1:
        raise MerbenchError(f"seeds of {wanted.method} differ in folds; repeat them: {wanted.first} --existing redo")
    with _repaired_by(chosen[0], wanted):
        clips = chosen[0].clips()
    inner = _of_selections(fitting, chosen)
    seeds = tuple(_seed(run, clips, inner.get(run.file.key.seed, {}), wanted) for run in chosen)
    file = chosen[0].file
    kept = Kept(clips, tuple(file.folds), tuple(file.outputs), seeds)
    (row,), _ = measured_rows(chosen)
    said += _inner_notes(kept, file, wanted)
    if why := why_not_held(chosen):
        said.append(f"clips and labels could not be compared with the protocol: {why}")
    read = tuple(run.file.run_id for of in inner.values() for run in of.values())
    return Audit(row, kept, read, tuple(Note("warning", text) for text in said))


def _unfit(run: RecordedRun) -> str:
    """Say why a run can't be audited; empty if it can."""
    if not run.complete:
        holes = f"{len(run.file.folds) - run.folds} of {len(run.file.folds)} folds are not recorded"
        return "; ".join(run.problems) or holes
    try:
        without = run.without_epochs()
    except RecordError as error:
        return str(error)
    if len(without) == len(run.file.folds):
        return _NO_EPOCHS
    return f"epochs of {listed(without)} were not kept" if without else ""


def _nothing_kept(
    recorded: Runs, unfit: dict[str, str], wanted: _Wanted, committed: bool, imported: bool
) -> MerbenchError:
    """Return the error that says why no run can be audited, with the next step."""
    if not recorded and imported:
        return MerbenchError(
            f"{wanted.method} is imported without its predictions after every epoch: import a log with a column epoch"
        )
    if not recorded:
        return MerbenchError(f"no recorded run of {wanted.asked}; record one: {wanted.first}")
    for run in recorded:
        record = run.first_record()
        if record and record.epochs and not record.failure and EPOCHS not in record.checksums:
            return MerbenchError(
                f"{wanted.method} does not report epochs ({run.file.run_id} was run with --keep-epochs and has none): "
                "there is nothing to audit"
            )
    instead = " (--leaderboard audits the committed rows)" if committed else ""
    begun = [run for run in recorded if unfit[run.file.run_id] != _NO_EPOCHS]
    if begun:
        file = begun[0].file
        why = f"{file.run_id} can't be audited: {unfit[file.run_id]}"
        return MerbenchError(f"{why}: {wanted.again(file)}{instead}")
    return MerbenchError(
        f"no run of {wanted.asked} kept its epochs; if the method reports epochs: {wanted.first}{instead}"
    )


def _excluded(asked: Runs, chosen: Runs, unfit: dict[str, str], wanted: _Wanted) -> list[str]:
    """Name the runs of the chosen configuration that are as new, and can't be audited."""
    first, newest = chosen[0], max(run.age for run in chosen)
    return [
        f"seed {run.file.key.seed} ({run.file.run_id}) is excluded: {unfit[run.file.run_id]}: {wanted.again(run.file)}"
        for run in asked.where(config=first.file.config_name, variant=first.file.variant, data=first.file.data)
        if run.file.run_id in unfit and (run.group == first.group or run.age > newest)
    ]


def _newest(whole: Runs, wanted: _Wanted) -> tuple[Runs, int]:
    """Return the runs of one configuration on one data, those of the newest code, by seed; and how many are older."""
    choices = dict.fromkeys((run.file.config_name, run.file.variant, run.file.data) for run in whole)
    if len(choices) > 1:
        said = [f"{' '.join(filter(None, [config, variant]))} on {data}" for config, variant, data in choices]
        raise MerbenchError(
            f"{wanted.method} under {wanted.protocol} kept its epochs in several configurations ({'; '.join(said)}): "
            "choose one by --config, --set, --data"
        )
    newest, *older = whole.versions()
    return newest, sum(map(len, older))


def _of_selections(fitting: Runs, chosen: Runs) -> dict[int, dict[str, RecordedRun]]:
    """Return the whole runs that differ from the chosen ones in their selection alone: seed -> selection -> run."""
    found: dict[int, dict[str, RecordedRun]] = {}
    for run in chosen:
        of = found.setdefault(run.file.key.seed, {})
        for selection in (INNER, INNER_KEEP):
            key = run.file.key.model_copy(update={"selection": selection}).digest()
            for other in fitting.where(key=key, complete=True)[:1]:  # those recorded here come first
                of[selection] = other
    return found


@contextmanager
def _repaired_by(run: RecordedRun, wanted: _Wanted) -> Iterator[None]:
    """Add to an error about a damaged record the command that records it again."""
    try:
        yield
    except RecordError as error:
        raise MerbenchError(f"{error}: {wanted.again(run.file, run.file.key.selection)}") from error


def _seed(run: RecordedRun, clips: pd.DataFrame, inner: dict[str, RecordedRun], wanted: _Wanted) -> Seed:
    """Read the epochs of one seed; rows as in `clips`."""
    with _repaired_by(run, wanted):
        kept = run.epochs()
    if kept is None:
        raise MerbenchError(f"some folds of {run.file.run_id} kept no epochs: {wanted.first}")
    epochs, ends = kept
    if others := int((epochs[:, -1] != places(run.predictions.predicted, run.file.outputs)).sum()):
        raise MerbenchError(
            f"{run.file.run_id}: the recorded class of {others} of {len(epochs)} clips is not the one with the highest "
            "score after the last epoch, so this run can't be audited"
        )
    recorded, curve = {}, None
    for selection, other in inner.items():
        classes = places(other.predictions.predicted, other.file.outputs)
        recorded[selection] = classes[_rows(clips, other.predictions)]
        with _repaired_by(other, wanted):
            found = other.inner()
        curve = found if curve is None else curve
        if list(other.file.folds) != list(run.file.folds):
            raise MerbenchError(f"{other.file.run_id} and {run.file.run_id} differ in their folds")
    return Seed(run.file.key.seed, epochs[_rows(clips, run.predictions)], ends, curve, recorded)


def _rows(clips: pd.DataFrame, table: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return the row of each of `clips` in a prediction table."""
    rows = pd.MultiIndex.from_frame(table[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(clips[IDENTITY]))
    assert (rows >= 0).all()  # the same split digest: the same clips
    return np.asarray(rows)


def _inner_notes(kept: Kept, file: RunFile, wanted: _Wanted) -> list[str]:
    """Say which seeds lack inner selection, with the command that trains it, and which runs do not agree."""
    lacking = [seed.seed for seed in kept.seeds if INNER not in seed.recorded]
    notes = []
    if lacking and not file.imported:
        which = f"seed{'s' if len(lacking) > 1 else ''} {listed(lacking)} {'are' if len(lacking) > 1 else 'is'} not"
        which = "no seed is" if len(lacking) == len(kept.seeds) else which
        command = wanted.command(file, lacking, INNER, False)
        notes.append(f"{which} recorded with inner selection: {command}")
    for seed in kept.seeds:
        if INNER in seed.recorded and seed.inner is None:
            notes.append(f"seed {seed.seed}: inner selection was recorded without its scores: the epochs are unknown")
        if differing := disagreeing(kept, seed):
            notes.append(
                f"seed {seed.seed}: the predictions for {differing} of {len(kept.clips)} clips differ between "
                "the runs of inner selection and of the last epoch at the selected epochs, although both use the same "
                "random streams: machine types or packages differ"
            )
    return notes
