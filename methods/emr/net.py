"""EMR: a residual trunk whose last map is divided into upper and lower face, with a head for each and for both."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from merbench.training.backbones import resnet18_trunk, resnet_trunk
from merbench.training.initial import made_apart

from .config import Config


class Seen(NamedTuple):
    """Output of the net: features (n, 2 hidden), upper face first, and the scores of the three heads, (n, classes)."""

    features: Tensor
    scores: Tensor
    top: Tensor
    bottom: Tensor


class Net(nn.Module):
    """Pictures, (n, 3, size, size); the first three of seven rows of the last map are the upper face."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.trunk = made_apart("trunk", _trunk, config)
        channels, hidden = 8 * config.width, config.hidden
        self.fc_top, self.fc_bottom = (made_apart(name, _reduced, channels, config) for name in ("fc_top", "fc_bottom"))
        self.classifier = made_apart("classifier", _dense, 2 * hidden, classes)
        self.classifier_top = made_apart("classifier_top", _dense, hidden, classes)
        self.classifier_bottom = made_apart("classifier_bottom", _dense, hidden, classes)
        self.critic = made_apart("critic", _critic, 2 * hidden) if config.macro else None

    def forward(self, pictures: Tensor) -> Seen:
        """Process pictures."""
        maps = self.trunk(pictures)
        rows = max(round(maps.shape[2] * 3 / 7), 1)
        top = self.fc_top(maps[:, :, :rows].mean(dim=(2, 3)))
        bottom = self.fc_bottom(maps[:, :, rows:].mean(dim=(2, 3)))
        features = torch.cat([top, bottom], dim=1)
        return Seen(features, self.classifier(features), self.classifier_top(top), self.classifier_bottom(bottom))


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is reversed and multiplied by a coefficient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, coefficient: float) -> Tensor:
        ctx.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.coefficient * gradients[0], None


def reversed_gradient(features: Tensor, coefficient: float) -> Tensor:
    """Return features as they are; their gradient is multiplied by ``-coefficient``."""
    found: Tensor = _Reversed.apply(features, coefficient)
    return found


def _trunk(config: Config) -> nn.Sequential:
    return resnet18_trunk() if config.pretrained else resnet_trunk(config.width, config.blocks)


def _dense(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _reduced(channels: int, config: Config) -> nn.Sequential:
    return nn.Sequential(_dense(channels, config.hidden), nn.Tanh(), nn.Dropout(config.dropout))


def _critic(features: int) -> nn.Sequential:
    first, second = features // 2, features // 4
    return nn.Sequential(
        *(_dense(features, first), nn.ReLU(), nn.Dropout(), _dense(first, second), nn.ReLU(), nn.Dropout()),
        _dense(second, 1),
    )
