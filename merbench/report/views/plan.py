"""A plan of runs: folds recorded, failed and pending."""

from collections.abc import Mapping, Sequence

from merbench.contracts.notes import Note
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells


def plan_report(
    folds: Mapping[str, int],
    recorded: Mapping[str, int],
    failed: Mapping[str, int],
    pending: Mapping[str, Sequence[str]],
    notes: Sequence[Note] = (),
) -> Report:
    """Build the table of a dry run.

    `folds`, `recorded` and `failed` count each run's folds, those recorded, and those that failed before; `pending` are
    folds that would run; `notes` are on damaged records.
    """
    lines = [
        text_cells(run, recorded[run] + len(pending[run]), recorded[run], failed[run], len(pending[run]))
        for run in folds
    ]
    alike: dict[tuple[str, ...], list[str]] = {}
    for run, names in pending.items():
        if names:
            alike.setdefault(tuple(names), []).append(run)
    said = [Note("note", f"folds of {', '.join(runs)} to run: {', '.join(names)}") for names, runs in alike.items()]
    total = sum(map(len, pending.values()))
    said.append(Note("note", f"{total} of {sum(folds.values())} folds would run; nothing was trained or recorded"))
    columns = [name_column("Run"), *map(Column, ("Folds", "Recorded", "Failed before", "Would run"))]
    return Report([Table("", columns, [Section(lines)], notes=[*notes, *said])])
