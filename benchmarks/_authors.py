"""STSTNet as trained by its authors' code: the baseline of the benchmarks."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from merbench.engine.fold.opening import FoldTask


class ThreeStreams(nn.Module):
    """STSTNet as in the paper: three parallel convolutions."""

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


def straight_fold(task: FoldTask, name: str, epochs: int, device: str = "cpu", threads: int = 1) -> list[int]:
    """Train and test a fold in a plain loop; return the classes of its test clips after the last epoch."""
    torch.set_num_threads(threads)
    fold = task.split.fold(name)
    images = torch.from_numpy(task.inputs["flow"].batch()).permute(0, 3, 1, 2).float().contiguous()
    labels = torch.from_numpy(np.asarray(task.split.labels))
    sets = [TensorDataset(images[rows], labels[rows]) for rows in (fold.train, fold.test)]
    train, test = (DataLoader(each, batch_size=256) for each in sets)
    net, loss_of = ThreeStreams().to(device), nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-5)
    for _ in range(epochs):
        net.train()
        for x, y in train:
            optimiser.zero_grad()
            scores = net(x.to(device))
            loss = loss_of(scores, y.to(device))
            loss.backward()
            optimiser.step()
            loss.item()
        net.eval()
        found: list[int] = []
        for x, y in test:
            scores = net(x.to(device))
            loss_of(scores, y.to(device)).item()
            found += scores.argmax(1).tolist()
    return found
