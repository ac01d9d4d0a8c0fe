"""``merbench verify``: look at submitted rows as at hostile input, and run their methods again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.declare import argument, option
from merbench.cli.printing import say
from merbench.contracts.errors import MerbenchError

if TYPE_CHECKING:
    from merbench.submissions.verify import Verdict


def verify(
    folders: Annotated[list[Path], argument("Folders that merbench submit wrote: of runs, or above them.", "FOLDER")],
    by: Annotated[
        str | None, option("--by", "Keep what is found beside each record, as found by this person.", "NAME")
    ] = None,
    rerun: Annotated[
        str | None,
        option(
            "--rerun", "Run the method again, isolated, for K drawn folds, or more to 60 clips; all: verified.", "K|all"
        ),
    ] = None,
) -> None:
    """Look at submitted rows: bounds, digests, labels, folds, scores, seeds; a line a check.

    Nothing of a submission is imported or unpickled without --rerun, and then only in processes that hold no label of a
    test clip. Exit code 1 if a check failed.
    """
    from merbench.contracts.names import shown
    from merbench.records.select import read_leaderboard
    from merbench.records.states import write_verification
    from merbench.report.write.terminal import terminal
    from merbench.submissions.verify import submitted_runs, taken

    if rerun is not None and rerun != "all" and not (rerun.isdecimal() and 0 < int(rerun) <= 10_000):
        raise MerbenchError(f"--rerun {rerun!r}: expected all, or a number of folds from 1")
    count = None if rerun in (None, "all") else int(rerun)
    console = terminal(stderr=True)
    with taken(submitted_runs(folders), read_leaderboard()) as verdicts:
        for verdict in verdicts:
            if rerun is not None and not verdict.failed:
                with console.status(f"running {verdict.folder.name} again"):
                    verdict.run_method_again(count)
            _print(verdict)
            if by is not None and (kept := verdict.verification(shown(by))) is not None:
                say(f"written: {shown(str(write_verification(verdict.folder, kept)))}")
    if any(verdict.failed for verdict in verdicts):
        raise typer.Exit(1)


def _print(verdict: "Verdict") -> None:
    from merbench.contracts.names import shown

    say(shown(str(verdict.folder)))
    width = max(len(line.check) for line in verdict.lines)
    for line in verdict.lines:
        say(f"  {line.result:<8} {line.check:<{width}}  {shown(line.evidence)}".rstrip())
    found = verdict.verification("-")
    say(f"  state: {found.text if found is not None else verdict.state}")
