"""The same folds with one worker and with several, in turn; and a simulated cluster of many machines.

Run: uv run python benchmarks/workers.py [PATH of megc2019-flow28] [--epochs 20] [--folds 8] [--rounds 3] [--workers 2]
     uv run python benchmarks/workers.py --simulate 1 4 16 64 [--each 16]

Machines and folds are simulated: two processes act as all workers, which sleep as long as folds of 20 methods train,
33 s (`ststnet`), 10 s (`medn:small`) and 0.1 s (`svm-flow`), varied with their training clips, and return
the predictions of a real fold. The largest cluster runs in real time, smaller ones faster in proportion, so that the
driver handles the same number of folds per second. The driver is the real one, in wall time: order, groups, calls
through Ray, progress of workers, transfer of outcomes, records on disk, merging of runs.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from _timing import SHARED_RELEASE, interleaved, print_ratios
from rich.console import Console

from merbench.cli.display import grid_display
from merbench.engine.execute.grid import execute
from merbench.engine.execute.jobs import Executor, Observer
from merbench.engine.execute.ray_executor import RayExecutor
from merbench.engine.execute.ray_session import connect
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs
from merbench.records.outcome import FoldOutcome

if TYPE_CHECKING:
    from merbench.engine.execute.ray_worker import Answer, Place

#: Seconds of a fold of each method, and the seeds.
SECONDS, SEEDS = (33.0,) * 8 + (10.0,) * 8 + (0.1,) * 4, tuple(range(5))
#: Processes that act as workers.
HOSTS = 2


def prepared(path: Path) -> PreparedProtocol:
    """Split the release by MEGC 2019."""
    spec = protocol("megc2019")
    return PreparedProtocol.of(spec, choose_data(str(path), [spec]))


def drive(plans: Sequence[RunPlan], runs: Path, executor: Executor, folds: Sequence[str] = ()) -> None:
    """Run a grid; nothing is displayed."""
    execute(plans, runs, grid_display(Console(quiet=True)), folds, executor=executor)


class Host:
    """Act as many workers, which sleep as long as their folds would train.

    Parameters
    ----------
    outcomes : mapping
        Fold -> its outcome, computed once.
    lengths : mapping
        Setting `epochs` of a run -> seconds per training clip.
    """

    def __init__(self, outcomes: Mapping[str, FoldOutcome], lengths: Mapping[int, float]) -> None:
        self._outcomes, self._lengths = outcomes, lengths

    async def hello(self, versions: Mapping[str, Any]) -> "Place":
        """Return where it is."""
        return "simulated", "", ()

    async def execute(
        self, worker: tuple[str, Any, float], sent: Sequence[Any], packs: Sequence[Sequence[str]]
    ) -> "Answer":
        """Sleep, and report to the board now and then, as a worker does."""
        name, board, every = worker
        task = (await sent[0]).task
        found = []
        for (fold,) in packs:
            outcome = self._outcomes[fold]
            seconds = self._lengths[task.config.epochs] * outcome.train_clips
            begin, slept = time.monotonic(), 0.0
            while slept < seconds:
                board.report.remote(name, fold, int(800 * slept / seconds), 800)
                await asyncio.sleep(min(every, seconds - slept))
                slept = time.monotonic() - begin
            found.append(replace(outcome, seconds=outcome.seconds | {"total": seconds}))
        return tuple(found), None, ()


class Hiring:
    """A replacement for the executor's worker class: handles like an actor's, to the hosts."""

    def __init__(self, hosts: Sequence[Any]) -> None:
        self._hosts = itertools.cycle(hosts)

    def options(self, **resources: float) -> Self:
        """Leave resources to the executor's own count."""
        return self

    def remote(self, name: str, board: Any, every: float, path: Sequence[str]) -> SimpleNamespace:
        """Hire a worker."""
        host = next(self._hosts)
        execute = SimpleNamespace(remote=lambda sent, packs: host.execute.remote((name, board, every), sent, packs))
        return SimpleNamespace(hello=host.hello, execute=execute)


class SimulatedCluster(RayExecutor):
    """The executor, except for the machines that it counts and the processes behind its workers."""

    def __init__(self, workers: int, outcomes: Mapping[str, FoldOutcome], lengths: Mapping[int, float]) -> None:
        super().__init__(workers, gpus=0)
        host = self._ray.remote(Host).options(num_cpus=0, max_concurrency=workers)
        self._cpus = float(workers)
        self._worker_class = Hiring([host.remote(outcomes, lengths) for _ in range(HOSTS)])

    def _look_at_machines(self, observer: Observer) -> None:
        """Leave it at the number of CPUs that are simulated."""

    def _dismiss(self, worker: Any) -> None:
        self._hired.remove(worker)


def simulate(path: Path, nodes: int, each: int, faster: float) -> None:
    """Print the scaling of the driver with many machines."""
    lengths = dict(enumerate(SECONDS, 1))
    split = [prepared(path)]
    plans = [
        plan
        for epochs in lengths
        for plan in plan_runs(Request.named(("ststnet",), settings={"epochs": str(epochs)}, seeds=SEEDS), split)
    ]
    plans = [replace(plan, task=replace(plan.task, device="cpu")) for plan in plans]
    outcomes = {fold: run_fold(plans[0].task, fold) for fold in plans[0].file.folds}
    mean = statistics.mean(outcome.train_clips for outcome in outcomes.values())
    lengths = {epochs: seconds / mean / faster for epochs, seconds in lengths.items()}
    total = sum(lengths[plan.task.config.epochs] * outcomes[fold].train_clips for plan in plans for fold in outcomes)
    connect(None, workers=1, gpus=0)
    executor = SimulatedCluster(nodes * each, outcomes, lengths)
    with tempfile.TemporaryDirectory() as folder:
        before, begin = time.process_time(), time.perf_counter()
        drive(plans, Path(folder), executor)
        took, busy = time.perf_counter() - begin, time.process_time() - before
    ideal, jobs = total / (nodes * each), len(plans) * len(outcomes)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{nodes:>5}{nodes * each:>9}{faster:>8g}{took:>8.1f}{ideal:>8.1f}{ideal / took:>8.0%}{busy / took:>12.0%}"
        f"{1e3 * busy / jobs:>11.1f}{memory:>11.0f}{jobs / took:>11.1f}",
        flush=True,
    )


def simulate_all(path: Path, nodes: Sequence[int], each: int) -> None:
    """Print a line for each number of nodes; the largest runs in real time."""
    jobs = len(SECONDS) * len(SEEDS) * 68
    print(f"{len(SECONDS)} methods x {len(SEEDS)} seeds x 68 folds = {jobs} jobs, {each} workers per node")
    print("nodes  workers  faster    wall   ideal  linear  driver CPU  ms per job driver MB  records/s", flush=True)
    for count in nodes:
        process = multiprocessing.get_context("fork").Process(
            target=simulate, args=(path, count, each, max(nodes) / count)
        )
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


def compare(path: Path, epochs: int, folds: int, rounds: int, workers: int) -> None:
    """Print the speed-up by several workers; Ray is started before the first round, as for a long grid."""
    plans = plan_runs(Request.named(("ststnet",), settings={"epochs": str(epochs)}), [prepared(path)])
    plans = [replace(plan, task=replace(plan.task, device="cpu")) for plan in plans]
    some = list(plans[0].file.folds)[:folds]
    connect(None, workers=workers + 1, gpus=0)
    one, several = RayExecutor(workers=1), RayExecutor(workers=workers)

    def run(executor: Executor) -> None:
        with tempfile.TemporaryDirectory() as folder:
            drive(plans, Path(folder), executor, some)

    candidates = {
        "serial": lambda: run(Executor()),
        "ray, 1 worker": lambda: run(one),
        f"ray, {workers} workers": lambda: run(several),
    }
    print(f"{len(some)} folds of {epochs} epochs; Ray and its workers are started in a round before the first")
    print_ratios(interleaved(candidates, rounds), "serial", unit=1, name="s")


def main() -> None:
    """Print one table or the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--simulate", type=int, nargs="+", metavar="NODES")
    parser.add_argument("--each", type=int, default=4, help="workers a node, such as one a GPU")
    options = parser.parse_args()
    if options.simulate:
        simulate_all(options.path, options.simulate, options.each)
    else:
        compare(options.path, options.epochs, options.folds, options.rounds, options.workers)


if __name__ == "__main__":
    main()
