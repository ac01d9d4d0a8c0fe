"""``merbench audit``: the scores under other rules of epoch selection, from predictions after every epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from merbench.cli.asked import RunOptions, recording
from merbench.cli.declare import argument, flag, option
from merbench.cli.held import held
from merbench.cli.options import Format, OneProtocol, OnlyData, Results, key_values, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as, say

if TYPE_CHECKING:
    from merbench.analysis.audit import Audit
    from merbench.records.select import Runs


def audit(
    method: Annotated[
        str, argument("A method that was run with --keep-epochs, or a log with a column epoch.", "METHOD")
    ],
    protocol: OneProtocol,
    data: OnlyData = None,
    config: Annotated[str | None, option("--config", "Only this configuration of the card.", "NAME")] = None,
    settings: Annotated[
        list[str] | None, option("--set", "Only runs with this setting; repeatable.", "KEY=VALUE")
    ] = None,
    format: Format = "table",
    json: Annotated[bool, flag("--json", "As --format json, which also has the epoch selected in every fold.")] = False,
    out: Annotated[
        Path | None, option("--out", "Folder for audit.json, .csv, .md, and .png (UF1 over epochs).", "DIR")
    ] = None,
    shipped: Annotated[bool, flag("--leaderboard", "Read the committed leaderboard only.")] = False,
    results: Results = None,
) -> None:
    """Compare the last epoch with inner selection, and with epochs that are selected on test labels.

    Nothing is trained: it reads runs recorded with --keep-epochs, else rows of the leaderboard; or a prediction log.
    """
    from merbench.analysis.audit_runs import read_audit
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.engine.plan.data import check_data
    from merbench.records.select import of, read_leaderboard, read_runs

    one_of(format, "--format", FORMATS)
    folder = results_folder(results)
    fits = of([method])
    known = read_leaderboard(fits) if shipped else read_runs(folder, True, fits)
    if not known.where(method=method) and method not in METHODS.names() and Path(method).exists():
        if config or settings:
            raise MerbenchError(f"{method} is a log: --config and --set choose among recorded runs")
        with _imported(method, protocol, folder, data or "auto") as (known, name):
            found = read_audit(known, Path(method).name, name, lambda *_: "")
            _print(found, format, json, out)
        return
    name = _recorded_name(method, protocol, known)
    problems = known.problems
    known = held(known.where(method=method, protocol=name))
    asked = key_values(settings or [], "--set")
    chosen = METHODS.get(method).resolve(config, asked).model_dump(mode="json") if config or asked else None
    if chosen and not config:  # any configuration: on synthetic-small a quick one may run
        chosen = {name: chosen[name] for name in asked}
    options = RunOptions(methods=[method], protocol=[protocol], data=data or "auto", results=results)
    options = replace(options, config=[config] if config else [], settings=settings or [])
    readable = name != protocol or name in PROTOCOLS.names()  # else the protocol's file is not known
    if data and readable and not (Path(data).is_dir() or known.where(method=method, protocol=name, data=data)):
        check_data(data, [find_protocol(protocol)])
    found = read_audit(known, method, name, recording(options), data, chosen)
    for problem in problems + known.problems:
        say(problem, err=True)
    _print(found, format, json, out)


def _print(found: "Audit", format: str, json: bool, out: Path | None) -> None:
    from merbench.report.figures.audit import write_audit
    from merbench.report.views.audit import audit_report

    print_as(audit_report(found), "json" if json else format)
    for path in write_audit(found, out) if out else ():
        say(f"wrote {path}", err=json or format != "table")


@contextmanager
def _imported(log: str, protocol: str, results: Path, data: str) -> "Iterator[tuple[Runs, str]]":
    """Import a log into a folder of its own, which lasts as long as the audit; yield its run and protocol."""
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.logs import import_log, open_log
    from merbench.records.select import read_runs

    opened = open_log(log, protocol, results, data)
    if opened.log.epochs is None:
        raise MerbenchError(
            f"{log} has one prediction per clip: an audit needs those after every epoch, in a column epoch"
        )
    with TemporaryDirectory() as place:
        import_log(opened, Path(log).name, 0, "", Path(place))
        yield held(read_runs(Path(place))), opened.spec.name


def _recorded_name(method: str, protocol: str, known: "Runs") -> str:
    """Return the name under which runs of a protocol are recorded; refuse what is neither recorded nor registered."""
    from merbench.analysis.audit_runs import not_of_classes
    from merbench.engine.plan.catalogue import METHODS
    from merbench.engine.plan.catalogue import protocol as find_protocol

    if method not in {run.file.method for run in known}:
        METHODS.entry(method)
    if protocol in {run.file.protocol for run in known}:
        return protocol
    spec = find_protocol(protocol)
    if spec.task != "classification":
        raise not_of_classes(spec.name)
    return spec.name
