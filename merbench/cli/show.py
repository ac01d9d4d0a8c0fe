"""``merbench show``: a recorded run, its scores and figures."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.options import Results, Run, results_folder


def show(
    run: Run,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", help="Where figures go (by default figures/RUN in the results folder).", show_default=False
        ),
    ] = None,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Print only.")] = False,
    fold: Annotated[
        str | None,
        typer.Option(help="Whose features are drawn (by default the fold with most clips).", show_default=False),
    ] = None,
    results: Results = None,
) -> None:
    """Show a run: what it is, its scores, confusion, recall of each class and results of each subject, with figures.

    A run that was made with --diagnose also tells what the method sees: action units, features, gates, kept locations.
    """
    from rich.console import Console
    from rich.text import Text

    from merbench.analysis.diagnostics import check_fold, read_diagnostics
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.names import shown
    from merbench.engine.plan.catalogue import given_again
    from merbench.records.select import find_run
    from merbench.report.figures.run import draw_figures
    from merbench.report.views.show import print_diagnostics, print_run

    if figures and no_figures:
        raise MerbenchError("--figures says where figures go and --no-figures that there are none: give one of them")
    found = find_run(results_folder(results), run)
    diagnostics = read_diagnostics(found)
    if fold is not None:
        check_fold(fold, diagnostics, found)
    console = Console(highlight=False)
    print_run(found, console, found.first_record(), found.inner() if found.complete else None)
    protocol, of = given_again(found.file.protocol)
    print_diagnostics(diagnostics, f"merbench run {found.file.method} --protocol {protocol} --diagnose{of}", console)
    if no_figures:
        return
    place = figures or results_folder(results) / "figures" / found.file.run_id
    for path, caption in draw_figures(found, diagnostics, place, fold):
        console.print(Text(f"{shown(str(path))}  {shown(caption)}"), soft_wrap=True)
