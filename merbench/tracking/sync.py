"""Bring MLflow in line with the records: what is missing is made, what changed is replaced, the rest left alone.

What this does for a run is the same whoever asks for it, and may be ended anywhere: the tag that says what is mirrored
is written last, and a later pass finds by their tags the runs that are there and goes on from them.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from merbench.contracts.digests import digest
from merbench.contracts.errors import RecordError
from merbench.databases.registrations import home
from merbench.records.folder import RunFolder
from merbench.tracking.contents import (
    FOLD,
    MIRRORED,
    RUN,
    Content,
    experiment,
    experiment_tags,
    identity,
    read_content,
    state_of,
)
from merbench.tracking.stores import Store, TrackingError, connect, reason

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Done = Literal["added", "updated", "kept"]

_PARENT = "mlflow.parentRunId"
#: At most so many at a time, that the longest allowed stay below the megabyte that MLflow takes in one request.
_BATCH = 25
_PAGE = 1000


@dataclass
class Synced:
    """What came of the runs that were asked for; lines on what does not verify, and on what MLflow would not take."""

    added: int = 0
    updated: int = 0
    kept: int = 0
    problems: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def sync(
    store: Store, folders: Iterable[Path], told: Callable[[Path, Done], None], wait: Callable[[], None] = lambda: None
) -> Synced:
    """Bring MLflow in line with the records of some runs.

    Parameters
    ----------
    store : Store
        Which MLflow.
    folders : iterable of Path
        Those of the runs.
    told : callable
        Called with each run's folder and what was done.
    wait : callable
        Called where another process is writing to the same store, before it is waited for.

    Raises
    ------
    TrackingError
        The store can't be written, whatever the run; what was written so far is gone on from the next time.
    """
    synced = Synced()
    with _reaching(store), _alone(store, wait):
        mirror = _Mirror(connect(store), store)
        for folder in folders:
            try:
                done, problems = mirror.run(folder)
            except RecordError as error:
                synced.problems.append(str(error))
            except Exception as error:
                if not _refused(error):
                    raise
                synced.refused.append(f"MLflow refuses {folder.name}: {reason(error)}")
            else:
                synced.problems += problems
                setattr(synced, done, getattr(synced, done) + 1)
                told(folder, done)
    return synced


@contextmanager
def _reaching(store: Store) -> Iterator[None]:
    """Turn whatever MLflow and the libraries below it raise into one line that names the address."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        raise TrackingError(f"MLflow at {store.address}: {reason(error)}") from error


def _refused(error: Exception) -> bool:
    """Whether MLflow finds fault with a run, rather than being unable to take any."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.get_http_status_code() == 400


@contextmanager
def _alone(store: Store, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the store against other processes of this user: two that find a run missing would both make it."""
    path = home() / "locks" / f"mlflow-{digest(store.uri)[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Mirror:
    """Writes one run, and its folds, to MLflow."""

    def __init__(self, client: "MlflowClient", store: Store) -> None:
        self._client, self._store = client, store
        self._experiment = ""

    def run(self, folder: Path) -> tuple[Done, list[str]]:
        """Bring a run in line; returns what was done, and what of its records did not verify."""
        file = RunFolder(folder).read_run()
        self._experiment = self._experiment_id(experiment(file), experiment_tags(file))
        there = self._the_one(self._search(RUN, identity(file)))
        if there is not None and there.data.tags.get(MIRRORED) == state_of(folder, file):
            return "kept", []
        found = read_content(folder)
        own = there or self._create(found.content, {RUN: identity(file)})
        self._write(own, found.content)
        self._folds(own.info.run_id, found.folds)
        with TemporaryDirectory(prefix="merbench-") as files:
            found.write_files(Path(files))
            self._client.log_artifacts(own.info.run_id, files)
        self._end(own.info.run_id, found.content, mark=not found.problems)
        return ("updated" if there else "added"), found.problems

    def _experiment_id(self, name: str, tags: dict[str, str]) -> str:
        """Find the experiment, or make it; one that was deleted in MLflow is restored with its runs."""
        there = self._client.get_experiment_by_name(name)
        if there is None:
            root = self._store.artifacts
            made = self._client.create_experiment(name, root.as_uri() if root else None, tags)
            return self._known(str(made))
        if there.lifecycle_stage == "deleted":
            self._client.restore_experiment(there.experiment_id)
        return self._known(str(there.experiment_id))

    def _known(self, given: str) -> str:
        """Return an id that MLflow gave; what answers without one only looks like MLflow."""
        if not given:
            raise TrackingError(f"MLflow at {self._store.address}: what answers there is no MLflow")
        return given

    def _search(self, tag: str, value: str) -> "list[Run]":
        """Find our runs by a tag, whose value is made of ids and digests."""
        found: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{tag}` = '{value}'", max_results=_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def _the_one(self, runs: "Iterable[Run]") -> "Run | None":
        """Return the run that stays where a lost answer led to several; the others are deleted, with their folds."""
        found = sorted(runs, key=lambda run: str(run.info.run_id))
        for other in found[1:]:
            self._delete(other)
        return found[0] if found else None

    def _delete(self, run: "Run") -> None:
        for child in self._search(_PARENT, run.info.run_id):
            self._client.delete_run(child.info.run_id)
        self._client.delete_run(run.info.run_id)

    def _create(self, content: Content, tags: dict[str, str]) -> "Run":
        made = self._client.create_run(self._experiment, content.start, tags, content.name)
        self._known(made.info.run_id)
        return made

    def _write(self, run: "Run", content: Content) -> None:
        """Write what differs from what MLflow holds; a figure that can't be told any more is overwritten by NaN."""
        from mlflow.entities import Metric, Param, RunTag

        held = run.data
        moment = round(time.time() * 1000) if held.metrics or content.end is None else content.end
        # MLflow shows the figure with the latest time, so one that is written later must not have an earlier one,
        # though the clock may have been put back meanwhile.
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
        """Bring the child runs in line: those of folds that were run again, or are there no more, are deleted."""
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
        """Say how the run stands, and last of all what of it is mirrored."""
        if content.status == "RUNNING":
            self._client.update_run(run_id, content.status)
        else:
            self._client.set_terminated(run_id, content.status, content.end)
        self._client.set_tag(run_id, MIRRORED, content.mirrored if mark else "")


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
