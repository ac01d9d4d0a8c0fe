"""CausalNet: four pictures of a clip by two trunks, attention between neighbours, and between rise and decay."""

import torch
from torch import Tensor, nn

from merbench.training.channel_transformer import MapMerge, MapTransformer

PATCH = 7
HEADS = 8


class Net(nn.Module):
    """Tiles, (n, pictures, 3, 28, 28) in 0..255 -> scores (n, classes).

    The pictures are the flow of rise and decay, and, if there are four, maps of the positions that move in both. Each
    pair has a trunk, whose last map is a single place of ``4 * width`` channels; these are taken for 2 x 2 places of
    `width` channels, as in the authors' code.
    """

    def __init__(
        self,
        classes: int,
        width: int = 256,
        heads: int = 3,
        repeats: tuple[int, int, int] = (3, 3, 9),
        gamma: float = 0.5,
        positions: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = _Trunk(width, heads, repeats)
        self.position_trunk = _Trunk(width, heads, repeats) if positions else None
        self.cross = nn.ModuleList(_Cross(width, gamma) for _ in range(repeats[-1] if positions else 0))
        self.norm = nn.LayerNorm(width)
        self.spatial = NeighbourAttention(width, gamma, (width // HEADS) ** -0.5)
        self.temporal = TemporalAttention(width)
        self.forwards = _perceptron(width)
        self.mining = _Mining(width)
        # No activation between both layers, as in the authors' code.
        self.classifier = nn.Sequential(nn.Linear(12 * width, 8 * width), nn.Linear(8 * width, classes))

    def forward(self, tiles: Tensor) -> Tensor:
        """Return scores."""
        rise, decay = (self.trunk(tiles[:, each]) for each in (0, 1))
        if self.position_trunk is not None:
            first, second = (self.position_trunk(tiles[:, each]) for each in (2, 3))
            for layer in self.cross:
                first, second = layer(first, second)
            rise, decay = rise + first, decay + second
        before, after = self._caused(rise, decay)
        back, origin = self._caused(decay, rise)
        scores: Tensor = self.classifier(torch.cat([self.mining(after, origin), before, back], dim=1).flatten(1))
        return scores

    def _caused(self, cause: Tensor, effect: Tensor) -> tuple[Tensor, Tensor]:
        """Return both as seen in the order of cause and effect, (n, 4, width) each."""
        cause, effect = self.norm(cause), self.norm(effect)
        cause, effect = cause + self.spatial(cause, cause), effect + self.spatial(effect, effect)
        effect = effect + self.temporal(cause, effect)
        return cause + self.forwards(cause), effect + self.forwards(effect)


class _Trunk(nn.Module):
    """Tiles, (n, 3, 28, 28) -> (n, 4, width): HTNet's levels with one place a block, where attention does nothing."""

    def __init__(self, width: int, heads: int, repeats: tuple[int, int, int]) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.embedding = nn.Conv2d(3, width, PATCH, PATCH)
        self.positions = nn.ParameterList(nn.Parameter(torch.randn(1)) for _ in widths)
        self.transformers = nn.ModuleList(
            MapTransformer(wide, depth, heads * 2**level)
            for level, (wide, depth) in enumerate(zip(widths, repeats, strict=True))
        )
        self.merges = nn.ModuleList(MapMerge(wide) for wide in widths[:-1])

    def forward(self, tiles: Tensor) -> Tensor:
        x = self.embedding(tiles).permute(0, 2, 3, 1)
        for level, (position, transformer) in enumerate(zip(self.positions, self.transformers, strict=True)):
            x = transformer(x.reshape(-1, 1, x.shape[3]) + position).view(x.shape)
            x = self.merges[level](x) if level < len(self.merges) else x
        return torch.unflatten(x.flatten(1), 1, (-1, 4)).transpose(1, 2)


class NeighbourAttention(nn.Module):
    """Attention of 2 x 2 places, (n, 4, width), over those of `context` that share an edge with them, and their own.

    A place at the corner, `j`, has the score ``-(j + 1) gamma`` in the softmax, whatever it holds, and no weight after.
    """

    reached: Tensor
    penalty: Tensor

    def __init__(self, width: int, gamma: float, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.query, self.key_value, self.out = (nn.Linear(width, each * width) for each in (1, 2, 1))
        opposite = torch.eye(4).flip(0)  # places in rows: 0 and 3, and 1 and 2, touch at a corner only
        self.register_buffer("reached", 1 - opposite, persistent=False)
        self.register_buffer("penalty", -gamma * opposite * torch.arange(1, 5), persistent=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return what `x` takes from `context`."""
        query, (key, value) = _heads(self.query(x)), (_heads(each) for each in self.key_value(context).chunk(2, dim=-1))
        dots = query @ key.transpose(-1, -2) * self.scale
        weights = (dots * self.reached + self.penalty).softmax(dim=-1) * self.reached
        found: Tensor = self.out(_joined(weights @ value))
        return found


class TemporalAttention(nn.Module):
    """Attention of each place of `effect` over the same place of `cause` and its own, (n, 4, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key_value, self.out = (nn.Linear(width, each * width) for each in (1, 2, 1))

    def forward(self, cause: Tensor, effect: Tensor) -> Tensor:
        """Return what `effect` takes from both."""
        query = _heads(self.query(effect))
        both = [[_heads(each) for each in self.key_value(x).chunk(2, dim=-1)] for x in (cause, effect)]
        keys, values = (torch.stack(pair, dim=3) for pair in zip(*both, strict=True))
        weights = ((query[:, :, :, None] * keys).sum(dim=-1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        found: Tensor = self.out(_joined((weights[..., None] * values).sum(dim=3)))
        return found


class _Cross(nn.Module):
    """A layer of cross attention between the positions of rise and decay, with one set of weights for both."""

    def __init__(self, width: int, gamma: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = NeighbourAttention(width, gamma, width**-0.5)
        self.forwards = _perceptron(width)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        ours, theirs = self.norm(first), self.norm(second)
        first = first + self.attention(ours, second)
        second = second + self.attention(theirs, first)
        return first + self.forwards(first), second + self.forwards(second)


class _Mining(nn.Module):
    """Attention of the effect in the order of time over that in the other order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, ahead: Tensor, back: Tensor) -> Tensor:
        query, key, value = map(_heads, (self.query(ahead), self.key(back), self.value(ahead + back)))
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.out(_joined(found) + ahead + back)
        return result


def _heads(x: Tensor) -> Tensor:
    """Cut (n, 4, width) to (n, heads, 4, width / heads)."""
    return torch.unflatten(x, 2, (HEADS, -1)).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
