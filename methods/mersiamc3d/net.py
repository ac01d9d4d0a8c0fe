"""A 3D convolutional trunk for one clip or two."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart

from .config import Config


class Net(nn.Module):
    """Frames, (n, frames, 1, size, size) -> features (n, hidden); the head ``classifier`` gives scores."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.trunk = made_apart("trunk", _trunk, config)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.trunk(frames.transpose(1, 2))
        return features


def _trunk(config: Config) -> nn.Sequential:
    parts: list[nn.Module] = []
    for level, (before, after) in enumerate(pairwise((1, *config.widths))):
        stride = (2 if level else 1, 2, 2)
        convolution = nn.Conv3d(before, after, 3, stride, 1, bias=False)
        parts += [convolution, nn.BatchNorm3d(after), nn.ReLU()]
    return nn.Sequential(*parts, _Pooled(), nn.Linear(4 * config.widths[-1], config.hidden), nn.ReLU())


class _Pooled(nn.Module):
    """The mean over time and over each quarter of the picture, (n, 4 channels)."""

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(maps.mean(dim=2), 2).flatten(1)


class Similarity(nn.Linear):
    """Scores of pairs: a weighted sum of the absolute differences of features, (n, n) for all pairs of a batch."""

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Score all pairs, (n, n)."""
        return super().forward((features[:, None] - features[None]).abs())[..., 0]


def pair_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of "same class" for each pair of different clips; like and unlike pairs count alike."""
    first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    same = (labels[first] == labels[second]).float()
    share = same.mean()
    weights = torch.where(same > 0, 0.5 / share.clamp_min(1e-6), 0.5 / (1 - share).clamp_min(1e-6))
    return nn.functional.binary_cross_entropy_with_logits(scores[first, second], same, weights)
