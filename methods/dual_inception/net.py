"""Dual-Inception: two inception modules for each flow component, joined by dense layers."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Two pictures, (n, channels, 28, 28) each, in 0..1 -> scores (n, classes)."""

    def __init__(self, classes: int, channels: int = 3, width: int = 1024) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(Inception(channels, 6), nn.MaxPool2d(2), Inception(24, 16), nn.MaxPool2d(2), nn.Flatten())
            for _ in range(2)
        )
        self.dense = nn.Sequential(nn.Linear(2 * 3136, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return scores."""
        found = [stream(picture) for stream, picture in zip(self.streams, (first, second), strict=True)]
        scores: Tensor = self.dense(torch.cat(found, dim=1))
        return scores


class Inception(nn.Module):
    """Four branches of `width` maps each: 1x1; 1x1, 3x3; 1x1, 5x5; maximum of 3x3, 1x1; a ReLU behind each layer."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_convolution(before, width, 1)),
                nn.Sequential(*_convolution(before, width, 1), *_convolution(width, width, 3)),
                nn.Sequential(*_convolution(before, width, 1), *_convolution(width, width, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), *_convolution(before, width, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Process maps."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _convolution(before: int, after: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, kernel, padding=kernel // 2), nn.ReLU()
