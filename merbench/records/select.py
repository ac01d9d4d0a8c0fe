"""Find recorded runs: one query for tables, explanations, audits and whoever plans a run."""

import atexit
from collections.abc import Callable, Collection, Hashable, Iterable
from contextlib import ExitStack
from functools import cache
from importlib.resources import as_file, files
from operator import attrgetter
from pathlib import Path
from typing import Any

from merbench.contracts.errors import MerbenchError, RecordError, suggestion
from merbench.records.entries import read_entry
from merbench.records.files import FutureSchemaError
from merbench.records.read import RecordedRun, read_run

#: Criteria of a query: name -> value of a run.
_FIELDS: dict[str, Callable[[RecordedRun], Any]] = {
    **{
        each: attrgetter(f"file.{each}")
        for each in ("run_id", "method", "protocol", "data", "task", "variant", "sanity")
    },
    **{each: attrgetter(f"file.key.{each}") for each in ("selection", "seed", "shuffled")},
    **{each: attrgetter(each) for each in ("origin", "group", "complete")},
    "config": attrgetter("file.config_name"),
    "key": attrgetter("key_digest"),
}


class Runs(list[RecordedRun]):
    """Recorded runs, in a fixed order; `problems` are runs that could not be read, one line each."""

    def __init__(self, runs: Iterable[RecordedRun] = (), problems: Iterable[str] = ()) -> None:
        super().__init__(runs)
        self.problems = list(problems)

    def __add__(self, others: "Runs") -> "Runs":  # type: ignore[override]  # only runs are added
        """Return these and then the others."""
        return Runs([*self, *others], [*self.problems, *others.problems])

    def where(self, *, settings: dict[str, Any] | None = None, **wanted: Any) -> "Runs":
        """Return the runs that match all criteria.

        `wanted` are ``run_id, method, protocol, data, task, config, variant, selection, seed, shuffled, sanity, origin,
        group, key, complete``: a value, or a list, set or tuple of alternatives; None matches any. `settings` are some
        that the run's resolved configuration includes.
        """
        asked = [(_FIELDS[name], value) for name, value in wanted.items() if value is not None]

        def fits(run: RecordedRun) -> bool:
            config = run.file.key.config
            return all(
                found(run) in value if isinstance(value, list | set | tuple | frozenset) else found(run) == value
                for found, value in asked
            ) and all(name in config and config[name] == value for name, value in (settings or {}).items())

        return Runs(run for run in self if fits(run))

    def distinct(self) -> "Runs":
        """Return each run once: a committed run that was also measured here counts as measured.

        The key of a method without inputs is the same on all data with these annotations, such as a release with other
        images: there it is another run.
        """
        found: dict[Hashable, RecordedRun] = {}
        for run in sorted(self, key=lambda run: run.origin != "measured"):
            named = (run.file.protocol, run.file.config_name, run.file.data)
            found.setdefault((run.key_digest, *named), run)
        kept = {id(run) for run in found.values()}
        return Runs(run for run in self if id(run) in kept)

    def rows(self) -> "list[Runs]":
        """Group the runs that a table shows in one row: seeds, and versions of code and data, of one configuration."""

        def row(run: RecordedRun) -> tuple[str, ...]:
            file, key = run.file, run.file.key
            named = (run.origin, file.method, file.config_name, file.variant, file.protocol, file.data)
            return *named, key.spec_digest, key.split_digest, key.selection

        return self._by(row)

    def versions(self) -> "list[Runs]":
        """Group the seeds of one version of code and data, by seed; the version that was begun last comes first."""
        found = [Runs(sorted(runs, key=lambda run: run.file.key.seed)) for runs in self._by(lambda run: run.group)]
        return sorted(found, key=lambda runs: max(run.age for run in runs), reverse=True)

    def newest(self) -> "Runs":
        """Return of every row of a table the seeds of the version that was begun last."""
        return Runs(run for row in self.rows() for run in row.versions()[0])

    def _by(self, key: Callable[[RecordedRun], Hashable]) -> "list[Runs]":
        found: dict[Hashable, list[RecordedRun]] = {}
        for run in self:
            found.setdefault(key(run), []).append(run)
        return [Runs(runs) for runs in found.values()]


def read_runs(results: Path, leaderboard: bool = False) -> Runs:
    """Open every run below ``<results>/runs``, and those of the committed leaderboard if they are asked for."""
    runs = _opened((results / "runs").glob("*/run.json"), _own_run)
    return runs + read_leaderboard() if leaderboard else runs


def read_leaderboard() -> Runs:
    """Open the runs of the leaderboard that merbench ships."""
    return read_entries(_shipped())


def read_entries(folder: Path) -> Runs:
    """Open the runs of a leaderboard in a folder."""
    return _opened(folder.glob("*/*/run.json"), read_entry)


@cache
def _shipped() -> Path:
    """Return the folder of the leaderboard, readable until the process ends, wherever merbench is installed."""
    opened = ExitStack()
    atexit.register(opened.close)
    return opened.enter_context(as_file(files("merbench.results") / "leaderboard"))


def _own_run(folder: Path) -> RecordedRun:
    """Open a run in a results folder; an error has the next step."""
    try:
        return read_run(folder)
    except FutureSchemaError:
        raise
    except RecordError as error:
        raise RecordError(f"{error}; repeat the run, which writes it again, or remove its folder") from error


def _opened(paths: Iterable[Path], read: Callable[[Path], RecordedRun]) -> Runs:
    """Open runs by their ``run.json``; those that do not verify are named in `problems`."""
    runs, problems = [], []
    for path in sorted(paths):
        try:
            runs.append(read(path.parent))
        except RecordError as error:
            problems.append(str(error))
    return Runs(runs, problems)


def the_one(known: Collection[str], name: str) -> str | None:
    """Return the run id that is `name` or alone begins with it; None if there is none, MerbenchError if several."""
    found = [run_id for run_id in known if run_id == name] or [run_id for run_id in known if run_id.startswith(name)]
    if len(found) > 1:
        raise MerbenchError(f"{name!r} is ambiguous: {', '.join(sorted(found))}")
    return found[0] if found else None


def run_folder(results: Path, name: str) -> Path:
    """Find the folder of the run whose id is `name` or begins with it; MerbenchError if there is none, or several."""
    known = sorted(path.parent.name for path in (results / "runs").glob("*/run.json"))
    if not known:
        raise MerbenchError(f"no runs in {results / 'runs'}; record one: merbench run METHOD --protocol PROTOCOL")
    found = the_one(known, name)
    if found is None:
        raise MerbenchError(f"unknown run {name!r}{suggestion(name, known)}")
    return results / "runs" / found


def find_run(results: Path, name: str) -> RecordedRun:
    """Open the run whose id is `name` or begins with it; raises as :func:`run_folder` and :func:`read_run`."""
    return _own_run(run_folder(results, name))
