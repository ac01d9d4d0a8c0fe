"""Transformer blocks on the places of a map, as HTNet, MSCT-Net and CausalNet have them.

Public code computes them by 1x1 convolutions on maps, (n, channels, height, width). Here channels come last: the same
layers are matrix products and layer norms over the last axis, which on a CPU take half the time on maps of few places.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention


class MapTransformer(nn.Module):
    """Pre-norm transformer blocks over the places of maps, (n, places, channels); keeps their shape.

    Parameters
    ----------
    channels, depth, heads : int
        Width; blocks; heads of ``channels // heads`` channels each, which need not use all channels.
    expansion : int
        Width of the hidden layer of each block's perceptron, in channels.
    dropout : float
        Of attention weights, after the attention, and in the perceptron.
    """

    def __init__(self, channels: int, depth: int, heads: int, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Sequential(nn.LayerNorm(channels), _Attention(channels, heads, dropout)),
                    nn.Sequential(nn.LayerNorm(channels), _perceptron(channels, expansion, dropout)),
                ]
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Process the places of maps."""
        for block in self.blocks:
            for part in block.children():
                x = x + part(x)
        return x


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.width = heads, channels // heads * heads
        self.qkv = nn.Linear(channels, 3 * self.width, bias=False)
        self.out = nn.Linear(self.width, channels)
        self.dropout = _Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        attend = self._alone if x.shape[1] == 1 else self._attended
        result: Tensor = self.dropout(self.out(attend(x)))
        return result

    def _alone(self, x: Tensor) -> Tensor:
        """Return the value of a single place, on which its attention is 1: query and key get no gradient."""
        value = linear(x, self.qkv.weight[2 * self.width :])
        if not (self.training and self.dropout.p):
            return value
        weights = self.dropout(value.new_ones(len(x), 1, self.heads, 1))
        kept: Tensor = torch.unflatten(value, 2, (self.heads, -1)) * weights
        return kept.flatten(2)

    def _attended(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        dropout = self.dropout.p if self.training else 0.0
        return scaled_dot_product_attention(query, key, value, dropout_p=dropout).transpose(1, 2).flatten(2)


class _Dropout(nn.Dropout):
    """Dropout by 15 random bits an element: on a CPU a third of torch's time; `p` is rounded to 1/32768."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p):
            return x
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_()
        kept = draws.view(torch.int16)[: x.numel()].bitwise_and_(0x7FFF) >= round(self.p * 0x8000)
        return x * kept.view(x.shape).to(x.dtype).mul_(1 / (1 - self.p))


def _perceptron(channels: int, expansion: int, dropout: float) -> nn.Sequential:
    wide = channels * expansion
    after, last = _Dropout(dropout), _Dropout(dropout)
    return nn.Sequential(nn.Linear(channels, wide), nn.GELU(), after, nn.Linear(wide, channels), last)


class MapMerge(nn.Sequential):
    """3x3 convolution to twice the channels, layer norm, maximum of 3x3 of stride 2, (n, height, width, channels)."""

    def __init__(self, channels: int) -> None:
        convolution = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        super().__init__(convolution, nn.LayerNorm(2 * channels), nn.MaxPool2d(3, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Process maps."""
        convolution, norm, pool = self
        normed: Tensor = norm(convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        merged: Tensor = pool(normed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return merged


def patches(pictures: Tensor, side: int) -> Tensor:
    """Cut pictures, (n, colours, height, width), into patches, (n, rows, columns, side * side * colours).

    Values of a patch are in the order row, column, colour.
    """
    cut = torch.unflatten(torch.unflatten(pictures, 3, (-1, side)), 2, (-1, side))
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3)
