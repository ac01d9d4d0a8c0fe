"""Published figures from collected rows: which protocol, part and remarks each gets, and why others are excluded.

Run: uv run python benchmarks/published_figures.py ROWS.csv ...

ROWS.csv has the columns ``protocol, dataset, classes, method, year, acc, uf1, uar, source`` of a reader's notes. Rows
that `results/published/figures.csv` lacks are added to it, sorted; the others go to `excluded.csv` there, with the
reason. A row that is in the table already is left as it is, so that running again changes nothing.
"""

import argparse
import csv
import re
from collections import defaultdict
from pathlib import Path

from _published_sources import METHODS, SOURCES

from merbench.engine.plan.catalogue import PROTOCOLS

FOLDER = Path(__file__).resolve().parents[1] / "results/published"
COLUMNS = ["protocol", "part", "method", "year", "kind", "acc", "uf1", "uar", "source", "remarks"]
KINDS = {"": "reported", "recomputed": "recomputed", "reproduction": "reproduced"}
FIGURES = ("acc", "uf1", "uar")

#: (protocol, database, number of classes) of the notes -> protocol and part.
SINGLE = {
    ("CASME II", "3"): "casme2-3", ("CASME II", "4"): "casme2-4", ("CASME II", "5"): "casme2-5",
    ("CASME II", "7"): "casme2-7", ("SAMM", "3"): "samm-3", ("SAMM", "5"): "samm-5", ("SAMM", "8"): "samm-8",
    ("SMIC", "3"): "smic-hs-3", ("SMIC-HS", "3"): "smic-hs-3", ("SMIC-NIR", "3"): "smic-nir-3",
    ("SMIC-VIS", "3"): "smic-vis-3", ("CAS(ME)^3", "3"): "casme3-3", ("CAS(ME)^3", "4"): "casme3-4",
    ("CAS(ME)^3", "7"): "casme3-7", ("CASME", "4"): "casme-4", ("CASME", "8"): "casme-8", ("MMEW", "4"): "mmew-4",
}  # fmt: skip
PARTS = {
    "Full": "full", "SMIC": "smic-hs", "CASME II": "casme2", "SAMM": "samm", "CASME": "casme", "4DME": "4dme",
    "MMEW": "mmew", "CAS(ME)^3 A": "casme3", "mean of six databases": "mean", "CASME II+SAMM": "full",
}  # fmt: skip
COMPOSITE = {"CDE": "megc2019", "MEGC2018-CDE": "megc2018-cde", "MEGC2018-HDE": "megc2018-hde", "CD6ME-AU": "cd6me"}

#: Why rows of the notes fit no protocol that ships.
EXCLUDED = {
    "CDE-5class": "the abstract does not say which five classes, nor the databases",
    "SDE-LOVO": "leave-one-video-out: the tested person is in training; no shipped protocol",
    "SDE-10fold": "ten folds that are not by subject",
    "SDE-objective": "objective classes within one database; megc2018-cde trains on both",
    "CROSS": "trained on one database and tested on another with classes that the source does not map",
    "holdout split": "a held-out share of clips, not by subject",
}

Row = dict[str, str]


def placed(row: Row) -> tuple[str, str, str] | str:
    """Return protocol, part and kind of a row, or why it is excluded."""
    name, _, suffix = row["protocol"].rpartition("-") if row["protocol"].rpartition("-")[2] in KINDS else (
        row["protocol"], "", "")  # fmt: skip
    if row["protocol"] in EXCLUDED:
        return EXCLUDED[row["protocol"]]
    if name in COMPOSITE:
        return COMPOSITE[name], PARTS[row["dataset"]], KINDS[suffix]
    if name != "SDE":
        return "a composite of databases that no shipped protocol has"
    if not row["classes"]:
        return "the number of classes is not stated"
    if (key := (row["dataset"], row["classes"])) not in SINGLE:
        return f"no shipped protocol has {row['dataset']} with {row['classes']} classes"
    return SINGLE[key], "full", KINDS[suffix]


def sourced(row: Row) -> tuple[str, list[str], str]:
    """Return the source of a row in the form of the table, its remarks, and a short name of the source."""
    for pattern, text, remarks, short in SOURCES:
        if found := re.search(pattern, row["source"]):
            return found.expand(text), remarks.split(), short
    raise SystemExit(f"no form is known for the source {row['source']!r}")


def converted(row: Row) -> Row | str:
    """Return a row of the table with its short source, or why it is excluded."""
    place = placed(row)
    if isinstance(place, str):
        return place
    protocol, part, kind = place
    source, remarks, short = sourced(row)
    remarks += [codes for name, codes in METHODS.items() if row["method"].startswith(name) and kind == "reported"]
    remarks = " ".join(remarks).split()
    figures = {name: row[name] for name in FIGURES}
    if protocol == "cd6me":  # the protocol's F1 is that of a unit being shown; the column has a mean of both classes
        (shown,) = re.findall(r"binary F1 ([\d.]+) %", row["source"])
        figures["uf1"] = f"{float(shown) / 100:.3f}"
    if "trailing-zeros" in remarks:
        shorter = {name: re.sub(r"(\.\d\d+?)0+$", r"\1", text) for name, text in figures.items()}
        figures, same = shorter, shorter == figures
        remarks = [code for code in remarks if code != "trailing-zeros" or not same]
    if "approximate-f1" in remarks:
        figures["uf1"] = ""
    if protocol.startswith(("casme", "samm", "smic", "mmew")):
        remarks += ["clips-not-stated"] * (kind == "reported" and short != "AKMNet")
        remarks += ["f1-as-named"] * bool(figures["uf1"] and kind == "reported" and not figures["uar"])
    if "six databases" in row["method"] or "five databases" in row["method"]:
        remarks.append("more-databases")
    if protocol == "megc2018-hde" and part == "casme2":
        remarks.append("clips-194")
    if "hardly a trained model" in row["source"]:
        remarks.append("one-epoch")
    method = (
        row["method"].replace("authors MATLAB", "authors' MATLAB").replace("(authors training.log", "(authors' log")
    )
    return {
        "protocol": protocol, "part": part, "method": method, "year": row["year"], "kind": kind, **figures,
        "source": source, "remarks": " ".join(sorted(set(remarks))), "short": short,
    }  # fmt: skip


def agrees(one: Row, two: Row) -> bool:
    """Whether two rows print the same figures, at the digits that both have, and share one of them."""
    both = [(one[name], two[name]) for name in FIGURES if one[name] and two[name]]

    def same(a: str, b: str) -> bool:
        digits = min(len(a.partition(".")[2]), len(b.partition(".")[2]))
        return abs(float(a) - float(b)) < 0.5001 * 10**-digits if a != b else True

    return bool(both) and all(same(a, b) for a, b in both)


def told_apart(rows: list[Row]) -> list[Row]:
    """Join rows of one method that print the same figures, and name those that differ after their sources."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        group = groups[row["protocol"], row["part"], row["method"].casefold(), row["kind"]]
        for kept in group:
            if agrees(kept, row):
                more = sum(len(row[name]) for name in FIGURES) > sum(len(kept[name]) for name in FIGURES)
                if kept["short"] != row["short"]:
                    sources = (row["source"], kept["source"]) if more else (kept["source"], row["source"])
                    kept["source"] = "; also ".join(sources)
                kept |= {name: row[name] if more and row[name] else kept[name] or row[name] for name in FIGURES}
                break
        else:
            group.append(row)
    for group in groups.values():
        if len(group) > 1:
            for row in group:
                row["method"] += f" [{row['short']}]"
    for row in rows:
        decimals = {len(row[name].partition(".")[2]) for name in ("uf1", "uar") if row[name]}
        if "trailing-zeros" not in row["remarks"] and decimals in ({2}, {3}):
            row["remarks"] = f"{row['remarks']} {'two' if decimals == {2} else 'three'}-decimals".strip()
            row["remarks"] = " ".join(sorted(row["remarks"].split()))
    return [row for group in groups.values() for row in group]


def order(row: Row) -> tuple[object, ...]:
    """Return the place of a row in the table."""
    parts = list(PROTOCOLS.get(row["protocol"]).parts)
    year = int(row["year"] or 9999)
    kinds = list(KINDS.values())
    return row["protocol"], kinds.index(row["kind"]), year, row["method"].casefold(), parts.index(row["part"])


def main() -> None:
    """Convert, and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", type=Path)
    with (FOLDER / "figures.csv").open(encoding="utf-8") as file:
        kept = list(csv.DictReader(file))
    new, excluded = [], []
    for path in parser.parse_args().rows:
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found = converted(row)
                if isinstance(found, str):
                    excluded.append(row | {"source": sourced(row)[0], "reason": found})
                else:
                    new.append(found)
    known = {(row["protocol"], row["part"], row["method"].casefold(), row["kind"]) for row in kept}
    known_figures = {tuple(row[name] for name in ("protocol", "part", "kind", *FIGURES)) for row in kept}
    joined = told_apart(new)
    print(f"{len(new) - len(joined)} rows print the figures of another source")
    for row in joined:
        name = (row["protocol"], row["part"], row["method"].casefold(), row["kind"])
        if name not in known and tuple(row[key] for key in ("protocol", "part", "kind", *FIGURES)) not in known_figures:
            kept.append(row)
    for path, columns, rows in (
        (FOLDER / "figures.csv", COLUMNS, sorted(kept, key=order)),
        (FOLDER / "excluded.csv", ["protocol", "dataset", "classes", "method", "year", *FIGURES, "source", "reason"],
         excluded),
    ):  # fmt: skip
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(f"{path.name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
