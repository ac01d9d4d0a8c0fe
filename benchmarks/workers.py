"""The same folds with one worker and with several, in turn; and a cluster of many machines, simulated.

Run: uv run python benchmarks/workers.py [PATH of megc2019-flow28] [--epochs 20] [--rounds 3] [--workers 2]
     uv run python benchmarks/workers.py --simulate 1 4 16 64 [--seconds 30] [--faster 50]

The simulation takes some of 20 methods x 5 seeds x 68 folds, about 100 folds a machine. Each lasts as long as one of
STSTNet's (`--seconds`, more or less by its training clips), played `--faster` times faster: its worker sleeps. All else
is real: Ray with a logical CPU a machine, the order, outcomes that travel, records on disk. A worker takes some 0.1 GB.
"""

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _timing import SHARED_RELEASE, interleaved, print_ratios
from rich.console import Console

from merbench.cli.display import PlainDisplay
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.engine.catalogue import protocol
from merbench.engine.data import choose_data
from merbench.engine.execute import execute
from merbench.engine.plan import PreparedProtocol, Request, RunPlan, plan_runs
from merbench.engine.ray_executor import RayExecutor
from merbench.engine.ray_session import connect
from merbench.engine.units import Executor, Serial

METHODS, SEEDS, FOLDS_PER_MACHINE = 20, 5, 100


def prepared(path: Path) -> PreparedProtocol:
    """Split the release by MEGC 2019."""
    spec = protocol("megc2019")
    return PreparedProtocol.of(spec, choose_data(str(path), [spec]))


def drive(plans: Sequence[RunPlan], executor: Executor) -> None:
    """Run a grid into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        execute(plans, Path(folder), PlainDisplay(Console(quiet=True)), executor=executor)


class Sleeping:
    """Sleeps as long as training would last, and answers class 0."""

    class Config(MethodConfig):
        """How long a training clip lasts."""

        seconds_per_clip: float = 0.0

    def __init__(self, config: Any, problem: Problem) -> None:
        self._lasts, self._outputs = config.seconds_per_clip, len(problem.outputs)

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Sleep."""
        time.sleep(self._lasts * len(train))

    def predict(self, inputs: Inputs) -> Prediction:
        """Answer."""
        return Prediction(np.eye(self._outputs)[np.zeros(inputs.clips, dtype=int)])


def simulate(path: Path, machines: Sequence[int], seconds: float, faster: float) -> None:
    """Print how near to linear the driver keeps many machines busy."""
    config = Sleeping.Config(seconds_per_clip=seconds / 435 / faster)
    plans = plan_runs(Request(("stratified-random",), seeds=tuple(range(METHODS * SEEDS))), [prepared(path)])
    plans = [replace(plan, task=replace(plan.task, method=Sleeping, config=config)) for plan in plans]
    folds = len(plans[0].file.folds)
    print(f"{folds} folds a run, of about {seconds:g} s, {faster:g} times faster")
    print(f"{'machines':>8}{'runs':>6}{'seconds':>9}{'linear':>8}{'records/s':>11}{'driver MB':>11}")
    connect(None, workers=max(machines), gpus=0)
    for count in machines:
        some = plans[: math.ceil(count * FOLDS_PER_MACHINE / folds)]
        executor = RayExecutor(workers=count)
        drive(plans[:1], executor)  # its workers are there from now on
        begin = time.perf_counter()
        drive(some, executor)
        took = time.perf_counter() - begin
        asleep = sum(len(fold.train) for plan in some for fold in plan.task.split.folds) * config.seconds_per_clip
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        share, records = asleep / count / took, len(some) * folds / took
        print(f"{count:>8}{len(some):>6}{took:>9.1f}{share:>8.0%}{records:>11.1f}{memory:>11.0f}", flush=True)
        executor.close()


def compare(path: Path, epochs: int, rounds: int, workers: int) -> None:
    """Print how much faster several workers are; Ray is started before the first round, as for a long grid."""
    plans = plan_runs(Request(("ststnet",), settings={"epochs": str(epochs)}), [prepared(path)])
    plans = [replace(plan, task=replace(plan.task, device="cpu")) for plan in plans]
    connect(None, workers=workers + 1, gpus=0)
    one, several = RayExecutor(workers=1), RayExecutor(workers=workers)
    candidates = {
        "serial": lambda: drive(plans, Serial()),
        "ray, 1 worker": lambda: drive(plans, one),
        f"ray, {workers} workers": lambda: drive(plans, several),
    }
    print_ratios(interleaved(candidates, rounds), "serial", unit=1, name="s")


def main() -> None:
    """Print one table or the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--simulate", type=int, nargs="+", metavar="MACHINES")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--faster", type=float, default=50.0)
    options = parser.parse_args()
    if options.simulate:
        simulate(options.path, options.simulate, options.seconds, options.faster)
    else:
        compare(options.path, options.epochs, options.rounds, options.workers)


if __name__ == "__main__":
    main()
