"""Sanity rows: what a protocol's data gives without a look at motion, or from shuffled labels.

They are runs as any other, recorded as sanity rows, and never ranked. The floor of the task, the same answer for every
clip, is run with them and ranked: papers report it as a baseline.
"""

from collections.abc import Sequence
from dataclasses import replace

from merbench.contracts.cards import Task
from merbench.contracts.errors import MerbenchError
from merbench.contracts.notes import Note
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs

#: The best result of each task without looking at the input: the same answer for every clip.
FLOORS: dict[Task, str] = {"classification": "majority", "au-detection": "always-shown"}
#: Methods, in a configuration where it is not the default, whose cards say that they are sanity rows.
MOTIONLESS = ("stratified-random", "database-only", "database-only:balanced", "duration-only", "onset-frame-only")


def motionless(task: Task) -> tuple[str, ...]:
    """Return the methods, some as ``METHOD:CONFIGURATION``, that ``--sanity`` adds to every table of a task."""
    return (FLOORS[task], *MOTIONLESS)


def plan_sanity(
    asked: Sequence[Request], plans: Sequence[RunPlan], protocols: Sequence[PreparedProtocol]
) -> tuple[list[RunPlan], list[Note]]:
    """Plan the rows that ``--sanity`` adds to the table of `plans`, each once, without those that are in it.

    Each request of `asked` is planned again on shuffled training labels. The notes say which rows are not available for
    a protocol or the data, and why.
    """
    found: dict[str, RunPlan] = {}
    notes = []
    for protocol in protocols:
        for name in motionless(protocol.spec.task):
            method, _, config = name.partition(":")
            row = Request.named([method], config or None, seeds=asked[0].seeds)
            try:
                found |= {plan.run_id: plan for plan in plan_runs(row, [protocol])}
            except MerbenchError as error:
                notes.append(Note("note", f"sanity row {name} is not available: {error}"))
    for request in asked:
        shuffled = replace(request, shuffled=True, keep_epochs=False, diagnose=False)
        found |= {plan.run_id: plan for plan in plan_runs(shuffled, protocols)}
    known = {plan.run_id for plan in plans}
    return [plan for run_id, plan in found.items() if run_id not in known], list(dict.fromkeys(notes))
