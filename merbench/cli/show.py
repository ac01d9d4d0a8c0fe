"""``merbench show``: a recorded run, its scores and figures."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.asked import RunOptions
from merbench.cli.declare import flag, option
from merbench.cli.held import held
from merbench.cli.options import Results, Run, results_folder
from merbench.cli.printing import print_as, say


def show(
    run: Run,
    figures: Annotated[
        Path | None, option("--figures", "Folder of the figures (default: figures/RUN in the results folder).", "DIR")
    ] = None,
    no_figures: Annotated[bool, flag("--no-figures", "Print only.")] = False,
    fold: Annotated[str | None, option("--fold", "The fold whose features to draw (default: largest).", "FOLD")] = (
        None
    ),
    results: Results = None,
) -> None:
    """Show a run: settings, scores, confusion, recall per class, results per subject, and figures.

    Instead of a run's id, the digest of its key will do, or the first characters of either. An id or a digest that is
    not in the results folder is looked for on the committed leaderboard.

    For a run with --diagnose, also show the method's diagnostics: action units, features, gates, token maps.
    """
    from merbench.analysis.diagnostics import check_fold, read_diagnostics
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.names import shown
    from merbench.engine.plan.catalogue import protocol_argument
    from merbench.records.select import Runs, find_run
    from merbench.report.figures.run import draw_figures
    from merbench.report.views.show import run_report

    if figures and no_figures:
        raise MerbenchError("--figures and --no-figures exclude each other: give one of them")
    found = find_run(results_folder(results), run, leaderboard=True)
    problems = held(Runs([found])).problems
    for problem in problems:
        say(problem, err=True)
    diagnostics = read_diagnostics(found)
    if fold is not None:
        check_fold(fold, diagnostics, found)
    protocol, of = protocol_argument(found.file.protocol)
    again = RunOptions(methods=[found.file.method], protocol=[protocol], diagnose=True).command()
    inner = found.inner() if found.complete else None
    again = "" if found.file.imported else f"{again}{of}"
    print_as(run_report(found, diagnostics, again, found.first_record(), inner), "table")
    place = figures or results_folder(results) / "figures" / found.file.run_id
    for path, caption in () if no_figures else draw_figures(found, diagnostics, place, fold):
        say(f"{shown(str(path))}  {shown(caption)}")
    if problems:
        raise typer.Exit(1)
