"""LEARNet: four columns of convolutions, two of which take in the maps of their neighbours."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart
from merbench.training.layers import same_convolution

#: Batch norm as Keras has it.
EPSILON = 1e-3


class Net(nn.Module):
    """Pictures, (n, 3, size, size) -> scores (n, classes).

    Every convolution halves the side, rounded up, and has a ReLU. The second and the fourth column add the maps of the
    first and the third to their own after the first two convolutions, and normalise the sum.

    Parameters
    ----------
    classes, size : int
        Outputs; pixels.
    widths : tuple of int
        Channels of the stem and of the columns' first convolution, of their second and third, and of the last one.
    hidden : int
        Width of the dense layer.
    memory : float
        Share of the statistics of batch norms that a batch keeps.
    """

    def __init__(
        self, classes: int, size: int, widths: tuple[int, int, int, int], hidden: int, memory: float, dropout: float
    ) -> None:
        super().__init__()
        first, second, third, last = widths
        self.stem = _convolution(3, first, 3)
        self.columns = nn.ModuleList(made_apart(f"column-{number}", _column, widths) for number in range(4))
        self.norms = nn.ModuleDict(
            {
                f"{column}-{step}": _norm(width, memory)
                for column in (1, 3)
                for step, width in enumerate((first, second))
            }
        )
        self.joined = _norm(4 * third, memory)
        self.last = _convolution(4 * third, last, 3)
        side = -(-size // 32)
        self.head = nn.Sequential(
            OrderedDict(hidden=nn.Linear(last * side**2, hidden), relu=nn.ReLU(), dropout=nn.Dropout(dropout))
        )
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return scores."""
        stem = self.stem(pictures)
        found = []
        for left, right in ((0, 1), (2, 3)):
            plain, summed = stem, stem
            for step in range(2):
                plain = self.columns[left].get_submodule(str(step))(plain)
                own = self.columns[right].get_submodule(str(step))(summed)
                summed = self.norms[f"{right}-{step}"](plain + own)
            found += [self.columns[left].get_submodule("2")(plain), self.columns[right].get_submodule("2")(summed)]
        maps = self.last(self.joined(torch.cat(found, dim=1)))
        scores: Tensor = self.classifier(self.head(maps.flatten(1)))
        return scores


def _convolution(before: int, after: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(same_convolution(before, after, kernel), nn.ReLU())


def _norm(width: int, memory: float) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, EPSILON, 1 - memory)


def _column(widths: tuple[int, int, int, int]) -> nn.Sequential:
    first, second, third, _ = widths
    return nn.Sequential(_convolution(first, first, 1), _convolution(first, second, 3), _convolution(second, third, 5))
