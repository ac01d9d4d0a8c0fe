"""What each method sees: synthetic clips whose classes differ in the time course only at strength 1.

In the synthetic database, emotions with the same action units differ in the course of the movement over time at
strength 1, and in nothing at strength 0; onset, apex and offset are the same frames at both. So the gain of a method
from strength 0 to 1 is what it reads from the time course. Table ``default`` has few such clips, ``ambiguous`` many.

Run: uv run python benchmarks/planted_truth.py [--data DIR] [--results DIR] [--only METHOD ...]   # hours
     uv run python benchmarks/planted_truth.py --recorded      # what is recorded so far, newest first; runs nothing
     uv run python benchmarks/planted_truth.py --pages         # writes the table of planted_truth.json only
     uv run python benchmarks/planted_truth.py --size small --only majority svm-flow --out FILE   # a trial

Recorded folds are kept, so a command that was stopped goes on. Protocol megc2019, data seed 0, training seed 0. Table
``ambiguous`` has whole folds, ``default`` the twelve fixed ones: every sixth by name, from the first. The figures are
kept in `benchmarks/planted_truth.json`, and the table in `benchmarks/README.md`; a test compares both.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from _pages import between_marks, write_pages

import merbench as mb
from merbench.analysis.held import hold
from merbench.cli.options import results_folder
from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import named_data
from merbench.engine.plan.runs import PreparedProtocol
from merbench.records.read import RecordedRun, read_run
from merbench.records.select import read_runs
from merbench.records.truth import Truth
from merbench.report.numbers import NONE, excludes_zero, interval_text, number, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column
from merbench.report.write import write
from merbench.scoring.intervals import Interval
from merbench.scoring.paired import Difference, paired_difference, restricted
from merbench.scoring.same_units import same_units
from merbench.scoring.table import PartScore, part_scores
from merbench.synthetic.database import make
from merbench.synthetic.settings import SyntheticSettings

ROOT = Path(__file__).resolve().parents[1]
KEPT, README = (ROOT / path for path in ("benchmarks/planted_truth.json", "benchmarks/README.md"))
PROTOCOL = "megc2019"
STRENGTHS = (0, 1)
BASELINES = ("svm-flow", "majority")


class _Row(NamedTuple):
    """One row of the table: a method as it is run, on every fold of the table, or on `few`: twelve."""

    method: str
    config: str = "default"
    settings: tuple[tuple[str, str], ...] = ()
    few: bool = False

    @property
    def variant(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings)


ROWS = (
    _Row("medn", "small"),
    _Row("atm-gcn", "small"),
    _Row("atm-gcn", "long", few=True),
    _Row("affectivenet", "small"),
    _Row("mmnet", "small"),
    _Row("mmnet", "small", (("frame_draw", "none"),), few=True),
    _Row("moext", "small"),
    _Row("svm-flow"),
    _Row("majority"),
    _Row("stratified-random"),
    _Row("onset-frame-only"),
    _Row("duration-only"),
    _Row("database-only"),
)
TABLES = {"ambiguous": False, "default": True}  #: whether twelve folds stand for all


class _Side(NamedTuple):
    """A table of the synthetic database at one strength, split by the protocol."""

    folder: Path
    prepared: PreparedProtocol

    @property
    def truth(self) -> Truth:
        split, spec = self.prepared.split, self.prepared.spec
        return Truth("the split", split.truth(), tuple(spec.classes), spec.parts, split.digest())


def opened(folder: Path, size: str, table: str, strength: int) -> _Side:
    """Open a table at a strength, which is made where `folder` lacks it."""
    place = folder / f"{table}-strength{strength}"
    settings = SyntheticSettings.model_validate({"size": size, "table": table, "strength": strength})
    if not place.exists():
        print(f"making {place}", flush=True)
        make(settings, place)
    return _Side(place, PreparedProtocol.of(protocol(PROTOCOL), named_data(str(place))))


def twelve(side: _Side) -> list[str]:
    """Return every sixth fold in the order of their names, from the first: twelve of 68."""
    return sorted(fold.name for fold in side.prepared.split.folds)[::6]


def run(row: _Row, side: _Side, folds: Sequence[str], results: Path | None) -> str:
    """Run what is missing; return the id of the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mb.run(
            row.method, PROTOCOL, data=side.folder, config=row.config, settings=dict(row.settings), folds=folds,
            results=results, tracking_uri="none",
        )  # fmt: skip
    return str(found.run_ids.iloc[0][0])


def recorded(row: _Row, sides: Sequence[_Side], results: Path) -> Iterator[list[str]]:
    """Yield the ids of a row's recorded runs, those of one code and configuration at both strengths; newest first."""
    found = read_runs(results).where(
        method=row.method, config=row.config, variant=row.variant, protocol=PROTOCOL, selection="last", seed=0,
        shuffled=False,
    )  # fmt: skip
    versions: dict[str, dict[str, str]] = {}  # of each the newest run by data
    for run in sorted(found, key=lambda run: run.age, reverse=True):
        key = run.file.key
        version = digest([key.code_digest, key.code_versions, key.config])
        versions.setdefault(version, {}).setdefault(run.file.data, run.file.run_id)
    names = [side.prepared.data.name for side in sides]
    yield from ([by_data[name] for name in names] for by_data in versions.values() if {*names} <= {*by_data})


def fold_choices(
    pairs: Sequence[list[str]], sides: Sequence[_Side], wanted: Sequence[list[str]], results: Path
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the runs of a row and folds to compare, in order of preference; last, all that both strengths have."""
    yield from product(pairs, wanted)
    for ids in pairs:
        both = [
            set(held(each, side, [], results).predictions.merge(side.truth.clips, on=IDENTITY).fold)
            for each, side in zip(ids, sides, strict=True)
        ]
        yield ids, sorted(both[0] & both[1])


def held(run_id: str, side: _Side, folds: Sequence[str], results: Path) -> RecordedRun:
    """Read some folds of a run, all if none are named; its clips and labels must be those of the data."""
    found, difference = hold(read_run(results / "runs" / run_id, folds), side.truth)
    if difference:
        raise MerbenchError(difference)
    return found


def figures(
    pair: Sequence[RecordedRun], baselines: Mapping[str, RecordedRun], shared: set[tuple[str, str, str]]
) -> dict[str, Any]:
    """Compare the runs of a row at strength 0 and 1, and the latter with the baselines, over the same folds.

    `shared` are the clips that share their action units with clips of another class.
    """
    classes = pair[0].file.outputs
    zero, one = (run.predictions.sort_values(IDENTITY, ignore_index=True) for run in pair)
    folds = pair[0].asked_folds
    there = [table for table in (restricted(zero, shared), restricted(one, shared)) if len(table)]
    scores = [column for column in zero if column.startswith("score_")]
    found: dict[str, Any] = {
        "folds": len(folds), "clips": len(one), "shared_clips": len(there[0]) if there else 0,
        "strength": {
            str(strength): {
                "run_id": run.file.run_id, "key": run.key_digest, "code_digest": run.file.key.code_digest,
                "data_digest": run.file.key.data_digest, **_score(part_scores([table], classes, {"full": ""})[0]),
            }
            for strength, run, table in zip(STRENGTHS, pair, (zero, one), strict=True)
        },
        "gain": _difference(paired_difference([one], [zero], classes)),
        "same_predictions": int((zero.predicted == one.predicted).sum()),
        "same_scores": bool(zero[scores].equals(one[scores])),
    }  # fmt: skip
    if there:
        found["shared"] = {
            **{
                str(s): _score(part_scores([t], classes, {"full": ""})[0])
                for s, t in zip(STRENGTHS, there, strict=True)
            },
            "gain": _difference(paired_difference([one], [zero], classes, shared)),
        }
    for name, baseline in baselines.items():
        if baseline.file.run_id != pair[1].file.run_id:
            found[f"minus_{name}"] = _difference(paired_difference([one], [baseline.predictions], classes))
    return found


def _score(found: PartScore) -> dict[str, float]:
    return _rounded({"uf1": found.uf1, "low": found.uf1_interval.low, "high": found.uf1_interval.high})


def _difference(found: Difference) -> dict[str, float]:
    return _rounded({"uf1": found.uf1, "low": found.uf1_interval.low, "high": found.uf1_interval.high})


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def compared(table: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of the synthetic database, with their figures, as far as they are recorded."""
    sides = [opened(options.data, options.size, table, strength) for strength in STRENGTHS]
    few, results = twelve(sides[1]), options.results
    chosen = [row for row in ROWS if not options.only or row.method in {*options.only, *BASELINES}]
    kept: dict[_Row, list[list[str]]] = {}
    for row in sorted(chosen, key=lambda row: row.method not in BASELINES):  # the quick ones, which others need, first
        if options.recorded:
            kept[row] = list(recorded(row, sides, results))
        else:
            kept[row] = [[run(row, side, few if TABLES[table] or row.few else [], results) for side in sides]]
    split = sides[1].prepared.split
    clips = split.clips[same_units(split.clips, split.truth().truth.tolist())]
    shared = set(clips[IDENTITY].itertuples(index=False, name=None))
    for row in chosen:
        named = {"table": table, "method": row.method, "config": row.config, "settings": dict(row.settings)}
        wanted = [few] if TABLES[table] or row.few else [[], few]
        for ids, folds in fold_choices(kept[row], sides, wanted, results):
            runs = [held(each, side, folds, results) for each, side in zip(ids, sides, strict=True)]
            if all(each.complete for each in runs):
                baselines = {name: held(kept[_Row(name)][0][1], sides[1], folds, results) for name in BASELINES}
                yield named | {"finished": folds in wanted} | figures(runs, baselines, shared)
                break
        else:
            about = f"{table}: {row.method}:{row.config} {row.variant}".strip()
            print(f"{about} is not recorded at both strengths: skipped", file=sys.stderr)


def table(rows: Sequence[Mapping[str, Any]]) -> Report:
    """Build the table of all rows, a section for each table of the synthetic database."""
    columns = [
        name_column("Method"),
        *(Column(title) for title in ("folds, clips", "UF1, strength 0", "UF1, strength 1", "strength 1 - 0")),
        Column("same predictions"),
        *(Column(f"minus {name}") for name in BASELINES),
        Column("UF1, strength 1", group="same AUs:"),
        Column("strength 1 - 0", group="same AUs:"),
    ]
    sections = []
    for name in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == name]
        sections.append(Section([_cells(row) for row in own], name))
    return Report([Table("", columns, sections)])


def _cells(row: Mapping[str, Any]) -> list[Cell]:
    config = "" if row["config"] == "default" else f":{row['config']}"
    shared = row.get("shared", {})
    return [
        Cell(f"{row['method']}{config}", " ".join(f"{name}={value}" for name, value in row["settings"].items())),
        Cell(f"{row['folds']}{'' if row['finished'] else ' so far'}, {row['clips']}"),
        *(_figure(row["strength"][str(strength)]) for strength in STRENGTHS),
        _change(row["gain"]),
        Cell("all" if row["same_predictions"] == row["clips"] else str(row["same_predictions"])),
        *(_change(row.get(f"minus_{name}")) for name in BASELINES),
        _figure(shared.get("1")),
        _change(shared.get("gain")),
    ]


def _figure(found: Mapping[str, float] | None) -> Cell:
    return Cell(number(found["uf1"], 3), interval_text(_ends(found))) if found else Cell(NONE)


def _change(found: Mapping[str, float] | None) -> Cell:
    if not found:
        return Cell(NONE)
    return Cell(signed(found["uf1"]), signed_interval(_ends(found)), 1 if excludes_zero(_ends(found)) else 0)


def _ends(found: Mapping[str, float]) -> Interval:
    return Interval(found["low"], found["high"])


def pages() -> dict[Path, str]:
    """Return the page with the table of the figures that are kept."""
    rows = json.loads(KEPT.read_text(encoding="utf-8"))["rows"]
    return {README: between_marks(README, "planted_truth.py", write(table(rows), "md").strip())}


def main() -> None:
    """Run what is missing, keep the figures, and print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", type=Path, default=Path("results/planted"), help="where the synthetic clips are, or go"
    )
    parser.add_argument("--results", type=Path, help="as for merbench run")
    parser.add_argument(
        "--only", nargs="+", metavar="METHOD", help="these methods, and those that all are compared with"
    )
    parser.add_argument("--recorded", action="store_true", help="run nothing")
    parser.add_argument("--pages", action="store_true", help="read nothing but the figures that are kept")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--out", type=Path, default=KEPT, help="another file writes no page")
    options = parser.parse_args()
    if options.pages:
        write_pages(pages())
        return
    options.results = results_folder(options.results)
    rows = [row for name in TABLES for row in compared(name, options)]
    print(write(table(rows), "md"))
    options.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    if options.out == KEPT:
        write_pages(pages())


if __name__ == "__main__":
    try:
        main()
    except MerbenchError as error:
        raise SystemExit(str(error)) from error
