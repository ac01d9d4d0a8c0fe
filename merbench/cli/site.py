"""``merbench site``: the leaderboard as pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merbench.cli.cards import report_broken
from merbench.cli.declare import flag, option
from merbench.cli.held import held
from merbench.cli.printing import say

if TYPE_CHECKING:
    from merbench.analysis.audit import Audit
    from merbench.analysis.rows import Row
    from merbench.contracts.notes import Note
    from merbench.contracts.protocols import ProtocolSpec
    from merbench.records.select import Runs
    from merbench.site.content import MethodFacts, SiteContent


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
    from merbench.analysis.claims.published import published_rows
    from merbench.analysis.rows import measured_rows
    from merbench.databases.registrations import home
    from merbench.engine.plan.catalogue import PROTOCOLS
    from merbench.engine.plan.declared import declared
    from merbench.records.select import Runs
    from merbench.site.content import SiteContent

    runs = held(Runs((run for run in known if run.folds or run.failed or run.problems), known.problems))
    rows, notes = measured_rows(runs, cache=home() / "scores", declared=None if own else declared())
    registered, broken = PROTOCOLS.load_all()
    methods, unread = _methods()
    report_broken([*broken, *unread])
    protocols = registered | _recorded_protocols(rows)
    named = {row.runs[0].file.protocol for row in rows} if own else set(protocols)
    published = {
        name: found for name in sorted(named & set(protocols)) if (found := published_rows(name, protocols[name].task))
    }
    costs, power = map(_shipped, ("costs.json", "power.json"))
    content = SiteContent(
        rows, dict(sorted(protocols.items())), methods, _command, [*runs.problems, *notes], published, costs, power,
        _audits(runs, rows), own,
    )  # fmt: skip
    damaged = [f"{run.file.run_id} does not verify: {problem}" for run in runs for problem in run.problems]
    return content, runs.problems + damaged


def _shipped(name: str) -> "dict[str, Any]":
    """Read a file of figures that merbench ships in ``results/``."""
    import json
    from importlib.resources import files

    found: dict[str, Any] = json.loads((files("merbench.results") / name).read_text(encoding="utf-8"))
    return found


def _recorded_protocols(rows: "list[Row]") -> "dict[str, ProtocolSpec]":
    """Return the protocols of rows that a pattern makes, such as crossed databases, if they mean the same."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import protocol

    found = {}
    for file in {row.runs[0].file.protocol: row.runs[0].file for row in rows}.values():
        try:
            spec = protocol(file.protocol)
        except MerbenchError:  # its pattern names data that is not here; the row has no page of its protocol
            continue
        if spec.spec_digest() == file.key.spec_digest:
            found[file.protocol] = spec
    return found


def _methods() -> "tuple[dict[str, MethodFacts], list[Note]]":
    """Return the cards of all methods and their families, without importing the methods; and which can't be read."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, method_card, method_folder
    from merbench.engine.plan.sanity import FLOORS
    from merbench.site.content import MethodFacts

    found, unread = {}, []
    for name in sorted(METHODS.names()):
        try:
            card, folder = method_card(METHODS.entry(name)), method_folder(METHODS.entry(name))[0]
        except MerbenchError as error:
            unread.append(METHODS.problem(name, error))
            continue
        net = any("import torch" in text or "from torch" in text or "torch_method" in text for text in _sources(folder))
        kind = "sanity" if card.sanity else "floor" if name in FLOORS.values() else "net" if net else "classical"
        found[name] = MethodFacts(card, kind)
    return found, unread


def _sources(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.py"))]


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


def _audits(runs: "Runs", rows: "list[Row]") -> "list[Audit]":
    """Read the audits of the rows whose runs kept their epochs."""
    from merbench.analysis.audit_runs import read_audit
    from merbench.contracts.errors import MerbenchError

    found: dict[Any, Audit] = {}
    for row in rows:
        file = row.runs[0].file
        if file.task != "classification" or row.sanity or file.key.selection != "last":
            continue
        try:
            audit = read_audit(runs, file.method, file.protocol, lambda *_: "", file.data, dict(file.key.config))
        except MerbenchError:  # its epochs were not kept
            continue
        found.setdefault(tuple(run.file.run_id for run in audit.row.runs), audit)
    return list(found.values())
