"""Does each method learn? One training on three quarters of the subjects of synthetic clips, tested on the others.

`synthetic-full`, default table, strength 1, data seed 1, training seed 0: every fourth of the 68 subjects by name is
held out, 17 subjects with 163 clips. Nets with few epochs here carry it in their name: `epochs=40`. Differences are
paired by subject. What was run is kept in `benchmarks/learns.json`, and the table in `benchmarks/README.md`.

Run: uv run python benchmarks/learns.py [--data DIR] [--only METHOD ...]   # each some seconds to a minute
     uv run python benchmarks/learns.py --pages     # writes the table of learns.json only
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _pages import between_marks, write_pages

from merbench.contracts.clips import IDENTITY
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import named_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.report.numbers import NONE, excludes_zero, interval_text, number, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column
from merbench.report.write import write
from merbench.scoring.intervals import Interval
from merbench.scoring.paired import paired_difference
from merbench.scoring.table import part_scores
from merbench.splits.folds import Fold
from merbench.synthetic.database import make
from merbench.synthetic.settings import SyntheticSettings

ROOT = Path(__file__).resolve().parents[1]
KEPT, README = (ROOT / path for path in ("benchmarks/learns.json", "benchmarks/README.md"))
PROTOCOL = "megc2019"
FLOORS = ("majority", "onset-frame-only")
#: METHOD[:CONFIGURATION] key=value ...: the floors first, as the others are compared with them.
ROWS = (
    *FLOORS, "stratified-random", "duration-only", "svm-flow", "flow-classifier:logistic", "frame-classifier",
    "ststnet", "rcn:a-28px-32", "off-apexnet epochs=300", "dual-inception:batch-32", "msct-net epochs=40",
    "htnet:width-64 epochs=60", "bdcnn:block-40 epochs=25", "sssnet:28px", "causalnet:width-64-no-positions epochs=20",
    "featref-style epochs=20", "emr:small", "capsulenet:small", "capsulenet:small-difference", "learnet:small",
    "originet:small", "mersiamc3d:small", "timm-frames:small", "skd-tstsan:small", "slstt:small",
)  # fmt: skip


def prepared(folder: Path) -> PreparedProtocol:
    """Return the protocol on the synthetic clips, which are made where `folder` lacks them, with its one fold."""
    if not folder.exists():
        print(f"making {folder}", flush=True)
        make(SyntheticSettings(size="full", seed=1), folder)
    found = PreparedProtocol.of(protocol(PROTOCOL), named_data(str(folder)))
    clips = found.split.clips
    names = (clips.dataset + "/" + clips.subject).to_numpy(dtype=object)
    held_out = np.isin(names, sorted(set(names))[::4])
    fold = Fold("quarter", np.flatnonzero(~held_out), np.flatnonzero(held_out))
    return replace(found, split=replace(found.split, folds=(fold,)))


def trained(row: str, on: PreparedProtocol) -> tuple[pd.DataFrame, float]:
    """Train and test a row; return its predictions, with the truth, and processor seconds."""
    name, *given = row.split()
    method, _, config = name.partition(":")
    settings = dict(each.split("=", 1) for each in given)
    task = plan_runs(Request.named((method,), config or None, settings=settings), [on])[0].task
    begin = time.process_time()
    outcome = run_fold(task, "quarter")
    if outcome.failure:
        sys.exit(outcome.failure.traceback)
    seconds = time.process_time() - begin
    found = outcome.predictions.drop(columns=["truth"], errors="ignore").merge(on.split.truth(), on=IDENTITY)
    return found.sort_values(IDENTITY, ignore_index=True), seconds


def figures(row: str, found: pd.DataFrame, floors: Mapping[str, pd.DataFrame], classes: list[str]) -> dict[str, Any]:
    """Return the UF1 of a row, and how far it is above the floors."""
    score = part_scores([found], classes, {"full": ""})[0]
    kept = {"row": row, "clips": len(found), "uf1": score.uf1, "ends": _ends(score.uf1_interval)}
    for name, floor in floors.items():
        if name != row:
            difference = paired_difference([found], [floor], classes)
            kept[name] = {"uf1": difference.uf1, "ends": _ends(difference.uf1_interval)}
    return kept


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def table(rows: Mapping[str, Mapping[str, Any]]) -> Report:
    """Build the table."""
    columns = [name_column("Method"), *(Column(title) for title in ("UF1", *(f"minus {floor}" for floor in FLOORS)))]
    columns.append(Column("processor seconds"))
    cells = [
        [
            Cell(*_named(row)),
            Cell(number(found["uf1"], 3), interval_text(Interval(*found["ends"]))),
            *(_change(found.get(floor)) for floor in FLOORS),
            Cell(number(found["seconds"], 0)),
        ]
        for row, found in rows.items()
    ]
    return Report([Table("", columns, [Section(cells)])])


def _named(row: str) -> tuple[str, str]:
    name, _, settings = row.partition(" ")
    return name, settings


def _change(found: Mapping[str, Any] | None) -> Cell:
    if not found:
        return Cell(NONE)
    ends = Interval(*found["ends"])
    return Cell(signed(found["uf1"]), signed_interval(ends), 1 if excludes_zero(ends) else 0)


def pages() -> dict[Path, str]:
    """Return the page with the table of the figures that are kept."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    rows = {row: kept[row] for row in ROWS if row in kept}
    return {README: between_marks(README, "learns.py", write(table(rows), "md").strip())}


def main() -> None:
    """Train what is asked for, keep the figures, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("results/learns"), help="where the clips are, or go")
    parser.add_argument("--only", nargs="*", metavar="METHOD")
    parser.add_argument("--pages", action="store_true")
    options = parser.parse_args()
    if not options.pages:
        on, floors = prepared(options.data), {}
        classes = list(on.spec.classes)
        for row in ROWS:
            if row not in FLOORS and options.only and row.partition(" ")[0] not in options.only:
                continue
            found, seconds = trained(row, on)
            floors |= {row: found} if row in FLOORS else {}
            kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
            kept[row] = figures(row, found, floors, classes) | {"seconds": round(seconds, 1)}
            text = json.dumps(kept, indent=1, default=float)
            KEPT.write_text(text + "\n", encoding="utf-8")
            print(f"{row:<48} {kept[row]['uf1']:.3f} {seconds:8.1f} s", flush=True)
    write_pages(pages())


if __name__ == "__main__":
    main()
