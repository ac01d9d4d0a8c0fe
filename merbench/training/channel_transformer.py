"""Transformer blocks on maps, with normalisation over channels, as HTNet, MSCT-Net and CausalNet have them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of a map, (n, channels, height, width).

    ``(x - mean) / (deviation + 1e-5)`` if `outside`, which is HTNet's, else ``(x - mean) / sqrt(variance + 1e-5)``.
    """

    def __init__(self, channels: int, outside: bool = True) -> None:
        super().__init__()
        self.outside = outside
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised map."""
        variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
        scale = 1 / (variance.sqrt() + 1e-5) if self.outside else (variance + 1e-5).rsqrt()
        return (x - mean) * scale * self.weight + self.bias


class MapTransformer(nn.Module):
    """Pre-norm transformer blocks over the places of a map; keeps its shape.

    Parameters
    ----------
    channels, depth, heads : int
        Width; blocks; heads of ``channels // heads`` channels each, which need not use all channels.
    expansion : int
        Width of the hidden layer of each block's perceptron, in channels.
    dropout : float
        After the attention and in the perceptron.
    outside : bool
        See :class:`ChannelNorm`.
    """

    def __init__(
        self, channels: int, depth: int, heads: int, expansion: int = 4, dropout: float = 0.0, outside: bool = True
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Sequential(ChannelNorm(channels, outside), _Attention(channels, heads, dropout)),
                    nn.Sequential(ChannelNorm(channels, outside), _perceptron(channels, expansion, dropout)),
                ]
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Process maps."""
        for block in self.blocks:
            for part in block.children():
                x = x + part(x)
        return x


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Conv2d(channels, 3 * (channels // heads) * heads, 1, bias=False)
        self.out = nn.Conv2d(channels // heads * heads, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).flatten(2).unflatten(1, (3, self.heads, -1)).transpose(-1, -2).unbind(1)
        # Attention over a single place is the identity.
        found = value if value.shape[2] == 1 else scaled_dot_product_attention(query, key, value)
        result: Tensor = self.dropout(self.out(found.transpose(-1, -2).flatten(1, 2).unflatten(2, x.shape[-2:])))
        return result


def _perceptron(channels: int, expansion: int, dropout: float) -> nn.Sequential:
    wide = channels * expansion
    after, last = nn.Dropout(dropout), nn.Dropout(dropout)
    return nn.Sequential(nn.Conv2d(channels, wide, 1), nn.GELU(), after, nn.Conv2d(wide, channels, 1), last)
