"""``merbench check-claim``: whether printed figures can come from one confusion matrix."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merbench.cli.declare import flag, option, protocol_option
from merbench.cli.options import Format, one_of
from merbench.cli.printing import FORMATS, print_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from merbench.analysis.claims.claim import Claim
    from merbench.analysis.claims.slips import Slip
    from merbench.contracts.protocols import ProtocolSpec

    _Given = dict[str, str | None]
    _Asked = list[tuple[Claim, ProtocolSpec | None]]

#: Columns of a table of claims; others are passed over.
_COLUMNS = ("protocol", "part", "counts", "uf1", "uar", "acc")
_MOST_ROWS = 5000


def check_claim(
    protocol: Annotated[
        str | None, protocol_option("The protocol whose class counts hold: a name, or a path ending in .yaml.")
    ] = None,
    part: Annotated[str, option("--part", "A part of the protocol, such as one database.", "PART")] = "full",
    counts: Annotated[str | None, option("--counts", "Clips of each class, instead of a protocol.", "N,N,…")] = None,
    uf1: Annotated[str | None, option("--uf1", "UF1 as printed, with all its digits.", "X")] = None,
    uar: Annotated[str | None, option("--uar", "UAR as printed.", "X")] = None,
    acc: Annotated[str | None, option("--acc", "Accuracy as printed.", "X")] = None,
    table: Annotated[
        Path | None,
        option("--table", "A CSV of claims: method, protocol, part or counts, uf1, uar, acc.", "CSV"),
    ] = None,
    matrix: Annotated[
        str | None,
        option("--matrix", "Check shares of each class instead, rows true: 97.1,1.5,1.4/…, or a file.", "ROWS"),
    ] = None,
    percent: Annotated[bool, flag("--percent", "The figures are in percent.")] = False,
    slips: Annotated[bool, flag("--slips/--no-slips", "Try named slips on impossible claims.")] = True,
    format: Format = "table",
) -> None:
    """Say whether a confusion matrix with these class counts gives these figures, at the digits printed.

    Possible does not confirm a figure: the power of the check says how many neighbouring figures are possible too.
    Exit code 1 if a claim is impossible.
    """
    from merbench.analysis.claims.claim import check_claim as check
    from merbench.contracts.errors import MerbenchError
    from merbench.report.views.claim import claims_report

    one_of(format, "--format", FORMATS)
    given = {"protocol": protocol, "part": part, "counts": counts, "uf1": uf1, "uar": uar, "acc": acc}
    if matrix is not None:
        if table:
            raise MerbenchError("--matrix and --table are two checks: give one of them")
        if not _shares(matrix, given, percent, format):
            raise typer.Exit(1)
        return
    asked = _from_table(table, given, percent) if table else [_claim(given, percent)]
    found = []
    for claim, spec in asked:
        answer = check(claim)
        found.append((answer, _slips(claim, spec, answer.refused, asked) if slips and answer.refused else []))
    twice = _twice([claim for claim, _ in asked]) if table else []
    print_as(claims_report(found, _apart(asked), twice), format)
    if any(answer.verdict == "impossible" for answer, _ in found):
        raise typer.Exit(1)


def _slips(claim: "Claim", spec: "ProtocolSpec | None", readings: "Sequence[str]", asked: "_Asked") -> "list[Slip]":
    """Try the slips on a claim, with what its protocol and the claims beside it add."""
    from merbench.analysis.claims.counts import counts_of_parts, counts_of_variants, fold_counts
    from merbench.analysis.claims.slips import try_slips
    from merbench.engine.plan.catalogue import PROTOCOLS

    if spec is None:
        return try_slips(claim, {}, readings)
    variants = counts_of_variants(spec, claim.part, map(PROTOCOLS.get, PROTOCOLS.names()))
    same = [other for other, _ in asked if (other.protocol, other.method) == (claim.protocol, claim.method)]
    beside = [other for other in same if other.part != "full"] if claim.part == "full" else []
    folds = fold_counts(spec, claim.part)
    return try_slips(claim, counts_of_parts(spec), readings, variants=variants, beside=beside, folds=folds)


def _shares(matrix: str, given: "_Given", percent: bool, format: str) -> bool:
    """Check a matrix of shares, print what follows, and return whether the clips and figures asked about fit."""
    from merbench.analysis.claims.claim import FIGURES, read_figure
    from merbench.analysis.claims.percent_matrices import check_shares, figures_of_shares, read_shares
    from merbench.contracts.errors import MerbenchError
    from merbench.report.views.claim import shares_report

    rows = read_shares(matrix if "," in matrix else _content(Path(matrix)))  # a file's name has no comma
    known = _counts(given)[0] if given["protocol"] or given["counts"] else None
    if known is not None and len(known) != len(rows):
        raise MerbenchError(f"--matrix has {len(rows)} classes, expected {len(known)}: {', '.join(known)}")
    names = list(known or [f"class {number}" for number in range(1, len(rows) + 1)])
    counts = None if known is None else list(known.values())
    printed = {key: read_figure(key, text, percent) for key in FIGURES if (text := given[key]) is not None}
    if printed and counts is None:
        raise MerbenchError("figures of a matrix of shares need class counts: give --protocol, or --counts")
    found = check_shares(rows, names, counts)
    figures = figures_of_shares(rows, counts) if counts else {}
    print_as(shares_report(found, figures, printed), format)
    return all(row.fits for row in found) and all(
        low - 0.5 * 10**-digits <= float(value) <= high + 0.5 * 10**-digits
        for (value, digits), (low, high) in ((printed[name], figures[name]) for name in printed if figures)
    )


def _content(path: Path) -> str:
    from merbench.contracts.errors import DataError

    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from error


def _claim(given: "_Given", percent: bool, method: str = "") -> "tuple[Claim, ProtocolSpec | None]":
    """Read a claim and the protocol that it is under, if any."""
    from merbench.analysis.claims.claim import FIGURES, Claim, read_figure
    from merbench.contracts.errors import MerbenchError

    printed = {key: read_figure(key, text, percent) for key in FIGURES if (text := given[key]) is not None}
    if not printed:
        raise MerbenchError("a claim needs a figure: --uf1, --uar or --acc")
    counts, spec, part = _counts(given)
    return Claim(counts, printed, method, spec.name if spec else "", part), spec


def _counts(given: "_Given") -> "tuple[dict[str, int], ProtocolSpec | None, str]":
    """Return the clips of each class, the protocol and its part, if a protocol is given."""
    from merbench.analysis.claims.counts import find_part, protocol_counts, read_counts
    from merbench.contracts.errors import MerbenchError
    from merbench.engine.plan.catalogue import protocol as find_protocol

    counts = None if given["counts"] is None else read_counts(given["counts"])
    if given["protocol"] is None:
        if counts is None:
            raise MerbenchError("a claim needs class counts: give --protocol (and --part), or --counts like 70,51,43")
        return counts, None, ""
    spec = find_protocol(given["protocol"])
    part = find_part(spec, given["part"] or "full")
    if counts is None:
        return protocol_counts(spec, part), spec, part
    if len(counts) != len(spec.classes):
        raise MerbenchError(f"--counts has {len(counts)} classes, protocol {spec.name} has {len(spec.classes)}")
    fixed = protocol_counts(spec, part) if spec.official_list else counts
    if tuple(fixed.values()) != tuple(counts.values()):
        known = ",".join(map(str, fixed.values()))
        raise MerbenchError(
            f"--counts {given['counts']} differs from part {part} of {spec.name}, which has {known}: "
            "leave out one of --counts and --protocol"
        )
    return dict(zip(spec.classes, counts.values(), strict=True)), spec, part


def _apart(asked: "_Asked") -> list[str]:
    """Name the methods whose parts do not agree with their figures of all clips."""
    from merbench.analysis.claims.restrictions import one_set_of_predictions

    groups: dict[tuple[str, str], dict[str, Claim]] = {}
    twice = set()  # rows of several sources, which need not be of one set of predictions
    for claim, _ in asked:
        if claim.part and "uar" in claim.printed:
            key = (claim.protocol, claim.method)
            if claim.part in groups.setdefault(key, {}):
                twice.add(key)
            groups[key][claim.part] = claim
    found = []
    for (protocol, method), claims in groups.items():
        if (protocol, method) in twice:
            continue
        full = claims.pop("full", None)
        same_clips = full and sum(full.sizes) == sum(sum(claim.sizes) for claim in claims.values())
        if full and claims and same_clips and one_set_of_predictions(full, list(claims.values())) is False:
            found.append(f"{method} under {protocol}")
    return found


def _twice(claims: "Sequence[Claim]") -> list[str]:
    """Name each two claims that print the same figures."""
    from merbench.analysis.claims.restrictions import printed_twice

    found = printed_twice(claims)
    return [f"{claims[one].label} and {claims[two].label}" for one in sorted(found) for two in found[one] if one < two]


def _from_table(path: Path, given: "_Given", percent: bool) -> "_Asked":
    """Read a claim from every row that has a figure; what a row lacks is as the options say."""
    import csv
    import io

    from merbench.contracts.errors import DataError, MerbenchError

    if any(given[name] is not None for name in ("uf1", "uar", "acc")):
        raise MerbenchError("--table has the figures: give no --uf1, --uar or --acc with it")
    try:
        rows = list(csv.DictReader(io.StringIO(_content(path), newline=""), restkey=""))
    except csv.Error as error:
        raise DataError(f"{path} can't be read: {error}") from error
    if not rows or not {"uf1", "uar", "acc"} & set(rows[0]):
        raise DataError(f"{path}: expected a CSV with the columns method, {', '.join(_COLUMNS)}, or some of them")
    if len(rows) > _MOST_ROWS:
        raise DataError(f"{path} has {len(rows)} rows: at most {_MOST_ROWS} are checked")
    found = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() or given[name] for name in _COLUMNS}
        if "uar-derived" in (row.get("remarks") or "").split():
            cells["uar"] = None  # not a printed figure, see results/published/remarks.yaml
        if not any(cells[name] for name in ("uf1", "uar", "acc")):
            continue
        try:
            found.append(_claim(cells, percent, (row.get("method") or "").strip() or f"row {number}"))
        except MerbenchError as error:
            raise DataError(f"{path}, row {number}: {error}") from error
    return found
