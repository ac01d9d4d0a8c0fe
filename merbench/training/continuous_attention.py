"""The main branch of MMNet, which is ATM-GCN's encoder too: blocks whose attention is handed on to the next."""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["batch", "group"]


def _norm(kind: Norm, channels: int) -> nn.Module:
    """Return batch norm, or group norm of 8 groups, as far as they divide the channels."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(math.gcd(8, channels), channels)


class _AttentionBlock(nn.Module):
    """A residual block whose spatial attention is multiplied by that of the block before.

    Features ``y = ReLU(BN(conv1x1(ReLU(BN(conv3x3(x))))) + skip(x))``; `stride` is that of the 3x3 convolution, and the
    skip the identity if it fits, else BN(conv1x1(x)). Attention of a pixel::

        a = sigmoid(BN(conv1x1([mean over channels of y, maximum over channels of y])))
        a = a * maxpool3x3(attention of the block before)

    Attention can therefore only fall along a chain of blocks. `attention_norm` false leaves its BN out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, attention_norm: bool, norm: Norm) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = _norm(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.norm2 = _norm(norm, outputs)
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(norm, outputs))
        scaled = _norm(norm, 1) if attention_norm else nn.Identity()
        self.attention = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False), scaled)

    def forward(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Process features (n, inputs, h, w), given the attention of the block before, (n, 1, h, w), if it counts.

        Returns the features times the attention, and the attention, which the next block takes.
        """
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        y = torch.relu(y + self.skip(x))
        seen = torch.cat([y.mean(dim=1, keepdim=True), y.amax(dim=1, keepdim=True)], dim=1)
        attention = torch.sigmoid(self.attention(seen))
        if before is not None:
            attention = attention * nn.functional.max_pool2d(before, 3, self.stride, padding=1)
        return y * attention, attention


class AttentionChain(nn.Module):
    """Two convolutions, then blocks of attention: (n, 3, size, size) -> the last map and the attentions of all blocks.

    Parameters
    ----------
    stem_width, widths
        Channels of the first convolution, and of the blocks; the second convolution has those of the first block.
    strides
        Of the first convolution and of each block; that of the second convolution is 1.
    chain
        Multiply the attention of each block by that of the block before.
    attention_norm
        Normalise the attention before its sigmoid.
    norm
        ``batch``, or ``group``: group norm of 8 groups in place of every batch norm.
    """

    def __init__(
        self,
        stem_width: int,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        chain: bool = True,
        attention_norm: bool = True,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.stem = _convolution(3, stem_width, strides[0], norm)
        self.second = _convolution(stem_width, widths[0], 1, norm)
        self.blocks = nn.ModuleList(
            _AttentionBlock(before, after, stride, attention_norm, norm)
            for (before, after), stride in zip(pairwise((widths[0], *widths)), strides[1:], strict=True)
        )
        self.chain = chain
        for part in (*self.second.modules(), *self.blocks.modules()):
            if isinstance(part, nn.Conv2d):  # by the fan-out of ReLUs, as residual nets do
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Process pictures; attentions are (n, 1, side, side), in 0..1."""
        return self.attended(self.second(self.stem(pictures)))

    def attended(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Process features by the blocks."""
        attentions: list[Tensor] = []
        for block in self.blocks:
            x, attention = block(x, attentions[-1] if attentions and self.chain else None)
            attentions.append(attention)
        return x, attentions


def _convolution(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, _norm(norm, outputs), nn.ReLU(inplace=True))
