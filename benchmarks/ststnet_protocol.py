"""The protocol of MEGC 2019 with STSTNet: its authors' loop, as a user would start it, against merbench with workers.

Each is a command of its own, timed from its start to its last prediction, imports and data included: the authors' loop
in one process with as many threads as torch takes, `merbench run` with one thread a worker. Both scores are printed.

Run: uv run python benchmarks/ststnet_protocol.py [PATH of megc2019-flow28] [--epochs 100] [--folds 68] [--workers 2]
     [--rounds 1] [--seed 0]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _timing import SHARED_RELEASE, print_ratios

from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs
from merbench.records.select import read_runs
from merbench.scoring.table import part_scores


def planned(path: Path, epochs: int) -> RunPlan:
    """Plan the run."""
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(path), [spec]))
    return plan_runs(Request.named(("ststnet",), settings={"epochs": str(epochs)}), [prepared])[0]


def authors_loop(path: Path, epochs: int, folds: int, seed: int, log: Path) -> None:
    """Train and test the folds one by one like the authors' script, with torch's own number of threads."""
    import torch
    from _authors import straight_fold

    torch.manual_seed(seed)
    task, tables = planned(path, epochs).task, []
    truth, names = task.split.truth(), np.array(task.split.problem.outputs)
    for fold in task.split.folds[:folds]:
        found = straight_fold(task, fold.name, epochs, threads=torch.get_num_threads())
        tables.append(truth.iloc[fold.test].assign(predicted=names[found]))
    pd.concat(tables).to_csv(log, index=False)


def figures(predictions: pd.DataFrame) -> str:
    """Return UF1 and UAR as text."""
    (full,) = part_scores([predictions], protocol("megc2019").classes, {"full": "Full"})
    return f"UF1 {full.uf1:.4f}, UAR {full.uar:.4f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--folds", type=int, default=68)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--authors", type=Path, help=argparse.SUPPRESS)  # run the authors' loop; the path of its log
    options = parser.parse_args()
    if options.authors:
        authors_loop(options.path, options.epochs, options.folds, options.seed, options.authors)
        return
    folds = list(planned(options.path, options.epochs).file.folds)[: options.folds]
    names = "authors' loop, all cores", f"merbench run --workers {options.workers}"
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        log, results = Path(scratch) / "log.csv", Path(scratch) / "results"
        asked = [f"--{key}={getattr(options, key)}" for key in ("epochs", "folds", "seed")]
        run = ["run", "ststnet", "--protocol=megc2019", f"--data={options.path}", f"--results={results}"]
        run += [f"--set=epochs={options.epochs}", f"--seeds={options.seed}", f"--workers={options.workers}"]
        run += ["--existing=redo", "--tracking-uri=none", *(f"--folds={fold}" for fold in folds)]
        commands = {
            names[0]: [sys.executable, __file__, str(options.path), *asked, f"--authors={log}"],
            names[1]: [sys.executable, "-m", "merbench", *run],
        }
        for command in commands.values():  # fills the file cache, so that the order does not matter
            subprocess.run([*command, "--help"], check=True, stdout=subprocess.DEVNULL)
        for _ in range(options.rounds):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - begin)
        (found,) = read_runs(results)
        text = dict.fromkeys(("dataset", "subject", "clip"), str)
        said = figures(pd.read_csv(log, dtype=text)), figures(found.predictions)
    print(f"{len(folds)} folds of {options.epochs} epochs, whole commands, on {os.cpu_count()} cores")
    print_ratios(seconds, names[0], 1.0, "s")
    for name, score in zip(names, said, strict=True):
        print(f"{name:<44} {score}")
    print("aim: at least 2x with 2 workers")


if __name__ == "__main__":
    main()
