"""A fold of every flow net: merbench against a straight loop, as authors of such nets write it; one thread each.

The straight loop trains the same net with the same loss and batch size: a shuffling DataLoader over a TensorDataset,
contiguous maps (n, channels, height, width), torch's plain optimiser, `loss.item()` at each step, and a pass over the
test fold after each epoch, from which public code takes its best one. Few epochs of a fold of megc2019-flow28.

Run: uv run python benchmarks/net_folds.py [PATH of megc2019-flow28] [--methods NAME:CONFIGURATION ...] [--rounds 3]
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from _timing import SHARED_RELEASE, interleaved
from torch.utils.data import DataLoader, TensorDataset

from merbench.contracts.methods import RunContext
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask, open_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

FOLD = "casme2/sub01"
#: Every net on flow images, at sizes that a CPU trains, and the epochs that are timed.
NETS = {
    "ststnet:default": 20, "rcn:a-28px-32": 3, "rcn:s-28px-32": 3, "rcn:w-28px-32": 3, "rcn:p-28px-32": 3,
    "rcn:c-28px-32": 3, "rcn:f-28px-32": 3, "off-apexnet:default": 4, "dual-inception:batch-32": 2,
    "msct-net:default": 1, "htnet:width-64": 1, "bdcnn:block-40": 1,
}  # fmt: skip


def straight_fold(task: FoldTask, epochs: int) -> list[int]:
    """Train and test a fold in a plain loop; return the classes of its test clips after the last epoch."""
    torch.set_num_threads(1)
    fold = task.split.fold(FOLD)
    train, test, _ = open_fold(task, fold, fold)
    method: Any = task.method(task.config, task.split.problem)
    method._device = torch.device("cpu")
    method.begin(train)
    net = method.module()
    context = RunContext(0)
    settings = method.phases(train, context)[-1].settings or task.config
    names = list(method.tensors(test))
    inputs, held = (
        [tensor.contiguous() for tensor in method.tensors(clips).values()] for clips in (train.inputs, test)
    )
    labels = torch.from_numpy(train.labels)
    truth = torch.from_numpy(task.split.labels[fold.test])
    batches = DataLoader(TensorDataset(*inputs, labels), batch_size=settings.batch_size, shuffle=settings.shuffle)
    tested = DataLoader(TensorDataset(*held, truth), batch_size=settings.batch_size)
    optimiser = _plain(method.optimiser(net))
    loss_of = method.phases(train, context)[-1].loss or method.loss
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(epochs):
        net.train()
        for *values, y in batches:
            batch = method.augment(dict(zip(names, values, strict=True)), generator)
            optimiser.zero_grad()
            loss = loss_of(net, batch, y)
            loss.backward()
            optimiser.step()
            loss.item()
        net.eval()
        found = []
        for *values, y in tested:
            scores = method.scores(net, dict(zip(names, values, strict=True)))
            torch.nn.functional.cross_entropy(scores, y).item()
            found += scores.argmax(1).tolist()
    return found


def _plain(optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return the same optimiser as a script makes it, not fused."""
    plain = {name: value for name, value in optimiser.defaults.items() if name != "fused"}
    return type(optimiser)(optimiser.param_groups[0]["params"], **plain)


def ratio(name: str, epochs: int, path: Path, rounds: int) -> tuple[float, float, float]:
    """Return the milliseconds an epoch of both, and the median ratio of their rounds."""
    method, _, configuration = name.partition(":")
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(path), [spec]))
    request = Request.named((method,), config=configuration, settings={"epochs": str(epochs)})
    task = plan_runs(request, [prepared])[0].task
    if failure := run_fold(task, FOLD).failure:
        sys.exit(failure.traceback)
    candidates = {"straight": lambda: straight_fold(task, epochs), "merbench": lambda: run_fold(task, FOLD)}
    seconds = interleaved(candidates, rounds, warm_up=False)
    ratios = [one / two for one, two in zip(seconds["straight"], seconds["merbench"], strict=True)]
    one, two = (1e3 / epochs * statistics.median(seconds[each]) for each in ("straight", "merbench"))
    return one, two, statistics.median(ratios)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--methods", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"one fold ({FOLD}), one thread, ms an epoch, tests included; median of {options.rounds} rounds in turn")
    print(f"{'':<28}{'straight loop':>15}{'merbench':>12}{'faster':>10}")
    found = []
    for name in options.methods:
        straight, merbench, faster = ratio(name, NETS[name], options.path, options.rounds)
        found.append(faster)
        print(f"{name:<28}{straight:>15.0f}{merbench:>12.0f}{faster:>9.2f}x", flush=True)
    print(f"{'median over nets':<28}{'':>27}{statistics.median(found):>9.2f}x   (aim: 1.5x, never below 1x)")


if __name__ == "__main__":
    main()
