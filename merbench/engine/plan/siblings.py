"""Siblings of a run: runs that a table shows in the same row, recorded with other code or data, or another seed."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from merbench.contracts.errors import RecordError, listed
from merbench.engine.plan.runs import RunPlan
from merbench.records.folder import RunFolder
from merbench.records.model import RunFile
from merbench.records.read import read_run
from merbench.records.select import Runs

#: Fields of the key that may differ between siblings, for people.
_CHANGED = {
    "code_digest": "the method's code",
    "config": "what the configuration sets",
    "data_digest": "the data",
    "input_digests": "the prepared inputs",
    "spec_digest": "the protocol",
    "split_digest": "the clips or folds of the protocol",
}


def siblings(plans: Sequence[RunPlan], runs: Path) -> Runs:
    """Read the recorded runs of the methods and protocols of those `plans` that are not begun."""
    names = {f"{plan.file.method}-{plan.file.protocol}-s*" for plan in _not_begun(plans, runs)}
    found = []
    for path in sorted(path for name in names for path in runs.glob(f"{name}/run.json")):
        with suppress(RecordError):  # reported by whoever runs or shows it
            found.append(read_run(path.parent))
    return Runs(found)


def _not_begun(plans: Sequence[RunPlan], runs: Path) -> list[RunPlan]:
    begun = set()
    for plan in plans:
        with suppress(RecordError):
            begun.add(RunFolder(runs / plan.run_id).read_run().run_id)
    return [plan for plan in plans if plan.run_id not in begun]


def _same_row(file: RunFile, known: Runs) -> Runs:
    """Return the runs that a table would show as this method's, but for the version of code and data."""
    return known.where(
        method=file.method, config=file.config_name, variant=file.variant, protocol=file.protocol, data=file.data,
        selection=file.key.selection,
    )  # fmt: skip


def numbered(file: RunFile, known: Runs) -> tuple[RunFile, str]:
    """Give a run that is about to begin the next number among its siblings, so that tables show it as the newest.

    Returns the run with its `sequence`, and a warning that the system clock is wrong, empty where it is not.
    """
    others = _same_row(file, known)
    last = max((other.file.sequence or 0 for other in others), default=0)
    versions = [other.file for other in others if other.group != file.key.group()]
    later = [other for other in versions if _moment(other.created) > _moment(file.created)]
    warning = ""
    if later:
        warning = f"the system clock ({file.created}) is earlier than an existing run of {file.method} "
        warning += (
            f"({later[0].run_id}, created {later[0].created}): check the clock; {file.run_id} counts as the newest"
        )
    return file.model_copy(update={"sequence": last + 1}), warning


def _moment(text: str) -> datetime:
    """Read when a run was begun; the beginning of time for text that is not a time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def superseded(plans: Sequence[RunPlan], runs: Path) -> list[str]:
    """Report recorded runs that do not count for plans not begun yet, and why: a line for each method and reason."""
    known = siblings(plans, runs)
    found: dict[tuple[str, str], list[str]] = {}
    for plan in _not_begun(plans, runs):
        for run in _same_row(plan.file, known).where(seed=plan.file.key.seed):
            if run.file.key != plan.file.key:
                found.setdefault((plan.file.method, _differing(run.file, plan.file)), []).append(run.file.run_id)
    return [
        f"{method}: earlier runs are kept but do not count: {listed(run_ids, most=3)}; changed since: {what}"
        for (method, what), run_ids in found.items()
    ]


def _differing(other: RunFile, file: RunFile) -> str:
    then, now = other.key.model_dump(), file.key.model_dump()
    names = [changed for name, changed in _CHANGED.items() if then[name] != now[name]]
    versions = then["code_versions"], now["code_versions"]
    names += [
        f"merbench's {room} code ({versions[0].get(room)}, now {version})"
        for room, version in versions[1].items()
        if versions[0].get(room) != version
    ]
    return " and ".join(names or ["what its card discloses"])
