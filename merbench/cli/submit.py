"""``merbench submit``: a row in the form that the leaderboard takes."""

from pathlib import Path
from typing import Annotated

from merbench.cli.declare import option
from merbench.cli.options import Results, Run, results_folder
from merbench.cli.printing import say


def submit(
    run: Run,
    to: Annotated[Path, option("--to", "The folder of the leaderboard in a checkout of merbench.", "DIR")] = Path(
        "results/leaderboard"
    ),
    results: Results = None,
) -> None:
    """Write all seeds of a run's row in the form that the leaderboard takes, ready to be committed.

    The row must agree with its protocol's clips and with its folds, on a known database or release, by committed code
    in one environment. Beside each record are its card, environment, hardware and time, all seeds, how many rows of the
    method were tried, and its code or where that is. A submitted row is claimed until it is verified.
    """
    from merbench.contracts.errors import MerbenchError, listed
    from merbench.engine.plan.declared import declared
    from merbench.records.declared import name_of
    from merbench.records.select import find_run, read_runs
    from merbench.submissions.write import check_row, row_of, write_row

    folder = results_folder(results)
    recorded = read_runs(folder)
    try:
        found = find_run(folder, run)
    except MerbenchError:
        imported = recorded.where(method=run, origin="imported")  # a name as in --name
        if not imported:
            raise
        found = imported[0]
    row = row_of(found, recorded)
    check_row(row)
    rows = declared()
    for path in write_row(row, recorded, to):
        say(f"written: {path}")
    if len(row) > 1 or not found.file.deterministic:
        say(f"seeds: {listed([each.file.key.seed for each in row])}")
    if not rows.includes(found.file) or found.file.not_ranked:
        why = "; ".join(found.file.not_ranked) or f"{name_of(found.file)} is not a row of results/declared.yaml"
        say(f"listed without rank: {why}")
