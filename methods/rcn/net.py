"""Recurrent convolutional nets of Xia et al. (TIP 2020) and their attention without parameters."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d

from merbench.training.layers import FastDropout

Variant = Literal["a", "s", "w", "p", "c", "f"]


class Net(nn.Module):
    """A net of the family: flow pictures, (n, 3, side, side) in 0..1 -> scores (n, classes).

    ``a`` recurrent block and attention; ``s`` dense block; ``w`` parallel streams and recurrent block; ``p``, ``c`` and
    ``f``: parallel streams, dense or embedding block and attention, as an architecture search combined them.
    """

    def __init__(self, variant: Variant, classes: int, maps: int, pool: int, third_stream: bool = True) -> None:
        super().__init__()
        self.variant, self.pool = variant, pool
        self.stem = _STEMS[variant](maps)
        self.block = _Block(maps, recurrent=variant in "aw")
        self.classifier = nn.Linear(maps * pool**2, classes)
        self.third_stream = third_stream
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        return self.seen(flow)[0]

    def seen(self, flow: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return scores, and the attention, (n, 1, pool, pool) in 0..1, where the variant has one."""
        x = self.stem(flow)
        if self.variant == "f" and not self.third_stream:  # as shipped: stream 2 twice
            half, quarter = x.shape[1] // 2, x.shape[1] // 4
            x = torch.cat([x[:, : half + quarter], x[:, half : half + quarter]], dim=1)
        if self.variant in "sw":
            return self.classifier(adaptive_avg_pool2d(self.block(x), self.pool).flatten(1)), None
        seen = self.attention(flow if self.variant == "c" else x)
        if self.variant == "c":
            x = x * interpolate(seen, x.shape[-2:])
        x = adaptive_avg_pool2d(self.block(x, seen if self.variant == "f" else None), self.pool)
        if self.variant in "ap":
            x = x * seen
        return self.classifier(x.flatten(1)), seen

    def attention(self, maps: Tensor) -> Tensor:
        """Return the mean over classes of their activation maps, each scaled to 0..1: (n, 1, pool, pool).

        The map of class `k` at a place is the mean over channels `c` of ``w[k, c] x[c]``, where `w` are the
        classifier's own weights and `x` the pooled input; on the picture itself, `w` is their mean over channels. A
        constant map is 0 here and NaN in the authors' code.
        """
        weights = torch.unflatten(self.classifier.weight, 1, (-1, self.pool, self.pool))
        weights = weights.mean(dim=1, keepdim=True) if self.variant == "c" else weights
        found = (adaptive_avg_pool2d(maps, self.pool)[:, None] * weights).mean(dim=2)
        low, high = (edge(found, dim=(2, 3), keepdim=True) for edge in (torch.amin, torch.amax))
        scaled: Tensor = (found - low) / (high - low).clamp_min(1e-12)
        return scaled.mean(dim=1, keepdim=True)


class _Block(nn.Module):
    """1x1 convolution, then three passes (recurrent: two) through one 3x3 convolution with one batch norm; pooled."""

    def __init__(self, maps: int, recurrent: bool) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.first = nn.Sequential(nn.Conv2d(maps, maps, 1), nn.BatchNorm2d(maps), nn.ReLU())
        self.again = nn.Sequential(nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps), nn.ReLU())
        self.dropout = FastDropout()

    def forward(self, x: Tensor, attention: Tensor | None = None) -> Tensor:
        """Process maps; `attention` multiplies the output of the first convolution."""
        y = self.first(x)
        if attention is not None:
            y = y * interpolate(attention, y.shape[-2:])
        if self.recurrent:
            y = self.again(x + self.again(x + y))
        else:
            total = x + y
            for _ in range(2):
                total = total + self.again(total)
            y = self.again(total)
        result: Tensor = self.dropout(max_pool2d(y, 2))
        return result


class _Convolution(nn.Sequential):
    """5x5 convolution without padding, batch norm, maximum of 2x2, dropout."""

    def __init__(self, maps: int) -> None:
        pool = nn.MaxPool2d(2)
        super().__init__(nn.Conv2d(3, maps, 5), nn.BatchNorm2d(maps), nn.ReLU(), pool, FastDropout())


class _Streams(nn.Module):
    """Parallel dilated convolutions to a third of the side: of stride 3, or two followed by a maximum of 3x3."""

    def __init__(self, maps: int, strided: bool) -> None:
        super().__init__()
        stride = 3 if strided else 1
        kinds = {1: maps // 2, 2: maps // 4, 3: maps // 4} if strided else {1: maps // 2, 3: maps // 2}
        self.streams = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, width, 3, stride, dilation, dilation), nn.ReLU(), nn.BatchNorm2d(width))
            for dilation, width in kinds.items()
        )
        self.pool = nn.Identity() if strided else nn.MaxPool2d(3, 3, padding=1)
        self.dropout = FastDropout()

    def forward(self, flow: Tensor) -> Tensor:
        """Process pictures."""
        result: Tensor = self.dropout(torch.cat([self.pool(stream(flow)) for stream in self.streams], dim=1))
        return result


_STEMS: dict[Variant, Callable[[int], nn.Module]] = {
    "a": _Convolution,
    "s": _Convolution,
    "w": lambda maps: _Streams(maps, strided=True),
    "p": lambda maps: _Streams(maps, strided=False),
    "c": lambda maps: _Streams(maps, strided=True),
    "f": lambda maps: _Streams(maps, strided=True),
}
