"""``merbench explain``: how one row differs from another."""

from typing import Annotated

import typer

from merbench.cli.options import Format, Leaderboard, OnlyData, Protocol, Results, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as

Name = "A method (all seeds of its row), a row's name in the table, or a run's id or its first letters."


def explain(
    one: Annotated[str, typer.Argument(help=Name, metavar="A", show_default=False)],
    two: Annotated[str, typer.Argument(help="The same, to compare with A.", metavar="B", show_default=False)],
    protocol: Protocol = None,
    data: OnlyData = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Compare over common clips rows that do not rank together or are incomplete.", metavar=""
        ),
    ] = False,
    most: Annotated[
        int, typer.Option(min=0, help="Subjects and clips that are listed; JSON has all.", metavar="N")
    ] = 10,
    format: Format = "table",
    leaderboard: Leaderboard = False,
    results: Results = None,
) -> None:
    """Compare A with B: differences with intervals and paired tests; classes, subjects and clips that changed.

    Refused where protocol, clips, labels or folds differ, or folds are missing; --force compares and notes these.
    """
    from merbench.analysis.explain import explain_rows, find_row
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import recorded_name
    from merbench.records.select import read_runs
    from merbench.report.views.explain import explanation_report

    one_of(format, "--format", FORMATS)
    protocol = recorded_name(protocol)
    folder = results_folder(results)
    known = read_runs(folder, leaderboard)
    runs = known.where(protocol=protocol, data=data)
    if not runs:
        raise MerbenchError(f"no run in {folder} fits: merbench run METHOD --protocol PROTOCOL, or --leaderboard")
    found = explain_rows(find_row(runs, one), find_row(runs, two), force)
    for problem in known.problems:
        typer.echo(problem, err=True)
    print_as(explanation_report(found, most), format)
