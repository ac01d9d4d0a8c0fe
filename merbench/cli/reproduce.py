"""``merbench reproduce``: make committed rows again."""

from pathlib import Path
from typing import Annotated

import typer

from merbench.cli.declare import argument, flag, option
from merbench.cli.options import Format, one_of
from merbench.cli.printing import FORMATS, print_as


def reproduce(
    rows: Annotated[list[str] | None, argument("Run ids, their beginnings, or methods (default: all).", "ROW")] = None,
    plan: Annotated[bool, flag("--plan", "Print what each run costs; run nothing.")] = False,
    folds: Annotated[int | None, option("--folds", "At most so many drawn folds of each run.", "N", min=1)] = None,
    seconds: Annotated[
        float | None, option("--seconds", "As many drawn folds of each run as fit, at least one.", "S", min=0.001)
    ] = None,
    isolated: Annotated[
        bool, flag("--isolated", "Run each fold in a process without labels, data or network.")
    ] = False,
    new: Annotated[bool, flag("--new", "Only rows without a line in --out, or in the file of merbench.")] = False,
    out: Annotated[
        Path | None, option("--out", "Keep the lines in this CSV file, beside those of others.", "FILE")
    ] = None,
    format: Format = "table",
) -> None:
    """Make rows of the committed leaderboard again from code and data; say which agree, and in how many clips not.

    Bitwise: all committed decimals are equal. The line of a row that could not be made again stays as it is in --out.
    Exit code 1 if a row differs or could not be made again.
    """
    import sys

    from merbench.contracts.errors import MerbenchError
    from merbench.engine.environment import git_commit
    from merbench.records.select import read_leaderboard
    from merbench.records.states import read_reproduced, reproduced
    from merbench.report.views.reproduced import costs, outcomes
    from merbench.report.write.terminal import terminal
    from merbench.submissions.reproduce import chosen, keep, made_again, remarks

    one_of(format, "--format", FORMATS)
    board = read_leaderboard()
    known = reproduced() if out is None else read_reproduced(out)
    todo = chosen(board, rows or [], folds, seconds, known if new else None)
    if plan:
        print_as(costs([each.cost for each in todo]), format)
        return
    if out is not None and (git_commit() or "").endswith("-dirty"):
        raise MerbenchError("--out names the commit, and the code differs from it: commit the changes first")
    console = terminal(file=sys.stderr)
    lines, prepared = [], {}  # type: ignore[var-annotated]
    for each in todo:
        with console.status(f"{each.run.file.run_id}: {len(each.folds)} folds, {each.seconds:.0f} s"):
            lines.append(made_again(each, list(board.where(group=each.run.group)), prepared, isolated))
        if out is not None:
            keep(lines[-1], out)
        if format == "table":
            line = lines[-1]
            console.print(f"{line['run_id']}: {line['outcome']}, {line['folds']} of {line['of']} folds", markup=False)
    notes = remarks(lines, board, read_reproduced(out)) if out is not None else []
    print_as(outcomes(lines, notes), format)
    if any(line["outcome"] not in ("bitwise", "within tolerance") for line in lines):
        raise typer.Exit(1)
