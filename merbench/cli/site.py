"""``merbench site``: the leaderboard as pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.cards import report_broken
from merbench.cli.declare import flag, option
from merbench.cli.held import held
from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.analysis.rows import Row
    from merbench.contracts.cards import Card
    from merbench.contracts.notes import Note
    from merbench.records.select import Runs
    from merbench.site.content import SiteContent


def site(
    out: Annotated[Path, option("--out", "Folder of the pages: new, or with an earlier site.", "DIR")],
    results: Annotated[
        Path | None, option("--results", "A board of your own: the runs of this results folder.", "DIR")
    ] = None,
    leaderboard: Annotated[
        bool | None,
        flag("--leaderboard/--no-leaderboard", "The committed leaderboard (default: without --results)."),
    ] = None,
) -> None:
    """Write the leaderboard as pages that open from a file or any web server.

    Boards, rows, protocols, methods, the audit, and the published figures with what arithmetic says of them. With
    --results the pages are of your own runs, and marked as such.
    """
    from merbench.contracts.errors import MerbenchError
    from merbench.records.select import Runs, read_leaderboard, read_runs
    from merbench.site.build import write_site

    own = results is not None
    if leaderboard is False and not own:
        raise MerbenchError("--no-leaderboard without --results leaves nothing to show: give --results DIR")
    known = Runs()
    if results is not None:
        folder = results.expanduser().resolve()
        known += read_runs(folder)
        if not known:
            unread = f" ({known.problems[0]})" if known.problems else ""
            raise MerbenchError(f"no runs in {folder / 'runs'}{unread}: record one: merbench run METHOD")
    if leaderboard or not own:
        known += read_leaderboard()
    content, problems = _content(known, own)
    for problem in problems:
        say(problem, err=True)
    sizes = write_site(content, out)
    pages = sum(name.endswith(".html") for name in sizes)
    say(f"{pages} pages, {sum(sizes.values()) / 1e6:.1f} MB: {out / 'index.html'}")
    if problems:
        raise typer.Exit(1)


def _content(known: "Runs", own: bool) -> "tuple[SiteContent, list[str]]":
    """Gather what the pages are built from; also return which runs do not verify, or differ from their protocol."""
    from merbench.databases.registrations import home
    from merbench.engine.plan.catalogue import PROTOCOLS, protocol
    from merbench.engine.plan.declared import declared
    from merbench.records.select import Runs
    from merbench.site.gather import gathered

    runs = held(Runs((run for run in known if run.folds or run.failed or run.problems), known.problems))
    registered, broken = PROTOCOLS.load_all()
    cards, unread = _cards()
    report_broken([*broken, *unread])
    content = gathered(
        runs, cards, registered, protocol, _command, home() / "scores", None if own else declared()
    )  # fmt: skip
    damaged = [f"{run.file.run_id} does not verify: {problem}" for run in runs for problem in run.problems]
    return content, runs.problems + damaged


def _cards() -> "tuple[dict[str, Card], list[Note]]":
    """Return the cards of all methods, without importing the methods; and which can't be read."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, method_card

    found, unread = {}, []
    for name in sorted(METHODS.names()):
        try:
            found[name] = method_card(METHODS.entry(name))
        except MerbenchError as error:
            unread.append(METHODS.problem(name, error))
    return found, unread


def _command(row: "Row") -> str:
    """Return the command that records a row again."""
    from merbench.cli.asked import RunOptions, recording
    from merbench.engine.plan.catalogue import protocol_argument

    file = row.runs[0].file
    protocol, of = protocol_argument(file.protocol)
    if file.imported:
        return f"merbench import LOG --name NAME --protocol {protocol}{of}"
    seeds = [run.file.key.seed for run in row.runs]
    options = RunOptions(methods=[file.method], protocol=[protocol])
    return f"{recording(options)(file, seeds, file.key.selection, False)}{of}"
