"""``merbench compare`` over 200 finished runs of 68 folds, as a whole command; the help against an empty application.

Run: uv run python benchmarks/compare_runs.py [PATH of megc2019-flow28] [--runs 200] [--rounds 3]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _timing import SHARED_RELEASE, interleaved, print_ratios
from rich.console import Console

from merbench.cli.display import PlainDisplay
from merbench.engine.execute.grid import execute
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs

EMPTY = """
import typer

app = typer.Typer()
app.command()(lambda: None)
app.command("two")(lambda: None)
app()
"""


def grid(path: Path, runs: int) -> list[RunPlan]:
    """Plan `runs` runs of the cheapest random method: five seeds per row, the rows distinguished by name."""
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(path), [spec]))
    seeds = tuple(range(runs))
    plans = plan_runs(Request.named(("stratified-random",), seeds=seeds), [prepared])
    renamed = []
    for index, plan in enumerate(plans):
        key = plan.file.key.model_copy(update={"config": {"row": index // 5}})
        changed = {"run_id": f"{plan.file.run_id}-{index}", "key": key, "variant": f"row={index // 5}"}
        renamed.append(RunPlan(plan.file.model_copy(update=changed), plan.task))
    return renamed


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        execute(grid(options.path, options.runs), Path(folder) / "runs", PlainDisplay(Console(quiet=True)))
        command = [sys.executable, "-m", "merbench", "compare", "--protocol", "megc2019", "--results", folder]
        call = {"merbench compare": lambda: subprocess.run(command, capture_output=True, check=True)}
        print(f"{options.runs} finished runs of 68 folds")
        print_ratios(interleaved(call, options.rounds), "merbench compare", 1.0, "s")
        print("aim: under 5 s")
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
