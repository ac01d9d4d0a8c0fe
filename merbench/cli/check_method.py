"""``merbench check-method``: hold methods to what every method must bear."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from merbench.checks.tripwires import Check, Finding, Trial


def check_method(
    methods: Annotated[list[str], typer.Argument(help="Methods, see merbench methods.", metavar="METHOD")],
    config: Annotated[
        list[str] | None, typer.Option(help="A configuration on the methods' cards, or METHOD:NAME for one method's.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, or METHOD:key=value; may be repeated.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="A list of findings, as JSON.")] = False,
) -> None:
    """Try methods on made-up clips, on the CPU: leaks, state, randomness, files, and whether the card is true.

    One line a check, under each task of the card. Needs no data. Exit code 1 if a check failed. What methods print
    goes to standard error.
    """
    import sys
    from contextlib import redirect_stdout
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from merbench.checks.tripwires import CHECKS, trials
    from merbench.cli.planning import request_of

    console = Console(file=sys.stdout, highlight=False, quiet=json)
    width = max(len(check.name) for check in CHECKS)
    found = []
    with redirect_stdout(sys.stderr):  # a method prints while it is imported, too
        request = request_of(methods, config or [], settings or [], "0")
        request.check()
        for name in dict.fromkeys(methods):
            for trial in trials(name, request.configs.get(name, request.config), request.settings_of(name)):
                console.print(str(trial), markup=False, soft_wrap=True, style="bold")
                found += [(trial, _looked(console, trial, check, width)) for check in CHECKS]
    failed = sum(finding.result == "failed" for _, finding in found)
    console.print(f"{failed} of {len(found)} checks failed" if failed else f"none of {len(found)} checks failed")
    if json:
        told = [{"method": t.method.card.name, "config": t.config_name, **asdict(finding)} for t, finding in found]
        typer.echo(dumps(told, indent=2))
    if failed:
        raise typer.Exit(1)


def _looked(console: "Console", trial: "Trial", check: "Check", width: int) -> "Finding":
    """Make a check and print its line; `width` is that of the longest name."""
    with console.status(f"{check.name}: {check.holds}") if console.is_terminal else nullcontext():
        found = check(trial)
    line = f"{found.result:<14}  {found.check:<{width}}  {found.evidence}"
    console.print(line, markup=False, soft_wrap=True, style="red" if found.result == "failed" else "")
    return found
