"""``merbench compare``: the table that goes into the paper."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merbench.cli.declare import argument, flag, option
from merbench.cli.held import held
from merbench.cli.options import Format, Leaderboard, OnlyData, Protocol, Results, Sanity, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as, say

if TYPE_CHECKING:
    from merbench.analysis.rows import Row
    from merbench.records.read import RecordedRun
    from merbench.records.select import Runs
    from merbench.report.table import Report


def compare(
    methods: Annotated[list[str] | None, argument("Only these methods (default: all recorded ones).", "METHOD")] = None,
    protocol: Protocol = None,
    data: OnlyData = None,
    format: Format = "table",
    published: Annotated[
        bool | None, flag("--published/--no-published", "Add published figures (default: in table, md and html).")
    ] = None,
    leaderboard: Leaderboard = False,
    sanity: Sanity = False,
    older: Annotated[bool, flag("--older", "Add rows of earlier code or data.")] = False,
    columns: Annotated[
        list[str] | None, option("--column", 'Only this column, or all of a part; repeatable: "Full UF1".', "HEAD")
    ] = None,
    rows: Annotated[list[str] | None, option("--row", "Only this row, in this order; repeatable.", "NAME")] = None,
    order: Annotated[str, option("--order", "Order rows by a column, highest first, or by name.", "HEAD|name")] = "",
    percent: Annotated[bool, flag("--percent", "Write figures in percent.")] = False,
    digits: Annotated[
        int | None, option("--digits", "Decimals of figures (default: 4, in percent 2).", "N", min=0, max=6)
    ] = None,
    resized: Annotated[bool, flag("--resizebox", "LaTeX: make tables as wide as the page.")] = False,
    bib: Annotated[
        Path | None, option("--bib", "Write the BibTeX of the rows shown, and cite it in LaTeX.", "FILE")
    ] = None,
    figure: Annotated[
        Path | None, option("--figure", "Draw UF1 and its intervals to a .pdf, .png or .svg file.", "FILE")
    ] = None,
    results: Results = None,
) -> None:
    """Print the table: UF1 and UAR of each method on all clips and on each database, and published figures.

    Runs are compared with the official list of their protocol, or the data of this machine; exit code 1 if one differs.
    """
    from merbench.contracts.errors import MerbenchError
    from merbench.contracts.notes import Note
    from merbench.report.shape import shaped
    from merbench.report.views.compare import runs_hint

    one_of(format, "--format", FORMATS)
    if resized and format != "latex":
        raise MerbenchError("--resizebox is for --format latex")
    added = published if published is not None else format in ("table", "md", "html")
    found, report, differing = compared(
        methods or [], protocol, data, added, leaderboard, sanity, older, results, may_be_empty=format == "json"
    )
    if format == "json":
        report = replace(report, data=[_with_family(record) for record in report.records or ()])
    report = shaped(report, columns or [], rows or [], order, percent, digits, resized)
    report = _with_bibliography(report, found, bib) if bib else report
    if figure:
        from merbench.report.figures.intervals import write_intervals

        write_intervals(report, figure)
    if format == "table" and not found:
        say(f"no run in {results_folder(results)} matches; published figures only")
    hint = runs_hint(found) if format == "table" else []
    print_as(replace(report, notes=[*(Note("note", line) for line in hint), *report.notes]), format)
    if differing:
        raise typer.Exit(1)


def _with_family(record: dict[str, Any]) -> dict[str, Any]:
    """Add the family of its method to a measured row, where a card says it: net, classical, floor or sanity."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, method_card

    if record["origin"] == "published":
        return record
    try:
        return record | {"family": method_card(METHODS.entry(record["method"])).kind}
    except MerbenchError:  # it is imported, or its card can't be read
        return record


def _with_bibliography(report: "Report", found: "list[Row]", path: Path) -> "Report":
    """Write the BibTeX of the measured rows of a report and of their protocols to a file; the rows then cite it."""
    from merbench.contracts.citations import entries
    from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
    from merbench.records.files import write_whole
    from merbench.report.shape import row_names, with_citations

    shown, keys, texts = set(row_names(report)), dict[str, str](), dict[str, str]()
    for row in found:
        file = row.runs[0].file
        if row.label not in shown:
            continue
        paper = METHODS.get(file.method).card.paper if file.method in METHODS.names() else None
        own = entries(paper.bibtex) if paper else {}
        source = PROTOCOLS.get(file.protocol).source.bibtex if file.protocol in PROTOCOLS.names() else None
        texts |= own | entries(source or "")
        keys |= {row.label: ",".join(own)} if own else {}
    write_whole(path, "\n".join(texts[key] for key in sorted(texts)).encode())
    return with_citations(report, keys)


def compared(
    methods: list[str],
    protocol: str | None,
    data: str | None,
    published: bool,
    leaderboard: bool,
    sanity: bool,
    older: bool,
    results: Path | None,
    may_be_empty: bool,
) -> "tuple[list[Row], Report, list[str]]":
    """Score the runs that match, and build the comparison; MerbenchError if it has no row, unless it `may_be_empty`.

    Also returns how runs differ from their protocol, which are not in the comparison.
    """
    from merbench.analysis.rows import measured_rows
    from merbench.cli.sanity import missing_sanity
    from merbench.contracts.errors import MerbenchError, listed
    from merbench.databases.registrations import home
    from merbench.engine.plan.catalogue import recorded_name
    from merbench.engine.plan.declared import declared
    from merbench.records.select import of, read_runs
    from merbench.report.views.compare import comparison

    protocol = recorded_name(protocol)
    folder = results_folder(results)
    runs = read_runs(folder, leaderboard, of(() if sanity else methods, protocol))  # any method may be a sanity row
    fitting = held(_fitting(runs, methods, protocol, data, sanity))
    rows, notes = measured_rows(fitting, older, home() / "scores", declared() if leaderboard else None)
    notes += missing_sanity(rows, results) if sanity else []
    figures: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    if published:
        figures, titles = _published([protocol] if protocol else sorted({run.file.protocol for run in fitting}), rows)
    if fitting.problems and not rows:
        raise MerbenchError(f"nothing to compare: {'; '.join(fitting.problems)}")
    if not rows and not figures and not may_be_empty:
        count = len(runs) + len(runs.unopened)
        found = f"none of the {count} runs in {folder} matches" if count else f"no runs in {folder}"
        unread = f" ({listed(runs.problems, most=3)})" if runs.problems else ""
        raise MerbenchError(f"{found}{unread}: nothing to compare; record one: merbench run METHOD --protocol PROTOCOL")
    report = comparison(rows, figures, runs.problems + fitting.problems + notes, titles)
    return rows, report, fitting.problems


def _fitting(runs: "Runs", methods: list[str], protocol: str | None, data: str | None, sanity: bool) -> "Runs":
    """Choose runs; a name that neither a run nor the registry has is refused.

    Sanity rows are chosen if they are asked for: all of them, or with methods named those that see no motion, the floor
    of the task, and the named methods on shuffled labels. A method that is named is chosen, whatever it is.
    """
    from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
    from merbench.engine.plan.sanity import FLOORS
    from merbench.records.select import Runs, of

    for name in methods:
        if not runs.where(method=name) and not any(map(of([name]), runs.unopened)):
            METHODS.entry(name)
    if protocol is not None and not runs.where(protocol=protocol) and not any(map(of((), protocol), runs.unopened)):
        PROTOCOLS.entry(protocol)

    def chosen(run: "RecordedRun") -> bool:
        file, named = run.file, run.file.method in methods
        if file.key.shuffled:
            return sanity and (named or not methods)
        beneath = file.sanity or (bool(methods) and file.method in FLOORS.values())
        return named or (sanity if beneath else not methods)

    fitting = Runs(run for run in runs.where(protocol=protocol, data=data) if chosen(run))
    return Runs(run for run in fitting if run.folds or run.failed or run.problems)  # not refused at once


def _published(names: list[str], rows: "list[Row]") -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return published figures and their parts' titles, where the rows mean the registered protocol by its name."""
    from merbench.analysis.claims.published import published_rows
    from merbench.engine.plan.catalogue import PROTOCOLS

    figures: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    for name in set(names) & set(PROTOCOLS.names()):
        spec = PROTOCOLS.get(name)
        files = [row.runs[0].file for row in rows]
        if all(file.key.spec_digest == spec.spec_digest() for file in files if file.protocol == name):
            figures += published_rows(name, spec.task)
            titles |= spec.parts
    return figures, titles
