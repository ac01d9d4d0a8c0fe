"""The net: MICRoFeat and MFL in parallel streams, which see the picture at different scales, and a joint head."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart
from merbench.training.layers import sig_leaky

from .config import Config


class Seen(NamedTuple):
    """Output of the net.

    ``scores`` (n, classes); ``streams``: kernel -> the map (n, channels, side, side) that enters the concatenation;
    ``feature`` (n, hidden), before the classes.
    """

    scores: Tensor
    streams: dict[int, Tensor]
    feature: Tensor


class Stream(nn.Module):
    """A stream: the first convolution of its own scale, two levels, and MFL, which combines these.

    (n, channels, size, size) -> (n, width, size / 8, size / 8); with ``mfl: concat`` twice the width. MFL halves the
    first level by a convolution and an activation, adds or appends it to the second level, and normalises the result.
    """

    def __init__(self, config: Config, kernel: int) -> None:
        super().__init__()
        edges, first, second, _ = config.widths
        self.edges = made_apart("edges", _block, config, config.channels, edges, kernel)
        self.first = made_apart("first", _block, config, edges, first)
        self.second = made_apart("second", _block, config, first, second)
        self.mfl = self.norm = None
        self.sums = config.mfl == "sum"
        if config.mfl != "off":
            self.mfl = made_apart("mfl", _convolution, config, first, second)
            self.norm = nn.BatchNorm2d(second if self.sums else 2 * second)

    def forward(self, picture: Tensor) -> Tensor:
        """Process pictures."""
        return self.combined(self.first(self.edges(picture)))

    def combined(self, first: Tensor) -> Tensor:
        """Process the first level."""
        second: Tensor = self.second(first)
        if self.mfl is None or self.norm is None:
            return second
        early = self.mfl(first)
        result: Tensor = self.norm(second + early if self.sums else torch.cat([second, early], dim=1))
        return result


class Net(nn.Module):
    """The streams, which meet in the concatenation only, a convolution over all, and two fully connected layers.

    Each part draws its weights from a random stream of its own: a net of fewer streams has the same in the others.
    """

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        *_, second, joined = config.widths
        self.streams = nn.ModuleDict(
            {str(kernel): made_apart(f"stream-{kernel}", Stream, config, kernel) for kernel in config.kernels}
        )
        width = len(config.kernels) * (2 if config.mfl == "concat" else 1) * second
        self.joined = made_apart("joined", _block, config, width, joined)
        self.pool = nn.AdaptiveAvgPool2d(config.pool)
        self.hidden = made_apart("hidden", nn.Linear, joined * config.pool**2, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = made_apart("classifier", nn.Linear, config.hidden, classes)

    def forward(self, picture: Tensor) -> Seen:
        """Process pictures, (n, channels, size, size)."""
        streams = {int(kernel): stream(picture) for kernel, stream in self.streams.items()}
        joined = self.joined(torch.cat(list(streams.values()), dim=1))
        feature = torch.relu(self.hidden(self.pool(joined).flatten(1)))
        return Seen(self.classifier(self.dropout(feature)), streams, feature)


def _convolution(config: Config, inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Return a convolution that halves the side, rounded up, and the activation."""
    activation = nn.ReLU(inplace=True) if config.activation == "relu" else sig_leaky()
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2), activation)


def _block(config: Config, inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(*_convolution(config, inputs, outputs, kernel), nn.BatchNorm2d(outputs))
