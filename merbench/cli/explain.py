"""``merbench explain``: how one row differs from another."""

from typing import Annotated

import typer

from merbench.cli.options import Results, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as

Name = "A method (all seeds of its row), a row's name in the table, or a run's id or the beginning of it."


def explain(
    one: Annotated[str, typer.Argument(help=Name, metavar="A", show_default=False)],
    two: Annotated[str, typer.Argument(help="The same, to compare with A.", metavar="B", show_default=False)],
    protocol: Annotated[
        str | None, typer.Option("--protocol", "-p", help="Only this protocol: a name, or a path ending in .yaml.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Only runs on this data.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare rows that do not rank together on their common clips.")
    ] = False,
    most: Annotated[int, typer.Option(min=0, help="How many subjects and clips are listed; JSON has all.")] = 10,
    format: Annotated[str, typer.Option("--format", "-f", help="table, md, latex, html, csv or json.")] = "table",
    leaderboard: Annotated[
        bool, typer.Option("--leaderboard/--no-leaderboard", help="The committed leaderboard's rows too.")
    ] = False,
    results: Results = None,
) -> None:
    """Compare A with B: differences with intervals and paired tests, and which classes, subjects and clips moved.

    Refused where protocol, clips, labels or folds differ, or folds are missing: --force names the differences.
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
        raise MerbenchError(f"no run in {folder} fits: merbench run METHOD --protocol P, or --leaderboard")
    found = explain_rows(find_row(runs, one), find_row(runs, two), force)
    for problem in known.problems:
        typer.echo(problem, err=True)
    print_as(explanation_report(found, most), format)
