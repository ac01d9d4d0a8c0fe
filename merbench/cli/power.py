"""``merbench power``: how large a difference a protocol can show."""

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from merbench.cli.declare import argument, flag, option
from merbench.cli.held import held
from merbench.cli.options import Format, OneProtocol, OnlyData, Results, numbers, one_of, results_folder
from merbench.cli.printing import FORMATS, print_as, say

if TYPE_CHECKING:
    import pandas as pd

    from merbench.analysis.rows import Row
    from merbench.contracts.protocols import ProtocolSpec
    from merbench.records.select import Runs

_MOST_SEEDS = 100


def power(
    protocol: OneProtocol,
    rows: Annotated[
        list[str] | None,
        argument("Two rows, as explain names them (default: the two best that are ranked together).", "[A B]"),
    ] = None,
    data: OnlyData = None,
    seeds: Annotated[str | None, option("--seeds", "Seeds of each recorded row (default: 1,3,5,10).", "N,N")] = None,
    assumed: Annotated[bool, flag("--assumed", "Assume two rows, even where some are recorded.")] = False,
    format: Format = "table",
    results: Results = None,
) -> None:
    """Find the smallest difference in UF1 that the paired test finds in four of five samples of people.

    By simulation from two recorded rows: people and seeds are drawn anew, and wrong clips of one row are corrected.
    """
    from merbench.analysis.power import power_of_counts, power_of_rows
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import protocol as find_protocol
    from merbench.records.select import of, read_runs
    from merbench.report.views.power import power_report

    one_of(format, "--format", FORMATS)
    many = numbers(seeds or "1,3,5,10", "--seeds")
    if not all(1 <= each <= _MOST_SEEDS for each in many):
        raise MerbenchError(f"--seeds {seeds!r}: expected numbers of seeds from 1 to {_MOST_SEEDS}")
    if rows and (len(rows) != 2 or assumed):
        raise MerbenchError(
            "power needs two rows, or none" if not assumed else "--assumed needs no rows: leave them out"
        )
    spec = find_protocol(protocol)
    if spec.task != "classification":
        raise MerbenchError(f"{spec.name} is an AU-detection protocol: merbench power supports classification only")
    known = read_runs(results_folder(results), leaderboard=True, fits=of((), spec.name))
    runs = held(known.where(protocol=spec.name, data=data))
    for problem in known.problems + runs.problems:
        say(problem, err=True)
    pair = None if assumed else _two_rows(runs, rows or [])
    if pair is None and seeds:
        said = "the seeds of assumed rows are not known: leave it out, or record two rows"
        raise MerbenchError(f"--seeds {seeds}: {said}")
    if pair is None:
        print_as(power_report(spec.name, power_of_counts(spec, clips_of(spec))), format)
        return
    print_as(power_report(spec.name, power_of_rows(*pair, many), _lifts(pair, runs)), format)


def _two_rows(runs: "Runs", named: list[str]) -> "tuple[Row, Row] | None":
    """Return the rows that were named, else the two best that are ranked together; None without two."""
    from merbench.analysis.explain import find_rows
    from merbench.analysis.rows import differing, measured_rows
    from merbench.contracts.errors import MerbenchError

    if named:
        one, two = find_rows(runs, *named)
        for row in (one, two):
            if row.status != "complete":
                raise MerbenchError(f"{row.label} lacks folds: power needs whole rows")
        if against := differing(one.runs[0].file, two.runs[0].file, ranking=False):
            raise MerbenchError(f"{one.label} and {two.label} can't be compared: {'; '.join(against)}")
        return one, two
    rows = [row for row in measured_rows(runs)[0] if row.ranked and not row.runs[0].file.synthetic]
    for one, two in pairwise(rows):
        if one.comparable == two.comparable:
            return one, two
    return None


def _lifts(pair: "tuple[Row, Row]", runs: "Runs") -> "dict[str, dict[tuple[int, int], float]]":
    """Return what picking the best test epoch adds, of the rows whose runs kept their epochs."""
    from merbench.analysis.audit_runs import read_audit
    from merbench.analysis.power import lift_by_size
    from merbench.contracts.errors import MerbenchError

    found = {}
    for row in pair:
        file = row.runs[0].file
        try:
            audit = read_audit(runs, file.method, file.protocol, lambda *_: "", file.data, dict(file.key.config))
        except MerbenchError:  # deterministic, or its epochs were not kept
            continue
        found[row.label] = lift_by_size(audit.kept)
    return found


def clips_of(spec: "ProtocolSpec") -> "pd.DataFrame | None":
    """Return the clips of registered data or of the protocol's official list; None where neither is there."""
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.databases import same_people
    from merbench.engine.plan.data import registered_data
    from merbench.engine.plan.folds import protocol_folds
    from merbench.report.write.terminal import terminal
    from merbench.splits.split import listed_split

    if registered_data(spec) is not None:
        with PreparationDisplay(terminal(stderr=True)) as watcher:
            return protocol_folds(spec, "auto", watcher)[0].truth()
    split = listed_split(spec, same_people(()))
    return None if split is None else split.truth()
