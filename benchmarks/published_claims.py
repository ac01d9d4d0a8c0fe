"""The verdict on every published figure, with evidence: writes `results/published/claims.csv`.

Run: uv run python benchmarks/published_claims.py [--all] [--impossible] [--protocol P] [--minutes M] [--seconds S]

A row is checked if its verdict is missing or its figures, class counts or remarks gave another; `--all` checks all
again, `--impossible` those that are impossible, at least as rounded (for new slips). Figures of five classes take some
20 s each: after M minutes the rest is left for the next run. The verdict of a search that ended after S seconds is
undecided.
"""

import argparse
import csv
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

from merbench.analysis.claims.claim import FIGURES, Claim, check_claim, is_possible, read_figure
from merbench.analysis.claims.counts import counts_of_parts, counts_of_variants, fold_counts
from merbench.analysis.claims.restrictions import one_set_of_predictions, printed_twice
from merbench.analysis.claims.slips import Slip, try_slips
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.records.published import KEY, printed
from merbench.records.published import claims as claims_of

FOLDER = Path(__file__).resolve().parents[1] / "results/published"
COLUMNS = [
    *KEY, *FIGURES, "verdict", "reading", "power", *(f"nearest_{name}" for name in FIGURES), "reason", "counts",
    "neighbours", "matrix", "alone", "elsewhere", "fits", "compatible", "apart", "same_as",
]  # fmt: skip
#: Figures with these remarks are not of one pooled confusion matrix of the protocol's class counts.
REASONS = {
    "mean-over-folds": "the figures are means over folds",
    "mixed-epochs": "accuracy and F1 are of different epochs, so not of one confusion matrix",
    "from-percent-matrix": "the figures were computed from a matrix printed with two decimals",
    "clips-194": "the figures are of other clips, whose classes are not known",
    "clips-248": "the figures are of other clips, whose classes are not known",
    "f1-of-shown-units": "the check is for classes, and not for action units",
}
#: Clips of each class in the 435 clips of CapsuleNet's log, whose truth for one clip is not the organisers'.
CLIPS_435 = {"full": (246, 109, 80), "smic-hs": (66, 51, 40)}
WITH_LABELS = {"full": (245, 109, 81), "smic-hs": (65, 51, 41)}

Row = dict[str, str]


def prepared(row: Row, parts: dict[str, dict[str, int]]) -> tuple[Claim | None, str]:
    """Return the claim of a row, or why it is not checked."""
    codes = row["remarks"].split()
    printed = {name: read_figure(name, row[name]) for name in FIGURES if row[name]}
    if "uar-derived" in codes:
        printed.pop("uar")
    reasons = [REASONS[code] for code in codes if code in REASONS]
    counts = parts.get(row["part"])
    if "clips-435" in codes and row["part"] in CLIPS_435:
        chosen = WITH_LABELS if "organisers" in row["method"] else CLIPS_435
        counts = {f"class {place}": n for place, n in enumerate(chosen[row["part"]])}
    if reasons:
        return None, reasons[0]
    if counts is None:
        return None, "the clips of each class are not known"
    if not printed:
        return None, "no figure is printed"
    return Claim(counts, printed, row["method"], row["protocol"], row["part"]), ""


def listed(slips: list[Slip], word: str) -> str:
    """Name slips with how often they rescue random false figures."""
    return "; ".join(f"{slip.name} (rescues {slip.rescued} of {slip.trials})" for slip in slips if slip.word == word)


@cache
def variants(protocol: str, part: str) -> dict[str, dict[str, int]]:
    """Return the class counts of other protocols on the databases of a part."""
    return counts_of_variants(PROTOCOLS.get(protocol), part, map(PROTOCOLS.get, PROTOCOLS.names()))


def elsewhere(claim: Claim, others: dict[str, dict[str, int]], seconds: float) -> str:
    """Name the protocols with whose class counts a claim is possible."""
    moved = {name: Claim(counts, claim.printed) for name, counts in others.items()}
    return " ".join(name for name, other in moved.items() if is_possible(other, seconds))


def answered(
    row: Row, claim: Claim | None, reason: str, protocol: ProtocolSpec, beside: list[Claim], seconds: float
) -> Row:
    """Check a claim, and return its row."""
    derived = "uar-derived" in row["remarks"].split()
    found = {name: row[name] for name in (*KEY, *FIGURES)} | ({"uar": ""} if derived else {})
    if claim is None:
        return found | {"verdict": "not checked", "reason": reason}
    answer = check_claim(claim, seconds)
    found |= {"verdict": answer.verdict, "reading": answer.reading, "counts": " ".join(map(str, claim.sizes))}
    found["matrix"] = "/".join(" ".join(map(str, line)) for line in answer.matrix)
    found["alone"] = " ".join(answer.alone)
    if answer.power is not None:
        found |= {"power": str(round(answer.power, 4)), "neighbours": str(answer.neighbours)}
    for name, value in (answer.nearest or {}).items():
        found[f"nearest_{name}"] = "" if value is None else f"{float(value):.6f}"
    if answer.refused:
        others = variants(protocol.name, row["part"])
        parts, folds = counts_of_parts(protocol), fold_counts(protocol, row["part"])
        slips = try_slips(claim, parts, answer.refused, variants=others, beside=beside, folds=folds)
        found["elsewhere"] = elsewhere(claim, others, seconds)
        found |= {"fits": listed(slips, "fits"), "compatible": listed(slips, "compatible")}
    return found


def together(rows: list[Row], claims: dict[tuple[str, ...], Claim]) -> None:
    """Add what follows from several rows: parts that are not of one set of predictions, and figures printed twice."""
    groups: dict[tuple[str, ...], dict[str, Claim]] = defaultdict(dict)
    for row in rows:
        claim = claims.get(tuple(row[name] for name in KEY))
        if claim and "uar" in claim.printed:
            groups[row["protocol"], row["method"], row["kind"]][row["part"]] = claim
    apart = set()
    for key, parts in groups.items():
        full = parts.pop("full", None)
        whole = full and parts and sum(full.sizes) == sum(sum(part.sizes) for part in parts.values())
        if full and whole and one_set_of_predictions(full, list(parts.values())) is False:
            apart.add(key)
    checked = [row for row in rows if tuple(row[name] for name in KEY) in claims]
    compared = [claims[tuple(row[name] for name in KEY)] for row in checked]
    for row in rows:
        row["apart"] = "yes" * ((row["protocol"], row["method"], row["kind"]) in apart and row["part"] == "full")
        row["same_as"] = ""
    for place, others in printed_twice(compared).items():
        names = [f"{compared[other].method} ({compared[other].protocol}, {compared[other].part})" for other in others]
        checked[place]["same_as"] = "; ".join(names)


def write(rows: list[Row]) -> None:
    """Write the table."""
    with (FOLDER / "claims.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Check what is to be checked, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--impossible", action="store_true")
    parser.add_argument("--protocol", help="only its rows")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    figures, known = list(printed().values()), claims_of()
    specs = {name: PROTOCOLS.get(name) for name in {row["protocol"] for row in figures}}
    counts = {name: counts_of_parts(spec) if spec.task == "classification" else {} for name, spec in specs.items()}
    asked = {tuple(row[name] for name in KEY): prepared(row, counts[row["protocol"]]) for row in figures}
    end, rows, claims, done = time.monotonic() + 60 * options.minutes, [], {}, {}
    for row in figures:
        key = tuple(row[name] for name in KEY)
        claim, reason = asked[key]
        old = known.get(key, {})
        sizes = " ".join(map(str, claim.sizes)) if claim else ""
        same = [old.get(name) for name in ("reason", "counts")] == [reason, sizes]
        same &= all(old.get(name) == row[name] for name in FIGURES if not (claim and name not in claim.printed))
        refused = old.get("verdict") == "impossible" or old.get("reading") == "truncated"
        again = options.all or (options.impossible and refused)
        if (same and not again) or options.protocol not in (None, row["protocol"]):
            found = old or None
            if claim and options.impossible and old.get("verdict") == "impossible":
                others = variants(row["protocol"], row["part"])
                found = done[key] = old | {"elsewhere": elsewhere(claim, others, options.seconds)}
        elif time.monotonic() < end:
            start = time.monotonic()
            parts = [other for (name, part, *who), (other, _) in asked.items()
                     if [name, *who] == [key[0], *key[2:]] and part != "full" and row["part"] == "full"]  # fmt: skip
            beside = [part for part in parts if part] if all(parts) else []
            found = answered(row, claim, reason, specs[row["protocol"]], beside, options.seconds)
            done[key] = found
            if time.monotonic() - start > 1:
                print(f"{time.monotonic() - start:.0f} s: {' '.join(key)} {found['verdict']}", flush=True)
        else:
            found = old or None
        if claim and found:
            claims[key] = claim
        rows += [found] if found else []
    claims_of.cache_clear()  # another run may have written since
    now = claims_of() | done
    rows = [now.get(tuple(row[name] for name in KEY), row) for row in rows]
    together(rows, claims)
    write(rows)
    print(f"{len(done)} checked, {len(figures) - len(rows)} left")


if __name__ == "__main__":
    main()
