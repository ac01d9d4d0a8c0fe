"""HTNet: blocks of a tiled flow picture, transformed apart and merged level by level."""

import torch
from torch import Tensor, nn

from merbench.training.channel_transformer import MapMerge, MapTransformer, patches

#: Points of five facial landmarks in a face of 28 pixels, (x, y), which the authors' code has for faces that no
#: detector finds; the third, the nose, is not used.
POINTS = ((9.5, 11.1), (21.4, 10.9), (15.4, 17.4), (10.3, 22.1), (20.6, 22.3))


class Net(nn.Module):
    """Tiles, (n, 3, side, side), 0..255 -> scores (n, classes).

    Patches of 7 x 7 pixels are embedded; on each level, the picture is cut into 4 ** level blocks, whose places attend
    to one another within the block. With 28 pixels and three levels a block is one place, and attention does nothing.
    """

    def __init__(self, classes: int, size: int, width: int, heads: int, repeats: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = len(repeats)
        places = (size // 7 // 2 ** (self.levels - 1)) ** 2
        widths = [width * 2**level for level in range(self.levels)]
        self.embedding = nn.Linear(3 * 7 * 7, width)
        self.positions = nn.ParameterList(nn.Parameter(torch.randn(places)) for _ in repeats)
        self.transformers = nn.ModuleList(
            MapTransformer(wide, depth, heads * 2**level)
            for level, (wide, depth) in enumerate(zip(widths, repeats, strict=True))
        )
        self.merges = nn.ModuleList(MapMerge(wide) for wide in widths[:-1])
        self.norm = nn.LayerNorm(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return scores."""
        x = self.embedding(patches(tiles, 7))
        for level, (position, transformer) in enumerate(zip(self.positions, self.transformers, strict=True)):
            blocks = 2 ** (self.levels - 1 - level)
            side = x.shape[1] // blocks
            cut = x.unflatten(2, (blocks, side)).unflatten(1, (blocks, side)).transpose(2, 3)
            places = cut.reshape(-1, side**2, x.shape[3])  # those of a block
            x = transformer(places + position[:, None]).view_as(cut).transpose(2, 3).reshape_as(x)
            x = self.merges[level](x) if level < len(self.merges) else x
        scores: Tensor = self.classifier(self.norm(x).mean(dim=(1, 2)))
        return scores


def tiled(flow: Tensor) -> Tensor:
    """Cut four regions of 14 x 14 pixels from flow pictures of 28, (n, 3, 28, 28), and lay them 2 x 2.

    As in the authors' code, the points' x and y are taken for row and column; by chance, the regions around eyes and
    mouth corners are then swapped across a diagonal.
    """
    corners = [(min(max(int(x), 7), 21) - 7, min(max(int(y), 7), 21) - 7) for x, y in POINTS]
    regions = [flow[..., row : row + 14, column : column + 14] for row, column in corners]
    upper, lower = torch.cat(regions[:2], dim=-1), torch.cat(regions[3:], dim=-1)
    return torch.cat([upper, lower], dim=-2)
