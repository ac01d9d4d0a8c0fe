"""HTNet: blocks of a tiled flow picture, transformed apart and merged level by level."""

import torch
from torch import Tensor, nn

from merbench.training.channel_transformer import ChannelNorm, MapTransformer

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
        self.embedding = nn.Conv2d(3 * 7 * 7, width, 1)
        self.positions = nn.ParameterList(nn.Parameter(torch.randn(places)) for _ in repeats)
        self.transformers = nn.ModuleList(
            MapTransformer(wide, depth, heads * 2**level)
            for level, (wide, depth) in enumerate(zip(widths, repeats, strict=True))
        )
        self.merges = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, 2 * wide, 3, padding=1), ChannelNorm(2 * wide), nn.MaxPool2d(3, 2, 1))
            for wide in widths[:-1]
        )
        self.norm = ChannelNorm(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return scores."""
        x = self.embedding(_patches(tiles))
        for level, (position, transformer) in enumerate(zip(self.positions, self.transformers, strict=True)):
            blocks = 2 ** (self.levels - 1 - level)
            side = x.shape[-1] // blocks
            cut = x.unflatten(3, (blocks, side)).unflatten(2, (blocks, side)).permute(0, 2, 4, 1, 3, 5)
            done = transformer(cut.flatten(0, 2) + position.view(side, side))
            done = done.unflatten(0, (-1, blocks, blocks)).permute(0, 3, 1, 4, 2, 5)
            x = done.flatten(4, 5).flatten(2, 3)
            x = self.merges[level](x) if level < len(self.merges) else x
        scores: Tensor = self.classifier(self.norm(x).mean(dim=(2, 3)))
        return scores


def _patches(picture: Tensor) -> Tensor:
    """Turn each patch of 7 x 7 pixels into the channels of a place: row, column, colour."""
    cut: Tensor = torch.unflatten(
        torch.unflatten(picture, 3, (-1, 7)), 2, (-1, 7)
    )  # n, colour, rows, row, columns, column
    return cut.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)


def tiled(flow: Tensor) -> Tensor:
    """Cut four regions of 14 x 14 pixels from flow pictures of 28, (n, 3, 28, 28), and lay them 2 x 2.

    As in the authors' code, the points' x and y are taken for row and column; by chance, the regions around eyes and
    mouth corners are then swapped across a diagonal.
    """
    corners = [(min(max(int(x), 7), 21) - 7, min(max(int(y), 7), 21) - 7) for x, y in POINTS]
    regions = [flow[..., row : row + 14, column : column + 14] for row, column in corners]
    upper, lower = torch.cat(regions[:2], dim=-1), torch.cat(regions[3:], dim=-1)
    return torch.cat([upper, lower], dim=-2)
