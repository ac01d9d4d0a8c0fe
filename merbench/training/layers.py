"""Layers that several methods have, and those that speed up many small folds."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad


class FastDropout(nn.Module):
    """Dropout with probability 1/2 by raw random bits: the same distribution as ``nn.Dropout(0.5)``, other draws.

    On a CPU torch draws one number an element, which is a tenth of a small net's time; here a 64-bit draw serves eight.
    A fold's draws are the same whether it is trained alone or packed with others.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with half of its elements zero and the others doubled; `x` itself in eval mode."""
        if not self.training:
            return x
        draws = torch.empty(_words(x.shape.numel()), dtype=torch.int64, device=x.device).random_()
        return x * _mask(draws, x.shape)


def packed_masks(shape: Sequence[int], shares: Sequence[float], generators: Sequence[torch.Generator]) -> Tensor:
    """Draw the masks of `FastDropout` for many folds, each by its own generator: the same bits as alone.

    `shape` is that of a fold's input, clips on the first axis; `shares` are the shares of its rows that are its own,
    from the first: nothing is drawn for the padding after them. Returns zeros and twos, one mask for each fold.
    """
    count = torch.Size(shape).numel()
    draws = torch.zeros(len(generators), _words(count), dtype=torch.int64, device=generators[0].device)
    for row, share, generator in zip(draws.unbind(), shares, generators, strict=True):
        row[: _words(round(count * share))].random_(generator=generator)
    return _mask(draws, shape)


def _words(elements: int) -> int:
    return (elements + 7) // 8


def _mask(draws: Tensor, shape: Sequence[int]) -> Tensor:
    """Turn 64-bit draws into masks of zeros and twos: one of `shape` for each row of draws.

    Which draw belongs to which element depends on the shape alone, not on the memory layout. Maps are assumed to be
    channels last, which costs least if they are.
    """
    maps = len(shape) == 4
    lying = [shape[0], *shape[2:], shape[1]] if maps else list(shape)
    bits = draws.view(torch.uint8)[..., : torch.Size(shape).numel()].bitwise_and_(1).mul_(2)
    mask = bits.reshape([*draws.shape[:-1], *lying])
    return mask.movedim(-1, -3) if maps else mask


def same_convolution(before: int, after: int, kernel: int, stride: int = 2) -> nn.Conv2d:
    """Make a convolution with Keras's padding ``same``: the side is divided by the stride, rounded up.

    What is padded beyond an even number of pixels is on the right and below.
    """
    return _SameConv2d(before, after, kernel, stride)


class _SameConv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        """Process maps."""
        margins = []
        for side, kernel, stride in zip(reversed(x.shape[2:]), self.kernel_size[::-1], self.stride[::-1], strict=True):
            lacking = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            margins += [lacking // 2, lacking - lacking // 2]
        return super().forward(pad(x, margins))


def sig_leaky() -> nn.Module:
    """Make OrigiNet's activation: ``sigmoid(x) + sigmoid(x) * leaky_relu(x, 0.1)``."""
    return _SigLeaky()


class _SigLeaky(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * (1 + leaky_relu(x, 0.1))
