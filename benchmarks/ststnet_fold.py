"""One STSTNet fold: merbench against a straight loop like its authors', one thread each, the same computation.

The straight loop has a DataLoader over a TensorDataset, three convolutions, and evaluates the test fold every epoch.
Run: uv run python benchmarks/ststnet_fold.py [PATH of megc2019-flow28] [--epochs 20] [--rounds 7]
"""

import argparse
import sys
from pathlib import Path

from _authors import straight_fold
from _timing import SHARED_RELEASE, interleaved, print_ratios

from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

FOLD = "casme2/sub01"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(options.path), [spec]))
    task = plan_runs(Request.named(("ststnet",), settings={"epochs": str(options.epochs)}), [prepared])[0].task
    outcome = run_fold(task, FOLD)
    if outcome.failure:
        sys.exit(outcome.failure.traceback)
    candidates = {
        "straight loop": lambda: straight_fold(task, FOLD, options.epochs),
        "merbench": lambda: run_fold(task, FOLD),
    }
    seconds = interleaved(candidates, options.rounds)
    print(f"one fold ({FOLD}), {options.epochs} epochs, one thread, ms per epoch")
    print_ratios(seconds, "straight loop", 1e3 / options.epochs)
    print("aim: at least 1.4x")


if __name__ == "__main__":
    main()
