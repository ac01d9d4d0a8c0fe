"""Time of a fold in addition to its method's fit and predict: copies, checks, records on disk.

Run: uv run python benchmarks/engine_overhead.py [PATH of megc2019-flow28] [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from _timing import SHARED_RELEASE
from rich.console import Console

from merbench.cli.display import grid_display
from merbench.engine.execute.grid import execute
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.folder import RunFolder


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(options.path), [spec]))
    print(f"{'method':<20}{'median':>10}{'min':>10}{'max':>10}   ms per fold outside fit and predict, 68 folds")
    for method in ("majority", "stratified-random", "svm-flow"):
        plan = plan_runs(Request.named((method,)), [prepared])[0]
        overheads = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                begin = time.perf_counter()
                execute([plan], Path(folder), grid_display(Console(quiet=True)))
                wall = time.perf_counter() - begin
                run = RunFolder(Path(folder) / plan.run_id)
                records = [run.read_record(fold, plan.key_digest) for fold in plan.file.folds]
                own = sum(record.seconds["fit"] + record.seconds["predict"] for record in records)
            overheads.append((wall - own) / len(records) * 1e3)
        print(f"{method:<20}{statistics.median(overheads):>10.1f}{min(overheads):>10.1f}{max(overheads):>10.1f}")
    print("aim: under 50 ms")


if __name__ == "__main__":
    main()
