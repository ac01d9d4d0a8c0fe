"""``merbench explain``: how one row differs from another."""

from typing import TYPE_CHECKING, Annotated

from merbench.cli.declare import argument, flag, option
from merbench.cli.held import held
from merbench.cli.options import Format, Leaderboard, OnlyData, Protocol, Results, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as, say

if TYPE_CHECKING:
    from pathlib import Path

    from merbench.analysis.explain import Explanation

_NAME = "A method (all seeds of its row), a row's name in the table, or a run's id or its first letters."


def explain(
    one: Annotated[str, argument(_NAME, "A")],
    two: Annotated[str, argument("The same, to compare with A.", "B")],
    protocol: Protocol = None,
    data: OnlyData = None,
    force: Annotated[
        bool, flag("--force", "Compare rows that are incomplete or not ranked together, on common clips.")
    ] = False,
    most: Annotated[int, option("--most", "Number of subjects and of clips to list; JSON has all.", "N", min=0)] = 10,
    format: Format = "table",
    leaderboard: Leaderboard = False,
    results: Results = None,
) -> None:
    """Compare A with B: differences with intervals and paired tests; classes, subjects and clips that changed.

    Rows that differ in protocol, clips, labels or folds, or lack folds, are refused; --force compares and notes them.
    """
    from merbench.report.views.explain import explanation_report

    one_of(format, "--format", FORMATS)
    found, problems = explained(one, two, protocol, data, force, leaderboard, results)
    for problem in problems:
        say(problem, err=True)
    print_as(explanation_report(found, most), format)


def explained(
    one: str,
    two: str,
    protocol: str | None,
    data: str | None,
    force: bool,
    leaderboard: bool,
    results: "Path | None",
) -> "tuple[Explanation, list[str]]":
    """Find two rows and compare them; also returns the runs that could not be read, one line each."""
    from merbench.analysis.explain import explain_rows, find_rows, named_rows
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import recorded_name
    from merbench.records.select import Runs, named_as, read_runs

    protocol = recorded_name(protocol)
    folder = results_folder(results)
    known = read_runs(folder, leaderboard, named_as((one, two), protocol))
    try:
        pair = named_rows(known.where(protocol=protocol, data=data), one, two)
        runs = held(Runs({id(run): run for row in pair for run in row.runs}.values()))
        rows = find_rows(runs, one, two)
    except MerbenchError:  # said again about everything that is recorded
        known = read_runs(folder, leaderboard)
        runs = known.where(protocol=protocol, data=data)
        if not runs:
            raise MerbenchError(
                f"no run in {folder} matches; record one: merbench run METHOD --protocol PROTOCOL, or add --leaderboard"
            ) from None
        named_rows(runs, one, two)
        runs = held(runs)
        rows = find_rows(runs, one, two)
    return explain_rows(*rows, force), known.problems + runs.problems
