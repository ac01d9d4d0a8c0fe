"""Bring MLflow in line with the records: missing runs are created, changed ones replaced, the others left alone.

A pass may be interrupted anywhere: the tag with the digest of the mirrored files is written last, and a later pass
finds the existing runs by their tags and continues from them.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, RecordError, readable
from merbench.contracts.notes import Note
from merbench.databases.registrations import home
from merbench.engine.plan.truths import truths
from merbench.records.folder import RunFolder
from merbench.tracking import contents
from merbench.tracking.contents import FOLD, HELD, MIRRORED, RUN, Content
from merbench.tracking.servers import TrackingServer, connect, reason

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Done = Literal["added", "updated", "kept"]

_PARENT = "mlflow.parentRunId"
#: Tags, parameters or metrics in one request: the longest allowed stay below MLflow's limit of a megabyte.
_BATCH = 25
_PAGE = 1000


def sync(
    server: TrackingServer,
    folders: Iterable[Path],
    done: Callable[[Path], object] = lambda _: None,
    wait: Callable[[], object] = lambda: None,
) -> tuple[Counter[Done], list[Note]]:
    """Bring MLflow in line with the records of some runs.

    Returns how many were added, updated or kept as they were, problems of records that do not verify, and a warning for
    each run that MLflow refused. `done` is called with the folder of each run that is in line, `wait` before waiting
    for another process that is writing to the same server. A `MerbenchError` where the server can't be written at all;
    the next pass continues.
    """
    counts: Counter[Done] = Counter()
    notes: list[Note] = []
    with _reaching(server), _alone(server, wait):
        mirror = _Mirror(connect(server), server)
        for folder in folders:
            try:
                kind, problems = mirror.run(folder)
            except RecordError as error:
                notes.append(Note("problem", str(error)))
            except Exception as error:
                if not _refused(error):
                    raise
                notes.append(Note("warning", f"MLflow refuses {folder.name}: {reason(error)}"))
            else:
                notes += [Note("problem", problem) for problem in problems]
                counts[kind] += 1
                done(folder)
    return counts, notes


@contextmanager
def _reaching(server: TrackingServer) -> Iterator[None]:
    """Turn every error of MLflow and its libraries into one line that names the address."""
    try:
        yield
    except MerbenchError:
        raise
    except Exception as error:
        raise MerbenchError(f"MLflow at {server.address}: {reason(error)}") from error


def _refused(error: Exception) -> bool:
    """Whether MLflow rejects this run, rather than being unable to take any."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.get_http_status_code() == 400


@contextmanager
def _alone(server: TrackingServer, wait: Callable[[], object]) -> Iterator[None]:
    """Lock the server against other processes of this user: two that miss a run would both create it."""
    path = home() / "locks" / f"mlflow-{digest(server.uri)[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        wait()
        held = lock.acquire()
    with held:
        yield


class _Mirror:
    def __init__(self, client: "MlflowClient", server: TrackingServer) -> None:
        self._client, self._server = client, server
        self._experiment = ""
        self._truth_of = truths()

    def run(self, folder: Path) -> tuple[Done, list[str]]:
        """Bring a run in line; returns how, and the problems of its records."""
        with _of_records(folder):
            file = RunFolder(folder).read_run()
            known = contents.compared(folder, self._truth_of)
            state, experiment = contents.state_of(folder, file, *known), contents.experiment(file)
        self._experiment = self._experiment_id(experiment, contents.experiment_tags(file))
        there = self._the_one(self._search(RUN, contents.identity(file)))
        if there is not None and there.data.tags.get(MIRRORED) == state and there.data.tags.get(HELD) == _held(there):
            return "kept", []
        with _of_records(folder):
            content, folds, problems, recorded = contents.read_content(folder, *known)
        own = there or self._create(content, {RUN: contents.identity(file)})
        self._write(own, content)
        self._folds(own.info.run_id, folds)
        with TemporaryDirectory(prefix="merbench-") as files:
            with _of_records(folder):
                contents.write_files(recorded, Path(files))
            self._client.log_artifacts(own.info.run_id, files)
        self._end(own.info.run_id, content, mark=not problems)
        return ("updated" if there else "added"), problems

    def _experiment_id(self, name: str, tags: dict[str, str]) -> str:
        """Find or create the experiment; one that was deleted in MLflow is restored with its runs."""
        there = self._client.get_experiment_by_name(name)
        if there is None:
            root = self._server.artifacts
            return self._known(self._client.create_experiment(name, root.as_uri() if root else None, tags))
        if there.lifecycle_stage == "deleted":
            self._client.restore_experiment(there.experiment_id)
        return self._known(there.experiment_id)

    def _known(self, given: str) -> str:
        """Return an id from MLflow; a service that answers without one is not MLflow."""
        if not given:
            raise MerbenchError(f"MLflow at {self._server.address}: the service there is not MLflow")
        return given

    def _search(self, tag: str, value: str) -> "list[Run]":
        """Find merbench's runs by a tag, whose value is made of ids and digests."""
        search = partial(self._client.search_runs, [self._experiment], f"tags.`{tag}` = '{value}'", max_results=_PAGE)
        page = search()
        found = list(page)
        while page.token:
            page = search(page_token=page.token)
            found += page
        return found

    def _the_one(self, runs: "Iterable[Run]") -> "Run | None":
        """Return the run to keep where a lost answer led to several; the others are deleted, with their folds."""
        found = sorted(runs, key=lambda run: str(run.info.run_id))
        for other in found[1:]:
            for run in (*self._search(_PARENT, other.info.run_id), other):
                self._client.delete_run(run.info.run_id)
        return found[0] if found else None

    def _create(self, content: Content, tags: dict[str, str]) -> "Run":
        made = self._client.create_run(self._experiment, content.start, tags, content.name)
        self._known(made.info.run_id)
        return made

    def _write(self, run: "Run", content: Content) -> None:
        """Write the differences to MLflow's copy; a figure that is no longer known is overwritten by NaN."""
        from mlflow.entities import Metric, Param, RunTag

        held = run.data
        moment = round(time.time() * 1000) if held.metrics or content.end is None else content.end
        # MLflow shows the figure with the latest time, so one that is written later must not have an earlier one, even
        # if the clock was put back meanwhile.
        moment = max([moment, *(metric.timestamp + 1 for metric in held.to_proto().metrics)])
        tags = [RunTag(key, text) for key, text in content.tags.items() if held.tags.get(key, "") != text]
        params = [Param(key, text) for key, text in content.params.items() if key not in held.params]
        metrics = [
            Metric(key, value, moment, 0)
            for key, value in content.metrics.items()
            if not _same(value, held.metrics.get(key, math.nan))
        ]
        for first in range(0, max(map(len, (tags, params, metrics))), _BATCH):
            batch = slice(first, first + _BATCH)
            self._client.log_batch(run.info.run_id, metrics[batch], params[batch], tags[batch])

    def _folds(self, parent: str, folds: dict[str, Content]) -> None:
        """Bring the child runs in line: those of folds that were run again, or are gone, are deleted."""
        there: dict[str, list[Run]] = {}
        for found in self._search(_PARENT, parent):
            fold, mirrored = (found.data.tags.get(tag, "") for tag in (FOLD, MIRRORED))
            if fold in folds and folds[fold].mirrored == mirrored:
                there.setdefault(fold, []).append(found)
            else:
                self._client.delete_run(found.info.run_id)
        for fold, content in folds.items():
            child = self._the_one(there.get(fold, []))
            if child is not None and child.info.status == content.status:
                continue
            tags = {_PARENT: parent, FOLD: fold, MIRRORED: content.mirrored, **content.tags}
            child = child or self._create(content, tags)
            self._write(child, content)
            self._client.set_terminated(child.info.run_id, content.status, content.end)

    def _end(self, run_id: str, content: Content, mark: bool) -> None:
        """Write the run's status, and last the digest of the mirrored files."""
        if content.status == "RUNNING":
            self._client.update_run(run_id, content.status)
        else:
            self._client.set_terminated(run_id, content.status, content.end)
        self._client.set_tag(run_id, HELD, _held(self._client.get_run(run_id)))
        self._client.set_tag(run_id, MIRRORED, content.mirrored if mark else "")


def _held(run: "Run") -> str:
    """Digest the figures and tags of a run in MLflow, so that what was edited there is found."""
    ours = {key: text for key, text in run.data.tags.items() if key not in (HELD, MIRRORED) and key[:7] != "mlflow."}
    return digest([{key: repr(value) for key, value in run.data.metrics.items()}, ours])


@contextmanager
def _of_records(folder: Path) -> Iterator[None]:
    """Turn every error in reading a run's records into one that leaves other runs alone."""
    try:
        yield
    except RecordError:
        raise
    except Exception as error:
        raise RecordError(f"{folder} can't be mirrored: {readable(repr, error)}") from error


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
