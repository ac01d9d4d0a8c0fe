"""Sanity rows: what a protocol's data gives without a look at motion, or from labels that mean nothing.

They tell what a score is worth. They are runs as any other, recorded as sanity rows, and never ranked.
"""

from collections.abc import Sequence
from dataclasses import replace

from merbench.contracts.cards import Task
from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs

#: The best that can be had of each task without looking: the same answer for every clip.
FLOORS: dict[Task, str] = {"classification": "majority", "au-detection": "always-shown"}
#: Methods, in a configuration where it is not the default, that see no motion.
MOTIONLESS = ("stratified-random", "database-only", "database-only:balanced", "duration-only", "onset-frame-only")


def motionless(task: Task) -> tuple[str, ...]:
    """Return the methods, some as ``METHOD:CONFIGURATION``, that are sanity rows of every table of a task."""
    return (FLOORS[task], *MOTIONLESS)


def plan_sanity(
    asked: Sequence[Request], plans: Sequence[RunPlan], protocols: Sequence[PreparedProtocol]
) -> tuple[list[RunPlan], list[str]]:
    """Plan the sanity rows of a table.

    Parameters
    ----------
    asked : sequence of Request
        The methods of the table: each is run once more with the labels of its training clips shuffled.
    plans : sequence of RunPlan
        What comes of that; what is among it is no sanity row besides.
    protocols : sequence of PreparedProtocol
        On the chosen data.

    Returns
    -------
    plans : list of RunPlan
        The rows' runs, each once.
    notes : list of str
        Which rows protocol or data can't have, and why.
    """
    found: dict[str, RunPlan] = {}
    notes = []
    for protocol in protocols:
        for name in motionless(protocol.spec.task):
            method, _, config = name.partition(":")
            first = asked[0]
            row = Request((method,), config or None, seeds=first.seeds, sanity=True, first_look=first.first_look)
            try:
                found |= {plan.run_id: plan for plan in plan_runs(row, [protocol])}
            except MerbenchError as error:
                notes.append(f"sanity row {name} is not available: {error}")
    for request in asked:
        shuffled = replace(request, shuffled=True, sanity=True, keep_epochs=False, diagnose=False)
        found |= {plan.run_id: plan for plan in plan_runs(shuffled, protocols)}
    known = {plan.run_id for plan in plans}
    return [plan for run_id, plan in found.items() if run_id not in known], list(dict.fromkeys(notes))
