"""Logs opened for commands: held against what is known of their protocol, and imported as runs.

An imported run is read, compared and explained like a measured one; it is marked, and never ranked with measured ones.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench import __version__
from merbench.contracts.clips import IDENTITY, clip_names, clip_table
from merbench.contracts.databases import Source
from merbench.contracts.digests import digest
from merbench.contracts.errors import DataError, MerbenchError, listed, suggestion
from merbench.contracts.notes import LONGEST_REMARK, Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.readers.identity import log_spelling, strange_subjects
from merbench.databases.registrations import open_registered, registered
from merbench.engine.imported_names import check_others, slug_of
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.catalogue import protocol as find_protocol
from merbench.engine.plan.data import Data, choose_data
from merbench.engine.plan.runs import PreparedProtocol
from merbench.engine.plan.truths import known_truth, own_truth, remember, truth_on
from merbench.prepare.store import PreparationWatcher
from merbench.records import entries
from merbench.records.compact import compact
from merbench.records.files import now
from merbench.records.folder import PREDICTIONS, RunFolder
from merbench.records.logs import Log, log_of, read_log
from merbench.records.model import UNKNOWN, UNSEEN, RunFile, RunKey
from merbench.records.outcome import FoldOutcome
from merbench.records.predictions import prediction_columns, problem_of
from merbench.records.read import read_run
from merbench.records.select import the_one
from merbench.records.truth import Truth
from merbench.splits.expected import split_differences
from merbench.synthetic.database import SYNTHETIC

_MOST = 5


def _labels(spec: ProtocolSpec) -> str:
    """Return the column of a clip table that a protocol maps to classes; a class's own name counts as that class."""
    return "emotion" if spec.labels == "emotion" else "objective_class"


class _OpenedLog(NamedTuple):
    """A log with its protocol, and what it was held against, if anything; `synthetic` if it is of synthetic clips."""

    name: str
    path: Path
    spec: ProtocolSpec
    log: Log
    known: Truth | None
    synthetic: bool


def open_log(
    name: str, protocol: str, results: Path, data: str = "auto", watcher: PreparationWatcher | None = None
) -> _OpenedLog:
    """Read a log, or a run's predictions as one, and hold it against what is known of its protocol.

    `name` is a file, a folder, or the id of a run in `results`; `data` as for ``--data``: the clips are held against
    it, by default against the official list, else the registered data. Raises MerbenchError as
    :func:`merbench.records.logs.read_log` and :func:`merbench.engine.plan.data.choose_data`.
    """
    spec = find_protocol(protocol)
    _check_task(spec)
    path = _place(name, results)
    folder = path if path.is_dir() else path.parent
    of_run = (path.is_dir() or path.name == PREDICTIONS) and (folder / "run.json").is_file()
    committed = folder / entries.PREDICTIONS
    run = read_run(folder) if of_run and not committed.exists() else None
    known: Truth | None = None
    notes: list[Note] = []
    if data != "auto":
        prepared = PreparedProtocol.of(spec, choose_data(data, [spec], watcher, synthetic=False), watcher)
        remember(prepared)
        known, synthetic = truth_on(prepared.data, spec, prepared.data.name), prepared.data.synthetic
    elif not (synthetic := run is not None and run.file.synthetic):
        known, notes = known_truth(spec)
    spelling = log_spelling(spec, _datasets())

    def read(known: Truth | None) -> Log:
        if run is not None:
            return log_of(run.predictions, run.file.run_id, spec, spelling, known)
        return read_log(committed if of_run else path, spec, spelling, known)

    log = _read_real(read, name, spec, known) if data == "auto" and not synthetic else read(known)
    if known is None and not synthetic:
        notes += _unheld(log, spec)
    return _OpenedLog(name, path, spec, replace(log, notes=[*log.notes, *notes]), known, synthetic)


def log_of_table(table: pd.DataFrame, name: str, spec: ProtocolSpec, sources: Sequence[Source] = ()) -> Log:
    """Hold a data frame as :func:`open_log` holds a file.

    `sources` are the copies of databases that its clips are from, if known: synthetic clips, and those of a protocol
    without an official list, are held against them. `name` is what messages call it.
    """
    _check_task(spec)
    spelling = log_spelling(spec, _datasets())
    data = Data("+".join(source.name for source in sources), "as given", tuple(sources))
    if sources and (data.synthetic or spec.official_list is None):
        return log_of(table, name, spec, spelling, truth_on(data, spec, data.name))
    known, notes = known_truth(spec)
    log = _read_real(lambda truth: log_of(table, name, spec, spelling, truth), name, spec, known)
    notes += _unheld(log, spec) if known is None else []
    return replace(log, notes=[*log.notes, *notes])


def _read_real(read: Callable[[Truth | None], Log], name: str, spec: ProtocolSpec, known: Truth | None) -> Log:
    """Read a log of real clips; DataError if its clips and labels are those of synthetic data that is here."""
    found: Log | None = None
    error: DataError | None = None
    try:
        found = read(known)
    except DataError as raised:
        error = raised
    if known is None or found is None or found.foreign:
        for synthetic in (each for each in SYNTHETIC if each in registered()):
            with suppress(MerbenchError):
                data = Data(synthetic, "registered", (open_registered(synthetic),))
                log = read(truth_on(data, spec, synthetic))
                if not log.foreign and not log.relabelled:
                    error = DataError(f"{name} has the clips of {synthetic}: score it with --data {synthetic}")
    if found is None or error is not None:
        assert error is not None
        raise error
    return found


def _check_task(spec: ProtocolSpec) -> None:
    if spec.task != "classification":
        raise MerbenchError(
            f"protocol {spec.name} is for {spec.task}: prediction logs are read for classification only"
        )


def _datasets() -> list[str]:
    """Return the datasets of all registered protocols."""
    return [dataset for spec in PROTOCOLS.load_all()[0].values() for dataset in spec.datasets]


def _place(name: str, results: Path) -> Path:
    """Return the path of a log, or the folder of a run."""
    path = Path(name)
    if not path.exists():
        path = Path(os.path.expandvars(name)).expanduser()
    runs = [folder.parent.name for folder in (results / "runs").glob("*/run.json")]
    if path.exists() or path.suffix:
        return path
    if found := the_one(runs, name):
        return results / "runs" / found
    raise MerbenchError(f"{name} is not a file, a folder or a run in {results / 'runs'}{suggestion(name, runs)}")


def _unheld(log: Log, spec: ProtocolSpec) -> list[Note]:
    """Say how a log whose truth is not known differs from what is expected, and what looks wrong."""
    said = [Note("warning", text) for text in _differences(log, spec)]
    step = "register the database (merbench data add DATABASE PATH) to compare clips and labels"
    return [*said, Note("note", f"{spec.name} has no public list of its clips: {step}")]


def _differences(log: Log, spec: ProtocolSpec) -> list[str]:
    clips, said = log.predictions.rename(columns={"truth": "class"}), []
    if differences := split_differences(spec, clips, spec.tested, listed_clips=False):
        said.append(f"differs from {spec.name}: {'; '.join(differences)}")
    if strange := strange_subjects(clips):
        many = f"{len(strange)} subject{'s' * (len(strange) > 1)}"
        said.append(f"{many} that the database does not have: {listed(strange)}")
    if log.copied:
        said.append("the truth equals the predictions of all clips: it may be a copy of them")
    return said


def import_log(opened: _OpenedLog, name: str, seed: int, note: str, results: Path) -> tuple[str, bool]:
    """Record a log as the run of a method `name`, marked as imported.

    Returns the run's id, and whether it is new: the same log may be imported again. Raises MerbenchError for a name
    that a registered method has, a log that lacks clips, has others or other classes than the protocol, or a run of the
    same name and seed with other predictions.
    """
    slug = slug_of(name)
    if len(note) > LONGEST_REMARK:
        raise MerbenchError(f"--note has {len(note)} characters: expected at most {LONGEST_REMARK}")
    truth = _whole(opened)
    file = _run_file(opened, truth, name.strip(), slug, seed, note)
    folder = RunFolder(results / "runs" / file.run_id)
    tables = list(_folds(opened, truth, file))
    check_others(opened.name, file, pd.concat([table for _, table, _ in tables]), results / "runs")
    other = _run_id(slug, file.protocol, seed, _other_selection(file.key))
    if (results / "runs" / other / "run.json").exists():
        which = "without" if opened.log.epochs is not None else "with"
        raise MerbenchError(
            f"{name}, seed {seed}, is already imported {which} predictions after every epoch ({other}): choose another "
            f"--name or --seed, or delete {results / 'runs' / other}"
        )
    if (folder.path / "run.json").exists() and (found := read_run(folder.path)).complete:
        table = pd.concat([table for _, table, _ in tables]).sort_values(IDENTITY)
        same = found.predictions.to_numpy().tolist() == table.to_numpy().tolist()
        if not same or not np.array_equal(_after_epochs(tables), (found.epochs() or [()])[0]):
            said = f"{name}, seed {seed}, is already imported with other predictions ({file.run_id})"
            raise MerbenchError(f"{said}: choose another --name or --seed, or delete {folder.path}")
        return file.run_id, False
    with folder.lock():
        folder.start(file)
        for fold, table, epochs in tables:
            folder.write_fold(
                FoldOutcome(
                    fold, len(table), 0, {"total": 0.0}, predictions=table, epochs=epochs, device=UNKNOWN,
                    epochs_asked=epochs is not None,
                ),
                file,
            )  # fmt: skip
        compact(folder, file, truth.clips)
    return file.run_id, True


def _after_epochs(
    tables: Sequence[tuple[str, pd.DataFrame, npt.NDArray[np.float32] | None]],
) -> Sequence[int] | npt.NDArray[np.int64]:
    """Return the number of each clip's class after every epoch, as `RecordedRun.epochs`; empty if there are none."""
    kept = [epochs.argmax(axis=2).T for _, _, epochs in tables if epochs is not None]
    if not kept:
        return ()
    length = max(block.shape[1] for block in kept)
    padded = np.concatenate([np.pad(block, ((0, 0), (0, length - block.shape[1])), mode="edge") for block in kept])
    clips = pd.concat([table[IDENTITY] for _, table, _ in tables], ignore_index=True)
    order: npt.NDArray[np.int64] = padded[clips.sort_values(IDENTITY).index]
    return order


def _whole(opened: _OpenedLog) -> Truth:
    """Return the truth of a log that has every clip of its protocol, with the known classes; MerbenchError otherwise.

    Where no clips are known, it is that of the log's own clips.
    """
    log, spec, name = opened.log, opened.spec, opened.name
    if opened.synthetic and opened.known is None:
        raise MerbenchError(f"{name} is of synthetic data: name it, as in --data {next(iter(SYNTHETIC))}")
    if log.foreign:
        fits = f"; its clips are those of {other}" if (other := _protocol_of(opened)) else ""
        some = listed(log.foreign, most=_MOST)
        raise DataError(f"{name} has {_clips(log.foreign)} that {spec.name} does not test: {some}{fits}")
    if log.missing:
        some = listed(log.missing, most=_MOST)
        raise DataError(f"{name} has no prediction for {_clips(log.missing)}: {some}; a row needs all of them")
    if log.relabelled:
        some = listed(log.relabelled, most=_MOST)
        raise DataError(f"{name} has another truth than {log.origin} for {_clips(log.relabelled)}: {some}")
    if opened.known is not None:
        return opened.known
    if differences := _differences(log, spec):
        raise DataError(f"{name} can't be imported: {'; '.join(differences)}")
    clips = log.predictions[IDENTITY].assign(**{_labels(spec): log.predictions.truth})
    try:
        return own_truth(clip_table(clips, name), spec)
    except DataError as error:
        raise DataError(
            f"{error}; register the data, so that folds are known: merbench data add DATABASE PATH"
        ) from error


def _clips(names: list[str]) -> str:
    return f"{len(names)} clip{'s' * (len(names) > 1)}"


def _protocol_of(opened: _OpenedLog) -> str:
    """Return the registered protocol whose official list has the log's clips."""
    clips = {*clip_names(opened.log.predictions), *opened.log.foreign}
    for name, spec in PROTOCOLS.load_all()[0].items():
        official = spec.official()
        if official is not None and set(clip_names(official)) == clips:
            return name
    return ""


def _run_file(opened: _OpenedLog, truth: Truth, name: str, slug: str, seed: int, note: str) -> RunFile:
    spec: ProtocolSpec = opened.spec
    data, data_digest = next(iter(truth.data.items()), (UNKNOWN, digest(UNKNOWN)))
    key = RunKey(
        method=name, config={}, code_digest=digest(UNSEEN), code_versions={}, spec_digest=spec.spec_digest(),
        split_digest=truth.split_digest, data_digest=data_digest,
        input_digests={}, selection="last" if opened.log.epochs is not None else UNKNOWN, transductive=False,
        au_labels_at_test=False, seed=seed,
    )  # fmt: skip
    return RunFile(
        run_id=_run_id(slug, spec.name, seed, key), key=key, method=name, config_name="default",
        variant="", protocol=spec.name, parts=spec.parts, task=spec.task, outputs=list(spec.outputs), data=data,
        synthetic=opened.synthetic, deterministic=False, disclosures=[UNSEEN], remark=note, warnings=spec.warnings,
        folds=dict(sorted(truth.folds.items())), created=now(), sequence=1, merbench=__version__,
        git_commit=None, imported=opened.path.name,
    )  # fmt: skip


def _run_id(slug: str, protocol: str, seed: int, key: RunKey) -> str:
    return f"{slug}-{protocol}-s{seed}-{key.digest()[:10]}"


def _other_selection(key: RunKey) -> RunKey:
    """Return the key of a log with epochs for one without, and the other way round."""
    return key.model_copy(update={"selection": UNKNOWN if key.selection == "last" else "last"})


def _folds(
    opened: _OpenedLog, truth: Truth, file: RunFile
) -> Iterator[tuple[str, pd.DataFrame, npt.NDArray[np.float32] | None]]:
    """Yield each fold's name, its predictions, and the scores after every epoch, if the log has them."""
    columns = prediction_columns(problem_of(file))
    table = opened.log.predictions
    one_hot = np.eye(len(file.outputs))
    if not set(columns) <= set(table.columns):
        scores = one_hot[[file.outputs.index(name) for name in table.predicted]]
        table = table.assign(**{f"score_{name}": scores[:, index] for index, name in enumerate(file.outputs)})
    folds = truth.clips[[*IDENTITY, "fold"]]
    table = table[columns].merge(folds, on=IDENTITY).sort_values(IDENTITY, ignore_index=True)
    rows = table.groupby("fold").indices
    numbers, after = _predicted_after(opened.log.epochs, table, file.outputs)
    for fold in file.folds:
        block = table.iloc[rows[fold]].drop(columns="fold").reset_index(drop=True)
        kept = None
        if opened.log.epochs is not None:
            own = (after[:, rows[fold]] >= 0).any(axis=1)
            _check_epochs(numbers[own].tolist(), numbers.tolist(), fold, opened.name)
            kept = _kept(numbers[own], after[own][:, rows[fold]], block, file.outputs, opened.name)
        yield fold, block, kept


def _predicted_after(
    epochs: pd.DataFrame | None, clips: pd.DataFrame, classes: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the numbers of the epochs, and each clip's class after each, shape (n_epochs, n_clips), -1 for none."""
    if epochs is None:
        return np.empty(0), np.empty((0, len(clips)), dtype=np.int64)
    numbers, rows = np.unique(epochs.epoch.to_numpy(dtype=np.float64), return_inverse=True)
    places = epochs.predicted.map({each: index for index, each in enumerate(classes)}).to_numpy()
    columns = pd.MultiIndex.from_frame(clips[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(epochs[IDENTITY]))
    after = np.full((len(numbers), len(clips)), -1, dtype=np.int64)
    after[rows[columns >= 0], columns[columns >= 0]] = places[columns >= 0]
    return numbers, after


def _check_epochs(own: list[float], every: list[float], fold: str, name: str) -> None:
    """Refuse a fold that lacks an epoch in between; it may end earlier than others."""
    lacking = [f"{epoch:g}" for epoch in every if epoch <= max(own) and epoch not in own]
    if lacking:
        raise DataError(f"{name} has no predictions of fold {fold} after epoch {listed(lacking, most=_MOST)}")


def _kept(
    numbers: npt.NDArray[np.float64],
    after: npt.NDArray[np.int64],
    clips: pd.DataFrame,
    classes: list[str],
    name: str,
) -> npt.NDArray[np.float32]:
    """Return scores of shape (n_epochs, n_clips, n_classes): 1 for the class predicted after an epoch, else 0."""
    for epoch, row in zip(numbers, after, strict=True):
        if (row < 0).any():
            lacking = ["/".join(clip) for clip in clips.loc[row < 0, IDENTITY].to_numpy()]
            some = listed(lacking, most=_MOST)
            raise DataError(f"{name} has no prediction after epoch {epoch:g} for {_clips(lacking)} of a fold: {some}")
    found: npt.NDArray[np.float32] = np.eye(len(classes), dtype=np.float32)[after]
    return found
