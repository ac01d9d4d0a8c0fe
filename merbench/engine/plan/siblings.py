"""Runs that a table shows in the same row but for their key: made with other code or data, before or after."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from merbench.contracts.errors import RecordError, listed
from merbench.engine.plan.runs import RunPlan
from merbench.records.folder import RunFolder
from merbench.records.model import RunFile

#: What differs in the keys of siblings, for people.
_TOLD = {
    "code_digest": "the method's code",
    "config": "what the configuration sets",
    "data_digest": "the data",
    "input_digests": "the inputs made from it",
    "spec_digest": "the protocol",
    "split_digest": "its clips or folds",
}


Siblings = dict[tuple[str, ...], list[RunFile]]


def siblings(plans: Sequence[RunPlan], runs: Path) -> Siblings:
    """Read the recorded runs of the same methods and protocols as those of `plans` that are not begun.

    Returns
    -------
    dict of tuple to list of RunFile
        By what a table shows of a run: method, settings by name, protocol, data, selection.
    """
    names = {f"{plan.file.method}-{plan.file.protocol}-s*" for plan in plans if not _begun(plan, runs)}
    found: Siblings = {}
    for path in sorted(path for name in names for path in runs.glob(f"{name}/run.json")):
        with suppress(RecordError):  # which is told by whoever runs or shows it
            file = RunFolder(path.parent).read_run()
            found.setdefault(_row(file), []).append(file)
    return found


def _begun(plan: RunPlan, runs: Path) -> bool:
    return (runs / plan.run_id / "run.json").exists()


def _row(file: RunFile) -> tuple[str, ...]:
    return file.method, file.config_name, file.variant, file.protocol, file.data, file.key.selection


def begun_last(file: RunFile, known: Siblings) -> tuple[RunFile, str]:
    """See that a run which is about to begin counts as begun after its siblings, though the clock may say otherwise.

    Of siblings that differ in more than their seed tables show those that were begun last.

    Returns
    -------
    file : RunFile
        The run, perhaps with another `created`.
    told : str
        What is wrong with the clock, in a sentence; empty where nothing is.
    """
    others = [other for other in known.get(_row(file), ()) if other.key.group() != file.key.group()]
    begun = [moment for other in others if (moment := _moment(other.created))]
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
    known = siblings(plans, runs)
    found: dict[tuple[str, str], list[str]] = {}
    for plan in plans:
        if _begun(plan, runs):
            continue
        for other in known.get(_row(plan.file), ()):
            if other.key.seed == plan.file.key.seed and other.key != plan.file.key:
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
