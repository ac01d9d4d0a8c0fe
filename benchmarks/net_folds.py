"""A fold of every flow net: merbench against a straight loop, as authors of such nets write it; one thread each.

The straight loop has a shuffling DataLoader over a TensorDataset, torch's plain optimiser, `loss.item()` at each step,
and a pass over the test fold: after each epoch where the authors' code tests or validates after each, to take its best
one, else once. Two nets are trained in it: merbench's own on contiguous maps, so that only the loop differs, and the
net as its authors' code writes it (`_authors_nets.py` says where each comes from), which is held equal to merbench's in
its scores and its loss for the same weights. The RCNs' code reads each picture from its file at each epoch, and so does
the authors' loop here, but without their worker process, whose start it would pay for at each epoch. Not in it: BDCNN's
files, its pass over a validation share and the state that it saves after each epoch. Few epochs of a fold of
megc2019-flow28, in processor seconds.

Run: uv run python benchmarks/net_folds.py [PATH of megc2019-flow28] [--methods NAME:CONFIGURATION ...] [--rounds 3]
"""

import argparse
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _authors_nets import AUTHORS, EACH_EPOCH, PictureFiles
from _timing import SHARED_RELEASE, interleaved
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask, open_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

FOLD = "casme2/sub01"
#: Every net on flow images, at sizes that a CPU trains, and the epochs that are timed.
NETS = {
    "ststnet:default": 30, "rcn:a-28px-32": 8, "rcn:s-28px-32": 8, "rcn:w-28px-32": 8, "rcn:p-28px-32": 8,
    "rcn:c-28px-32": 8, "rcn:f-28px-32": 8, "off-apexnet:default": 8, "dual-inception:batch-32": 3,
    "msct-net:default": 2, "htnet:width-64": 2, "bdcnn:block-40": 2,
}  # fmt: skip


class _Opened:
    """A fold opened for a plain loop: the method with its net, and the tensors of training and test clips."""

    def __init__(self, task: FoldTask) -> None:
        torch.set_num_threads(1)
        fold = task.split.fold(FOLD)
        train, test, _ = open_fold(task, fold, fold)
        self.method: Any = task.method(task.config, task.split.problem)
        self.method._device = torch.device("cpu")
        self.method.begin(train)
        self.net: Any = self.method.module()
        self.names = list(self.method.tensors(test))
        given = (torch.from_numpy(train.labels), torch.from_numpy(task.split.labels[fold.test]))
        self.train, self.test = (
            TensorDataset(*(tensor.contiguous() for tensor in self.method.tensors(clips).values()), labels)
            for clips, labels in zip((train.inputs, test), given, strict=True)
        )

    def scores(self, net: Any, values: list[Tensor]) -> Tensor:
        """Return the scores of a batch by merbench's net, or by the authors'."""
        if net is self.net:
            return self.method.scores(net, dict(zip(self.names, values, strict=True)))
        return net(*values)

    def loss(self, net: Any, values: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of a batch; that of the authors' net is its own, or cross-entropy."""
        if net is self.net:
            return self.method.loss(net, dict(zip(self.names, values, strict=True)), labels)
        if hasattr(net, "loss"):
            return net.loss(*values, labels, self.method.epoch / self.method.config.epochs)
        return nn.functional.cross_entropy(net(*values), labels)


def check_authors(task: FoldTask, name: str) -> None:
    """Raise an AssertionError if the authors' net, with the weights of merbench's, has other scores or another loss."""
    opened = _Opened(task)
    opened.method.epoch = 1
    nets = [net.eval() for net in (AUTHORS[name](opened.net, opened.method), opened.net)]
    *values, labels = opened.train[:8]
    for of in (partial(opened.scores, values=values), partial(opened.loss, values=values, labels=labels)):
        torch.testing.assert_close(*map(of, nets), rtol=1e-4, atol=1e-4)


def straight_fold(task: FoldTask, name: str, epochs: int, authors: Path | None = None) -> list[int]:
    """Train and test a fold in a plain loop; return the classes of its test clips after the last epoch.

    `authors` is a folder for their files; None trains merbench's net.
    """
    opened = _Opened(task)
    net, method = opened.net, opened.method
    size, shuffle, train = task.config.batch_size, task.config.shuffle, opened.train
    if authors:
        net = AUTHORS[name](net, method)
        train = PictureFiles(authors, train) if name == "rcn" else train
    batches, tested = DataLoader(train, size, shuffle), DataLoader(opened.test, size)
    optimiser = _plain(method.optimiser(opened.net), net)
    found: list[int] = []
    for method.epoch in range(1, epochs + 1):
        net.train()
        for *values, labels in batches:
            optimiser.zero_grad()
            loss = opened.loss(net, values, labels)
            loss.backward()
            optimiser.step()
            loss.item()
        if name in EACH_EPOCH or method.epoch == epochs:
            net.eval()
            found = []
            for *values, labels in tested:
                scores = opened.scores(net, values)
                nn.functional.cross_entropy(scores, labels).item()
                found += scores.argmax(1).tolist()
    return found


def _plain(optimiser: torch.optim.Optimizer, net: nn.Module) -> torch.optim.Optimizer:
    """Return the same optimiser of a net's parameters as a script makes it, not fused."""
    plain = {name: value for name, value in optimiser.defaults.items() if name != "fused"}
    return type(optimiser)(net.parameters(), **plain)


def timed(name: str, epochs: int, path: Path, rounds: int, folder: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds an epoch of merbench and of both straight loops, and the median ratios of the latter."""
    method, _, configuration = name.partition(":")
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(path), [spec]))
    request = Request.named((method,), config=configuration, settings={"epochs": str(epochs)})
    task = plan_runs(request, [prepared])[0].task
    check_authors(task, method)
    if failure := run_fold(task, FOLD).failure:
        sys.exit(failure.traceback)
    candidates = {
        "merbench": partial(run_fold, task, FOLD),
        "same net": partial(straight_fold, task, method, epochs),
        "authors": partial(straight_fold, task, method, epochs, folder),
    }
    if method == "rcn":
        PictureFiles(folder, _Opened(task).train)  # written before they are read
    seconds = interleaved(candidates, rounds, warm_up=False, clock=time.process_time)
    ours, *others = seconds.values()
    ratios = [statistics.median(one / two for one, two in zip(other, ours, strict=True)) for other in others]
    return [1e3 / epochs * statistics.median(each) for each in seconds.values()], ratios


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--methods", nargs="*", default=list(NETS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"one fold ({FOLD}), one thread, processor ms an epoch with tests; median of {options.rounds} rounds in turn")
    print(f"{'':<28}{'merbench':>10}{'same net':>10}{'authors':>10}{'faster:':>10}{'same net':>10}{'authors':>10}")
    found = []
    for name in options.methods:
        with tempfile.TemporaryDirectory() as folder:
            milliseconds, faster = timed(name, NETS[name], options.path, options.rounds, Path(folder))
        found.append(faster)
        times = "".join(f"{each:>10.0f}" for each in milliseconds)
        print(f"{name:<28}{times}{'':>10}" + "".join(f"{each:>9.2f}x" for each in faster), flush=True)
    medians = "".join(f"{statistics.median(each):>9.2f}x" for each in zip(*found, strict=True))
    print(f"{'median over nets':<28}{'':>40}{medians}   (aim: 1.5x, never below 1x)")


if __name__ == "__main__":
    main()
