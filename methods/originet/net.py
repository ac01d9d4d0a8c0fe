"""OrigiNet: pairs of convolutions, 3 x 3 and 5 x 5, on the active image."""

import torch
from torch import Tensor, nn

from merbench.training.layers import same_convolution, sig_leaky


class Net(nn.Module):
    """Pictures, (n, 3, size, size) -> scores (n, classes).

    Every convolution halves the side, rounded up, and has the activation :func:`sig_leaky`. The sums of three pairs are
    normalised; of the last pair, which is kept apart, the 5 x 5 convolution sees the third sum before it is normalised,
    as in the authors' code, unless `normed`.

    Parameters
    ----------
    classes, size : int
        Outputs; pixels.
    widths : tuple of int
        Channels of the four pairs.
    hidden : int
        Width of the dense layers, one for each convolution of the last pair.
    memory : float
        Share of the statistics of batch norms that a batch keeps.
    """

    def __init__(
        self, classes: int, size: int, widths: tuple[int, int, int, int], hidden: int, memory: float, normed: bool
    ) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        pairs = [_pair(first, after) for first, after in zip(before, widths, strict=True)]
        self.pairs = nn.ModuleList(pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, 1e-3, 1 - memory) for width in widths[:-1])
        self.normed = normed
        side = -(-size // 16)
        self.hidden = nn.ModuleList(nn.Linear(widths[-1] * side**2, hidden) for _ in range(2))
        self.classifier = nn.Linear(2 * hidden, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return scores."""
        maps, total = pictures, pictures
        for pair, norm in zip(self.pairs, self.norms, strict=False):
            total = sum(part(maps) for part in pair.children())
            maps = norm(total)
        sees = (maps, maps if self.normed else total)
        parts = zip(self.pairs[-1].children(), self.hidden, sees, strict=True)
        scores: Tensor = self.classifier(
            torch.cat([dense(part(seen).flatten(1)) for part, dense, seen in parts], dim=1)
        )
        return scores


def _pair(before: int, after: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Sequential(same_convolution(before, after, kernel), sig_leaky()) for kernel in (3, 5))
