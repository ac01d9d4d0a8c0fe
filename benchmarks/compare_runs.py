"""``merbench compare`` over many complete runs of 68 folds, as a whole command; the help against an empty application.

The runs are written directly, five seeds a row, with random predictions. For each size: the first call, which scores
every row, and calls that find the scores in the cache; wall time, CPU time and peak memory. With ``--base CHECKOUT``
the same runs are compared by another checkout of merbench that has its own environment. With ``--chosen`` the runs are
those of many methods, a tenth of them under another protocol's name, and each command chooses some of them.

Run: uv run python benchmarks/compare_runs.py [PATH of megc2019-flow28] [--runs 200 5000] [--base CHECKOUT] [--chosen]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _timing import SHARED_RELEASE, interleaved, print_ratios

from merbench.contracts.digests import bytes_digest
from merbench.contracts.methods import Prediction
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.files import now, parquet_bytes
from merbench.records.model import CompleteFile
from merbench.records.predictions import prediction_table

SEEDS = 5
EMPTY = """
import typer

app = typer.Typer()
app.command()(lambda: None)
app.command("two")(lambda: None)
app()
"""


def write_runs(release: Path, count: int, runs: Path, methods: int = 0) -> None:
    """Write complete runs of ststnet that differ in their names and predictions, as the engine merges them.

    If there are to be several methods, they are ``m0``, ``m1`` and so on, every tenth under the protocol ``other``.
    """
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(release), [spec]))
    plans = plan_runs(Request.named(("ststnet",), seeds=tuple(range(SEEDS))), [prepared])
    split, rng = prepared.split, np.random.default_rng(0)
    for index in range(count):
        plan, row = plans[index % SEEDS], index // SEEDS
        method = f"m{row % methods}" if methods else plan.file.method
        protocol_name = "other" if methods and row % methods % 10 == 9 else plan.file.protocol
        key = plan.file.key.model_copy(update={"config": {"row": row}, "method": method})
        run_id = f"{method}-{protocol_name}-s{key.seed}-{key.digest()[:10]}"
        named = {"run_id": run_id, "key": key, "method": method, "protocol": protocol_name, "variant": f"row={row}"}
        file = plan.file.model_copy(update={**named, "sequence": None})
        scores = rng.random((len(split.clips), 3)) + 0.7 * np.eye(3)[split.labels]
        table = prediction_table(split.clips, split.labels, Prediction(scores), split.problem)
        content = parquet_bytes(table.sort_values(["dataset", "subject", "clip"], ignore_index=True))
        mark = CompleteFile(
            run_id=file.run_id, key_digest=key.digest(), run_digest=file.digest(), predictions="predictions.parquet",
            clips=len(table), sha256=bytes_digest(content), seconds=1.0, mixed=[], finished=now(),
        )  # fmt: skip
        folder = runs / file.run_id
        folder.mkdir(parents=True)
        (folder / "predictions.parquet").write_bytes(content)
        (folder / "run.json").write_text(file.model_dump_json(indent=1), encoding="utf-8")
        (folder / "complete.json").write_text(mark.model_dump_json(indent=1), encoding="utf-8")


def measured(command: list[str], home: str, checkout: Path) -> tuple[float, float, float]:
    """Run a command in a checkout, whose merbench it imports; return wall seconds, CPU seconds and peak MiB."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    watch = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
    )
    watch += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); sys.exit(code)"
    watched = [sys.executable, "-c", watch, *command]
    place = os.environ | {"MERBENCH_HOME": home}
    done = subprocess.run(watched, cwd=checkout, env=place, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, float(done.stdout)


def compare_many(release: Path, count: int, rounds: int, base: Path | None) -> None:
    """Print what comparing `count` runs takes."""
    with tempfile.TemporaryDirectory() as folder:
        write_runs(release, count, Path(folder) / "runs")
        words = ["-m", "merbench", "compare", "--protocol", "megc2019", "--no-published", "--results", folder]
        here = Path(__file__).resolve().parents[1]
        calls = [("first call", here, 1), ("scores in the cache", here, rounds)]
        calls += [("base checkout", base.resolve(), 1)] if base else []
        for name, checkout, times in calls:
            python = sys.executable if checkout == here else str(checkout / ".venv" / "bin" / "python")
            each = [measured([python, *words], f"{folder}/home", checkout) for _ in range(times)]
            wall, cpu, memory = sorted(each)[len(each) // 2]
            print(f"{count:>6} runs  {name:<20} {wall:>7.2f} s wall  {cpu:>7.2f} s CPU  {memory:>6.0f} MiB", flush=True)


def choose_among_many(release: Path, count: int, base: Path | None) -> None:
    """Print what commands take that are about a few of `count` runs."""
    with tempfile.TemporaryDirectory() as folder:
        write_runs(release, count, Path(folder) / "runs", methods=count // SEEDS // 2)
        run_id = min(path.name for path in (Path(folder) / "runs").glob("m0-*"))
        calls = {
            "compare one method": ["compare", "m0", "--no-published"],
            "compare three methods": ["compare", "m0", "m1", "m2", "--no-published"],
            "compare one method of a protocol": ["compare", "m0", "--protocol", "megc2019", "--no-published"],
            "explain two rows": ["explain", "m0 (row=0)", "m1 (row=1)", "--protocol", "megc2019"],
            "show a run": ["show", run_id, "--no-figures"],
            "show a digest": ["show", run_id.rpartition("-")[2], "--no-figures"],
        }
        here = Path(__file__).resolve().parents[1]
        for checkout in [here] + ([base.resolve()] if base else []):
            python = sys.executable if checkout == here else str(checkout / ".venv" / "bin" / "python")
            for name, words in calls.items():
                if checkout != here and name == "show a digest":
                    continue
                line = [python, "-m", "merbench", *words, "--results", folder]
                wall, cpu, memory = min(
                    measured(line, f"{folder}/home", checkout) for _ in range(2 if checkout == here else 1)
                )
                said = f"{count:>6} runs  {name + ' (base)' * (checkout != here):<42}"
                print(f"{said} {wall:>7.2f} s wall  {cpu:>7.2f} s CPU  {memory:>6.0f} MiB", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--runs", type=int, nargs="+", default=[200])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--base", type=Path, help="A checkout with a .venv, to compare with.")
    parser.add_argument("--chosen", action="store_true", help="Time commands about a few of the runs.")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: no call compiles the packages again
    if options.chosen:
        for count in options.runs:
            choose_among_many(options.path.resolve(), count, options.base)
        print("aim: 5,000 runs in 4 s")
        return
    for count in options.runs:
        compare_many(options.path.resolve(), count, options.rounds, options.base)
    print("aim: 200 runs in 2 s, 5,000 and 10,000 in 15 s with flat memory")
    helps = {
        "empty typer application --help": [sys.executable, "-c", EMPTY, "--help"],
        "merbench --help": [sys.executable, "-m", "merbench", "--help"],
    }
    calls = {
        name: lambda line=line: subprocess.run(line, capture_output=True, check=True) for name, line in helps.items()
    }
    print_ratios(interleaved(calls, max(9, options.rounds)), "empty typer application --help")
    print("aim: merbench --help at most 1.3 times the empty one, that is at least 0.77x")


if __name__ == "__main__":
    main()
