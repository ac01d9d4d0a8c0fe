"""Runs that a table shows in the same row but for their key: made with other code or data, before or after."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from merbench.contracts.errors import RecordError, listed
from merbench.contracts.records import RunFile
from merbench.engine.plan import RunPlan
from merbench.engine.store import RunFolder

#: What differs in the keys of siblings, for people.
_TOLD = {
    "code_digest": "the method's code",
    "config": "what the configuration sets",
    "data_digest": "the data",
    "input_digests": "the inputs made from it",
    "spec_digest": "the protocol",
    "split_digest": "its clips or folds",
}


def siblings(file: RunFile, runs: Path) -> list[RunFile]:
    """Read the runs of the same method, settings by name, protocol and data, whatever their seed; not `file` itself."""
    found = []
    for path in sorted(runs.glob(f"{file.method}-{file.protocol}-s*/run.json")):
        try:
            other = RunFolder(path.parent).read_run()
        except RecordError:  # told by whoever runs or shows it
            continue
        if other.run_id != file.run_id and _row(other) == _row(file):
            found.append(other)
    return found


def _row(file: RunFile) -> tuple[str, ...]:
    return file.method, file.config_name, file.variant, file.protocol, file.data, file.key.selection


def begun_last(file: RunFile, runs: Path) -> tuple[RunFile, str]:
    """See that a run which is about to begin counts as begun after its siblings, though the clock may say otherwise.

    Tables show the row that was begun last.

    Returns
    -------
    file : RunFile
        The run, perhaps with another `created`.
    told : str
        What is wrong with the clock, in a sentence; empty where nothing is.
    """
    begun = [moment for other in siblings(file, runs) if (moment := _moment(other.created))]
    now = _moment(file.created)
    if not begun or now is None or now > max(begun):
        return file, ""
    created = (max(begun) + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    told = f"the clock says {file.created}, but {file.method} has runs here that were begun later"
    return file.model_copy(update={"created": created}), f"{told}: {file.run_id} counts as begun after them, {created}"


def _moment(text: str) -> datetime | None:
    """Read when a run was begun; None for what is no time."""
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def superseded(plans: Sequence[RunPlan], runs: Path) -> list[str]:
    """Tell of recorded runs that do not count for plans not begun yet, and why; a line for each method and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for plan in plans:
        if (runs / plan.run_id / "run.json").exists():
            continue
        for other in siblings(plan.file, runs):
            if other.key.seed == plan.file.key.seed:
                found.setdefault((plan.file.method, _differing(other, plan.file)), []).append(other.run_id)
    return [
        f"{method}: recorded before, not counted and left as it is: {listed(run_ids, most=3)}; changed since: {what}"
        for (method, what), run_ids in found.items()
    ]


def _differing(other: RunFile, file: RunFile) -> str:
    """Name in what two keys differ."""
    then, now = other.key.model_dump(), file.key.model_dump()
    names = [told for name, told in _TOLD.items() if then[name] != now[name]]
    versions = then["code_versions"], now["code_versions"]
    names += [
        f"merbench's {room} code ({versions[0].get(room)}, now {version})"
        for room, version in versions[1].items()
        if versions[0].get(room) != version
    ]
    return " and ".join(names or ["what its card admits"])
