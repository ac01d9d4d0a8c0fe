"""``merbench check-method``: run the conformance checks on methods."""

from contextlib import nullcontext
from typing import Annotated

import typer

from merbench.cli.asked import configurations
from merbench.cli.declare import argument, flag, option
from merbench.cli.options import key_values
from merbench.cli.printing import say


def check_method(
    methods: Annotated[list[str], argument("Methods; merbench methods lists them.", "METHOD")],
    config: Annotated[
        list[str] | None, option("--config", "A configuration for all methods, or one; repeatable.", "[METHOD:]NAME")
    ] = None,
    settings: Annotated[list[str] | None, option("--set", "A setting; repeatable.", "[METHOD:]KEY=VALUE")] = None,
    json: Annotated[bool, flag("--json", "Print the findings as JSON.")] = False,
) -> None:
    """Run the conformance checks on methods: leaks, state, randomness, files, and whether the card is correct.

    The checks use synthetic clips on the CPU and need no database; one line per check and task. Exit code 1 if a check
    failed. The output of methods goes to standard error.
    """
    import sys
    from contextlib import redirect_stdout
    from dataclasses import asdict
    from json import dumps

    from merbench.checks.checked import checked_methods
    from merbench.checks.checks import CHECKS
    from merbench.engine.plan.runs import Request
    from merbench.report.write.terminal import terminal

    console = terminal(file=sys.stdout, quiet=json)
    found, width = [], max(len(check.name) for check in CHECKS)
    with redirect_stdout(sys.stderr):  # a method prints while it is imported, too
        request = Request.named(methods, **configurations(config or []), settings=key_values(settings or [], "--set"))
        for each in request.methods:
            for checked in checked_methods(each.method.card.name, each.name if each.named else None, each.settings):
                console.print(str(checked), markup=False, soft_wrap=True, style="bold")
                for check in CHECKS:
                    with console.status(f"{check.name}: {check.holds}") if console.is_terminal else nullcontext():
                        finding = check(checked)
                    line = f"{finding.result:<14}  {finding.check:<{width}}  {finding.evidence}"
                    style = "red" if finding.result == "failed" else ""
                    console.print(line, markup=False, soft_wrap=True, style=style)
                    found.append((checked, finding))
    failed = sum(finding.result == "failed" for _, finding in found)
    console.print(f"{failed or 'none'} of {len(found)} checks failed")
    if json:
        rows = [{"method": c.method.card.name, "config": c.config_name, **asdict(finding)} for c, finding in found]
        say(dumps(rows, indent=2))
    if failed:
        raise typer.Exit(1)
