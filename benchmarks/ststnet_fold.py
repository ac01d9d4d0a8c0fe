"""One STSTNet fold: merbench against a straight loop as its authors wrote it, one thread each, the same maths.

The straight loop has a DataLoader over a TensorDataset, three convolutions, and evaluates the test fold every epoch.
Run: uv run python benchmarks/ststnet_fold.py [PATH of megc2019-flow28] [--epochs 20] [--rounds 7]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from _timing import SHARED_RELEASE, interleaved, print_ratios
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from merbench.engine.catalogue import protocol
from merbench.engine.data import choose_data
from merbench.engine.folds import FoldTask, run_fold
from merbench.engine.plan import PreparedProtocol, Request, plan_runs

FOLD = "casme2/sub01"


class ThreeStreams(nn.Module):
    """STSTNet as its paper draws it: three convolutions side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, filters, 3, padding=2) for filters in (3, 5, 8))
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for filters in (3, 5, 8))
        self.pool, self.drop, self.join = nn.MaxPool2d(3, 3, 1), nn.Dropout(0.5), nn.AvgPool2d(2)
        self.fc = nn.Linear(400, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores."""
        pairs = zip(self.convs, self.norms, strict=True)
        streams = [self.drop(self.pool(norm(torch.relu(conv(x))))) for conv, norm in pairs]
        return self.fc(self.join(torch.cat(streams, 1)).flatten(1))


def straight_fold(task: FoldTask, epochs: int) -> None:
    """Train and test the fold in a plain loop."""
    torch.set_num_threads(1)
    fold = task.split.fold(FOLD)
    images = torch.from_numpy(task.inputs["flow"].batch()).permute(0, 3, 1, 2).float().contiguous()
    labels = torch.from_numpy(np.asarray(task.split.labels))
    sets = [TensorDataset(images[rows], labels[rows]) for rows in (fold.train, fold.test)]
    train, test = (DataLoader(each, batch_size=256) for each in sets)
    net, loss_of = ThreeStreams(), nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-5)
    for _ in range(epochs):
        net.train()
        for x, y in train:
            optimiser.zero_grad()
            scores = net(x)
            loss = loss_of(scores, y)
            loss.backward()
            optimiser.step()
            loss.item()
        net.eval()
        for x, y in test:
            loss_of(net(x), y).item()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(options.path), [spec]))
    task = plan_runs(Request(("ststnet",), settings={"epochs": str(options.epochs)}), [prepared])[0].task
    outcome = run_fold(task, FOLD)
    if outcome.failure:
        sys.exit(outcome.failure.traceback)
    candidates = {
        "straight loop": lambda: straight_fold(task, options.epochs),
        "merbench": lambda: run_fold(task, FOLD),
    }
    seconds = interleaved(candidates, options.rounds)
    print(f"one fold ({FOLD}), {options.epochs} epochs, one thread, ms per epoch")
    print_ratios(seconds, "straight loop", 1e3 / options.epochs)
    print("aim: at least 1.4x")


if __name__ == "__main__":
    main()
