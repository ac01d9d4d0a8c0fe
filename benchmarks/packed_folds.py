"""Folds of STSTNet on one device: its authors' loop, one by one, several processes, packed, packed and compiled.

Run: uv run python benchmarks/packed_folds.py [PATH of megc2019-flow28] --device cuda:0             # the whole protocol
     uv run python benchmarks/packed_folds.py [PATH] --device cpu --folds 8 --epochs 5 --packs 4 8

Each variant has a warm-up of one epoch, so the times exclude imports, the start of Ray and cold compilation; they
include all folds and their tests. Compiled networks are traced again for each pack (some seconds, included).
UF1 is pooled over the folds, full part, one seed: variants differ by the draws, or by rounding (serial and packed).
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from _authors import straight_fold
from _timing import SHARED_RELEASE, interleaved, print_ratios

from merbench.engine.execute.jobs import Executor, Job, Working
from merbench.engine.execute.ray_executor import RayExecutor
from merbench.engine.execute.ray_session import connect
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs
from merbench.scoring.metrics import confusion_matrix, scores

ROWS = ("authors", "serial", "workers", "packed", "compiled")
AUTHORS = "authors' loop"


class Spoken:
    """Print the notices for the user."""

    def working(self, workers: Sequence[Working]) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Print, on one line."""
        print(text, flush=True)


def planned(path: Path, epochs: int, device: str, compiled: bool = False) -> RunPlan:
    """Plan a run of STSTNet on the release."""
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(path), [spec]))
    settings = {"epochs": str(epochs), "compiled": str(compiled).lower()}
    (plan,) = plan_runs(Request.named(("ststnet",), settings=settings), [prepared])
    return replace(plan, task=replace(plan.task, device=device))


def by_merbench(plan: RunPlan, folds: Sequence[str], executor: Executor) -> float:
    """Train and test folds; return UF1."""
    truth: list[str] = []
    predicted: list[str] = []
    for _, outcome in executor([Job(plan, plan.task, fold) for fold in folds], Spoken()):
        if outcome.failure:
            raise SystemExit(f"{outcome.fold}: {outcome.failure.type}: {outcome.failure.message.splitlines()[0]}")
        assert outcome.predictions is not None
        truth += outcome.predictions.truth.tolist()
        predicted += outcome.predictions.predicted.tolist()
    if isinstance(executor, RayExecutor):
        executor.close()  # idle workers would keep their share of the GPU from the next row
    return _uf1(plan, truth, predicted)


def by_authors(plan: RunPlan, folds: Sequence[str], epochs: int, threads: int) -> float:
    """Train and test folds by the authors' loop; return UF1."""
    classes, split = plan.task.split.problem.outputs, plan.task.split
    truth: list[str] = []
    predicted: list[str] = []
    for fold in folds:
        found = straight_fold(plan.task, fold, epochs, plan.task.device, threads)
        predicted += [classes[label] for label in found]
        truth += [classes[label] for label in split.labels[split.fold(fold).test]]
    return _uf1(plan, truth, predicted)


def _uf1(plan: RunPlan, truth: Sequence[str], predicted: Sequence[str]) -> float:
    return scores(confusion_matrix(truth, predicted, plan.task.split.problem.outputs)).uf1


def ways(options: argparse.Namespace, epochs: int, executors: dict[str, Executor]) -> dict[str, Callable[[], float]]:
    """Return the requested rows, each as a function that trains all folds for some epochs."""
    plain, compiled = (planned(options.path, epochs, options.device, each) for each in (False, True))
    folds = list(plain.file.folds)[: options.folds]
    found: dict[str, Callable[[], float]] = {}
    if "authors" in options.rows:
        found[AUTHORS] = partial(by_authors, plain, folds, epochs, options.threads)
    for name, executor in executors.items():
        plan = compiled if name.endswith("compiled") else plain
        found[name] = partial(by_merbench, plan, folds, executor)
    return found


def who(options: argparse.Namespace) -> dict[str, Executor]:
    """Return the executor of each of merbench's rows."""
    found: dict[str, Executor] = {}
    if "serial" in options.rows:
        found["serial"] = Executor(pack=1)
    if "workers" in options.rows:
        gpus = 0 if options.device == "cpu" else 1
        connect(None, workers=max(options.workers), gpus=gpus)
        for count in options.workers:
            found[f"{count} processes"] = RayExecutor(count, gpus, count if gpus else None, pack=1)
    for pack in options.packs:
        found |= {f"packed by {pack}": Executor(pack)} if "packed" in options.rows else {}
    for pack in options.packs:
        found |= {f"packed by {pack}, compiled": Executor(pack)} if "compiled" in options.rows else {}
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folds", type=int, default=68)
    parser.add_argument("--epochs", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the authors' loop")
    parser.add_argument("--workers", type=int, nargs="+", default=[4])
    parser.add_argument("--packs", type=int, nargs="+", default=[17, 68])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    executors = who(options)
    for name, warm_up in ways(options, 1, executors).items():
        begin = time.perf_counter()
        warm_up()
        print(f"warm-up of {name}: {time.perf_counter() - begin:.1f} s", flush=True)
    uf1: dict[str, float] = {}

    def kept(name: str, way: Callable[[], float]) -> None:
        uf1[name] = way()

    rows = {name: partial(kept, name, way) for name, way in ways(options, options.epochs, executors).items()}
    seconds = interleaved(rows, options.rounds, warm_up=False)
    device = torch.cuda.get_device_name(options.device) if options.device != "cpu" else "CPU"
    print(f"{options.folds} folds of {options.epochs} epochs on {device}, {os.cpu_count()} cores")
    print_ratios(seconds, AUTHORS if AUTHORS in seconds else next(iter(seconds)), unit=1, name="s")
    print("UF1: " + ", ".join(f"{name} {value:.4f}" for name, value in uf1.items()))
    if options.device != "cpu":
        print(
            f"peak memory of the device, this process: {torch.cuda.max_memory_allocated(options.device) / 2**20:.0f} MB"
        )


if __name__ == "__main__":
    main()
