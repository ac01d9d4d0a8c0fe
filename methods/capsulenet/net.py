"""Capsules, their routing by agreement, and the margin loss (Sabour et al., NeurIPS 2017)."""

import torch
from torch import Tensor, nn

from merbench.training.backbones import resnet18_trunk, resnet_trunk

from .config import Config

#: Sizes of the vectors of a primary and of a class capsule.
PRIMARY, DIGIT = 8, 16


def squashed(vectors: Tensor) -> Tensor:
    """Return vectors, along the last axis, with length ``l`` turned into ``l^2 / (1 + l^2)``."""
    length = vectors.norm(dim=-1, keepdim=True)
    scaled: Tensor = vectors * (length.square() / (1 + length.square()) / (length + 1e-8))
    return scaled


class PrimaryCapsules(nn.Conv2d):
    """Vectors of 8 channels of a convolution of stride 2, squashed: (n, capsules, 8)."""

    def __init__(self, before: int, maps: int, kernel: int) -> None:
        super().__init__(before, PRIMARY * maps, kernel, stride=2)

    def forward(self, maps: Tensor) -> Tensor:
        """Process maps; capsules are in the order of row, column and map."""
        return squashed(super().forward(maps).permute(0, 2, 3, 1).reshape(len(maps), -1, PRIMARY))


class ClassCapsules(nn.Module):
    """Routing by agreement: (n, capsules, 8) -> (n, classes, 16).

    Each capsule predicts each class's vector by a matrix of its own. A class's vector is the squashed sum of the
    predictions, weighted by the softmax over classes of their agreement with it so far. Only the last of the rounds
    passes gradient.
    """

    def __init__(self, capsules: int, classes: int, routings: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(classes, capsules, DIGIT, PRIMARY))
        self.routings = routings

    def forward(self, primary: Tensor) -> Tensor:
        """Route."""
        predicted = torch.einsum("kcdp,ncp->nkcd", self.weight, primary)
        still = predicted.detach()
        agreement = still.new_zeros(still.shape[:3])
        for _ in range(self.routings - 1):
            found = squashed(torch.einsum("nkc,nkcd->nkd", agreement.softmax(dim=1), still))
            agreement = agreement + torch.einsum("nkcd,nkd->nkc", still, found)
        return squashed(torch.einsum("nkc,nkcd->nkd", agreement.softmax(dim=1), predicted))


class Head(nn.Module):
    """The trunk's map, (n, channels, side, side) -> class capsules, (n, classes, 16)."""

    def __init__(
        self,
        channels: int,
        side: int,
        classes: int,
        maps: int = 256,
        capsules: int = 32,
        kernel: int = 9,
        routings: int = 3,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, maps, kernel)
        self.primary = PrimaryCapsules(maps, capsules, kernel)
        left = (side - 2 * (kernel - 1) - 1) // 2 + 1
        self.digit = ClassCapsules(capsules * left**2, classes, routings)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the class capsules."""
        found: Tensor = self.digit(self.primary(torch.relu(self.conv(maps))))
        return found


class Net(nn.Module):
    """Apex frames, (n, 3, size, size) -> lengths of the class capsules, (n, classes), in 0..1.

    The trunk is ResNet-18's without its pooling, up to the third level.
    """

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        if config.pretrained:
            self.trunk = resnet18_trunk(levels=3, pool=False)
        else:
            self.trunk = resnet_trunk(config.width, config.blocks, levels=3, pool=False)
        sizes = (config.maps, config.capsules, config.kernel, config.routings)
        self.head = Head(4 * config.width, config.side, classes, *sizes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the lengths."""
        lengths: Tensor = self.head(self.trunk(pictures)).norm(dim=-1)
        return lengths


def margin_loss(lengths: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over clips of ``max(0, .99 - l)^2`` of their class and ``max(0, l - .01)^2 / 2`` of the others.

    `weights` (classes,) weigh the clips of a class.
    """
    own = nn.functional.one_hot(labels, lengths.shape[1])
    losses = own * (0.99 - lengths).clamp_min(0).square() + 0.5 * (1 - own) * (lengths - 0.01).clamp_min(0).square()
    found = losses.sum(dim=1)
    return found.mean() if weights is None else (weights[labels] * found).sum() / weights[labels].sum()
