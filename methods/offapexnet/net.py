"""OFF-ApexNet: a small convolutional net for each flow component, joined by two dense layers."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Flow components, (n, 2, 28, 28) in 0..1 -> scores (n, classes).

    `activated` puts a ReLU behind each convolution and its pooling; the public port has none.
    """

    def __init__(self, classes: int, width: int = 1024, activated: bool = True) -> None:
        super().__init__()
        self.streams = nn.ModuleList(_stream(activated) for _ in range(2))
        self.dense = nn.Sequential(
            *(nn.Linear(2 * 784, width), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(width, classes),
        )

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        found = [stream(component) for stream, component in zip(self.streams, torch.split(flow, 1, dim=1), strict=True)]
        scores: Tensor = self.dense(torch.cat(found, dim=1))
        return scores


def _stream(activated: bool) -> nn.Sequential:
    def step(before: int, after: int) -> list[nn.Module]:
        convolution = nn.Conv2d(before, after, 5, padding=2)
        # A maximum of 2x2 before the ReLU is the same as after it, and leaves a quarter of the values.
        return [convolution, nn.MaxPool2d(2), nn.ReLU() if activated else nn.Identity()]

    return nn.Sequential(*step(1, 6), *step(6, 16), nn.Flatten())
