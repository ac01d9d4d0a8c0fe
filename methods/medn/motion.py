"""The motion branch: from the flow of a clip to motion tokens, a motion feature and scores of action units."""

from functools import partial
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart
from merbench.training.pretrained import downloaded

from .config import Config


class Motion(NamedTuple):
    """Output of the motion branch: tokens (n, places, D), feature (n, D), logits of action units (n, K)."""

    tokens: Tensor
    feature: Tensor
    action_units: Tensor


class MotionBranch(nn.Module):
    """A convolutional trunk gives tokens; their mean is the feature, which predicts the action units.

    The AU task ties the feature to explicit motion; the course over time is left to the other branch.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        make = partial(_resnet, config.trunk_pretrained) if config.trunk == "resnet18" else _small_trunk
        self.trunk, channels = made_apart("trunk", make)
        self.project = made_apart("project", nn.Conv2d, channels, config.width, 1)
        self.norm = nn.LayerNorm(config.width)
        hidden = max(config.width // 2, 8)
        inner = made_apart("action_units.inner", nn.Linear, config.width, hidden)
        outer = made_apart("action_units.outer", nn.Linear, hidden, len(config.au_vocabulary))
        self.action_units = nn.Sequential(inner, nn.GELU(), nn.Dropout(config.dropout), outer)

    def forward(self, flow: Tensor) -> Motion:
        """Process images of flow, (n, 3, size, size)."""
        tokens = self.project(self.trunk(flow)).flatten(2).transpose(1, 2)
        feature = self.norm(tokens.mean(dim=1))
        return Motion(tokens, feature, self.action_units(feature))


class _LastMap(nn.Module):
    """The last of a timm backbone's feature maps."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, flow: Tensor) -> Tensor:
        result: Tensor = self.backbone(flow)[-1]
        return result


def _resnet(pretrained: bool) -> tuple[nn.Module, int]:
    make = partial(timm.create_model, "resnet18", features_only=True, pretrained=pretrained)
    backbone: Any = downloaded("resnet18", "trunk_pretrained: false", make) if pretrained else make()
    return _LastMap(backbone), backbone.feature_info.channels()[-1]


def _small_trunk(widths: tuple[int, ...] = (16, 32, 64)) -> tuple[nn.Module, int]:
    """Three convolutions, the side of the map halved after the first two."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *widths), widths, strict=False):
        convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers[:-1]), widths[-1]


def action_unit_loss(logits: Tensor, units: Tensor, positive_weight: Tensor, counted: Tensor) -> Tensor:
    r"""Compute the masked, class-weighted binary cross-entropy of action units.

    .. math:: L = \frac{\sum_{ik} v_{ik}\,(w_k a_{ik} \log\sigma(z_{ik}) + (1 - a_{ik}) \log(1-\sigma(z_{ik})))}
              {-\sum_{ik} v_{ik}}

    z are the logits (n, K) and a the units (n, K): 1 shown, 0 not, NaN not labelled; w, for the positives only, and
    `counted`, whether an action unit is learned at all, have shape (K,). A clip without a coding of action units has
    v = 0 throughout and gets a gradient of exactly 0; a batch of such clips has loss 0.
    """
    valid = ~units.isnan() & counted
    target = torch.where(valid, units, 0.0)
    weight = torch.where(target > 0, positive_weight, 1.0)
    terms = nn.functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return torch.where(valid, weight * terms, 0.0).sum() / valid.sum().clamp(min=1)


def action_unit_weights(units: Tensor, most: float, least: int) -> tuple[Tensor, Tensor]:
    """Return the weight of each action unit's positives, and whether they are enough to learn from, shape (K,) both.

    The weight is negatives / positives in the training clips' units (n_clips, K), NaN where not labelled, within
    1 / most and most; an action unit with fewer positives than `least` is not counted.
    """
    positives, negatives = (units == 1).sum(dim=0), (units == 0).sum(dim=0)
    weight = (negatives / positives.clamp(min=1)).clamp(1 / most, most)
    return weight, positives >= least
