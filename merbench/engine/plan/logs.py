"""Logs opened for commands: held against the official list of their protocol, the registered data, or its counts."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import same_people
from merbench.contracts.errors import MerbenchError, listed, suggestion
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.readers.identity import Spelling, strange_subjects
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.catalogue import protocol as find_protocol
from merbench.engine.plan.data import registered_data
from merbench.records import entries
from merbench.records.folder import PREDICTIONS
from merbench.records.logs import Log, log_of, read_log
from merbench.records.read import read_run
from merbench.records.select import the_one
from merbench.splits.expected import split_differences
from merbench.splits.split import Split, make_split


class _KnownSplit(NamedTuple):
    """A protocol's clips, as `origin` has them; `data` is the name of the registered data, if they are from there."""

    origin: str
    split: Split
    data: str = ""

    @property
    def clips(self) -> pd.DataFrame:
        """``dataset, subject, clip, truth, fold`` of all tested clips."""
        return self.split.truth()


def _known_split(spec: ProtocolSpec) -> tuple[_KnownSplit | None, list[Note]]:
    """Return the clips that a protocol tests, as far as this machine knows them, and why it does not know them."""
    official = spec.official()
    if official is not None:
        column = "emotion" if spec.labels == "emotion" else "objective_class"
        origin = f"the official list of {spec.name}"
        clips = clip_table(official.rename(columns={"class": column}), origin)
        return _KnownSplit(origin, make_split(spec, clips, same_people=same_people(()))), []
    try:
        data = registered_data(spec)
        if data is None:
            return None, []
        split = make_split(spec, data.clips, same_people=same_people(data.sources))
    except MerbenchError as error:
        return None, [Note("warning", f"the registered data can't be used: {error}")]
    return _KnownSplit(f"the registered {data.name}", split, data.name), []


def open_log(name: str, protocol: str, results: Path) -> tuple[ProtocolSpec, Log, _KnownSplit | None, bool]:
    """Read a log, or a run's predictions as one, and hold it against what is known of its protocol.

    `name` is a file, a folder, or the id of a run in `results`. Returns the protocol, the log, what it was held
    against, and whether it is of synthetic data. Raises MerbenchError as :func:`merbench.records.logs.read_log`.
    """
    spec = find_protocol(protocol)
    if spec.task != "classification":
        raise MerbenchError(
            f"protocol {spec.name} is for {spec.task}: prediction logs are read for classification only"
        )
    path = _place(name, results)
    others = (dataset for other in PROTOCOLS.load_all()[0].values() for dataset in other.datasets)
    spelling = Spelling.of(spec, others)
    folder = path if path.is_dir() else path.parent
    of_run = (path.is_dir() or path.name == PREDICTIONS) and (folder / "run.json").is_file()
    committed = folder / entries.PREDICTIONS
    run = read_run(folder) if of_run and not committed.exists() else None
    synthetic = run is not None and run.file.synthetic
    known, notes = (None, []) if synthetic else _known_split(spec)
    if run is not None:
        log = log_of(run.predictions, run.file.run_id, spec, spelling, known)
    else:
        log = read_log(committed if of_run else path, spec, spelling, known)
    if known is None and not synthetic:
        notes += _unheld(log, spec)
    return spec, replace(log, notes=[*log.notes, *notes]), known, synthetic


def _place(name: str, results: Path) -> Path:
    """Return the path of a log, or the folder of a run."""
    path = Path(name)
    runs = [folder.parent.name for folder in (results / "runs").glob("*/run.json")]
    if path.exists() or path.suffix:
        return path
    if found := the_one(runs, name):
        return results / "runs" / found
    raise MerbenchError(f"{name} is not a file, a folder or a run in {results / 'runs'}{suggestion(name, runs)}")


def _unheld(log: Log, spec: ProtocolSpec) -> list[Note]:
    """Say how a log whose truth is not known differs from what is expected, and what looks wrong."""
    clips = log.predictions.rename(columns={"truth": "class"})
    notes = []
    if differences := split_differences(spec, clips, spec.tested, listed_clips=False):
        notes.append(Note("warning", f"differs from {spec.name}: {'; '.join(differences)}"))
    if strange := strange_subjects(clips):
        many = f"{len(strange)} subject{'s' * (len(strange) > 1)}"
        notes.append(Note("warning", f"{many} that the database does not have: {listed(strange)}"))
    if log.copied:
        notes.append(Note("warning", "the truth equals the predictions of all clips: it may be a copy of them"))
    step = "register the database (merbench data add DATABASE PATH) to compare clips and labels"
    return [*notes, Note("note", f"{spec.name} has no public list of its clips: {step}")]
