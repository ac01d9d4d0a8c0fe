"""Find recorded runs: one query for tables, explanations, audits and whoever plans a run."""

import atexit
import re
from collections.abc import Callable, Collection, Hashable, Iterable
from contextlib import ExitStack
from functools import cache
from importlib.resources import as_file, files
from operator import attrgetter
from pathlib import Path
from typing import Any

from merbench.contracts.errors import MerbenchError, RecordError, readable, suggestion
from merbench.contracts.names import shown
from merbench.records.entries import read_entry
from merbench.records.files import FutureSchemaError
from merbench.records.read import RecordedRun, read_run

#: So many characters of its key's digest end a run's id.
_IN_ID = 10
_DIGEST = re.compile("[0-9a-f]{6,64}")
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
    """Recorded runs, in a fixed order.

    `problems` are runs that could not be read, one line each; `unopened` the ids of those that were not asked for.
    """

    def __init__(
        self, runs: Iterable[RecordedRun] = (), problems: Iterable[str] = (), unopened: Iterable[str] = ()
    ) -> None:
        super().__init__(runs)
        self.problems, self.unopened = list(problems), list(unopened)

    def __add__(self, others: "Runs") -> "Runs":  # type: ignore[override]  # only runs are added
        """Return these and then the others."""
        return Runs([*self, *others], [*self.problems, *others.problems], [*self.unopened, *others.unopened])

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


def of(methods: Collection[str] = (), protocol: str | None = None) -> Callable[[str], bool]:
    """Return what says by a run's id whether it may be one of these methods (of any, if there are none), and protocol.

    An id begins with the method, of imported runs with its letters and digits, and goes on with the protocol. One that
    says otherwise contradicts its ``run.json``, so that its run is not compared with anything.
    """
    begins = tuple(f"{name}-" for method in methods for name in {method, id_part(method)})
    goes_on = [f"-{protocol}{shuffled}-s" for shuffled in ("", "-shuffled")] if protocol else [""]
    return lambda run_id: (not begins or run_id.startswith(begins)) and any(part in run_id for part in goes_on)


def named_as(names: Collection[str], protocol: str | None = None) -> Callable[[str], bool]:
    """Return what says by a run's id whether it may be meant by the first word of one of `names`, see `of`."""
    first = [re.split(r"[\s(]", name.strip(), maxsplit=1)[0] for name in names]
    begins, under = tuple(each for word in first for each in (word, id_part(word))), of((), protocol)
    return lambda run_id: run_id.startswith(begins) and under(run_id)


def id_part(name: str) -> str:
    """Return the part of a run's id that stands for the name of an imported row."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "imported"


def read_runs(results: Path, leaderboard: bool = False, fits: Callable[[str], bool] | None = None) -> Runs:
    """Open every run below ``<results>/runs``, and those of the committed leaderboard if they are asked for.

    Only those are read whose id `fits`, see `of`, if it is given.
    """
    runs = _opened((results / "runs").glob("*/run.json"), _own_run, fits)
    return runs + read_leaderboard(fits) if leaderboard else runs


def read_leaderboard(fits: Callable[[str], bool] | None = None) -> Runs:
    """Open the runs of the leaderboard that merbench ships, those that fit as for `read_runs`."""
    return read_entries(_shipped(), fits)


def read_entries(folder: Path, fits: Callable[[str], bool] | None = None) -> Runs:
    """Open the runs of a leaderboard in a folder, those that fit as for `read_runs`."""
    return _opened(folder.glob("*/*/run.json"), read_entry, fits)


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


def _opened(
    paths: Iterable[Path], read: Callable[[Path], RecordedRun], fits: Callable[[str], bool] | None = None
) -> Runs:
    """Open runs by their ``run.json``; those that do not verify are named in `problems`."""
    runs, problems, unopened = [], [], []
    for path in sorted(paths):
        if fits is not None and not fits(path.parent.name):
            unopened.append(path.parent.name)
            continue
        try:
            runs.append(read(path.parent))
        except RecordError as error:
            problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever is in one folder, the others are read
            problems.append(shown(f"{path.parent} can't be read: {readable(repr, error)}"))
    return Runs(runs, problems, unopened)


def the_one(known: Collection[str], name: str) -> str | None:
    """Return the run id that is `name`, or alone begins with it or has this digest; None if there is none.

    The digest is that of the run's key, or at least its first six characters. MerbenchError if several ids match.
    """
    found = [run_id for run_id in known if run_id == name] or [run_id for run_id in known if run_id.startswith(name)]
    if not found and _DIGEST.fullmatch(name):
        found = [run_id for run_id in known if run_id.rpartition("-")[2].startswith(name[:_IN_ID])]
    if len(found) > 1:
        raise MerbenchError(f"{name!r} is ambiguous: {', '.join(sorted(found))}")
    return found[0] if found else None


def run_folder(results: Path, name: str) -> Path:
    """Find the folder of the run that is named as for `the_one`; MerbenchError if there is none, or several."""
    known = sorted(path.parent.name for path in (results / "runs").glob("*/run.json"))
    if not known:
        raise MerbenchError(f"no runs in {results / 'runs'}; record one: merbench run METHOD --protocol PROTOCOL")
    found = the_one(known, name)
    if found is None:
        raise MerbenchError(f"unknown run {name!r}{suggestion(name, known)}")
    return results / "runs" / found


def find_run(results: Path, name: str, leaderboard: bool = False) -> RecordedRun:
    """Open the run that is named as for `the_one`.

    Where there is none, the one with this id or digest of the committed leaderboard, if that is asked for. Raises
    as :func:`run_folder` and :func:`merbench.records.read.read_run`.
    """
    try:
        found = _own_run(run_folder(results, name))
    except MerbenchError as error:
        if not leaderboard or isinstance(error, RecordError):
            raise
        shipped = {path.parent.name: path.parent for path in _shipped().glob("*/*/run.json")}
        committed = name if name in shipped else the_one(shipped, name) if _DIGEST.fullmatch(name) else None
        if committed is None:
            raise
        found = read_entry(shipped[committed])
    if len(name) > _IN_ID and _DIGEST.fullmatch(name) and not found.key_digest.startswith(name):
        raise MerbenchError(f"no run has the digest {name}: {found.file.run_id} has {found.key_digest}")
    return found
