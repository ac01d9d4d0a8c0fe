"""Backbones: those of timm by name, and ResNet-18's trunk in any width."""

from collections import OrderedDict
from functools import partial
from typing import Any, Literal

import timm
import torch
from pydantic import Field, field_validator
from timm.models.resnet import BasicBlock
from torch import nn

from merbench.contracts.errors import SetupError, suggestion
from merbench.training.pretrained import downloaded
from merbench.training.torch_method import TorchConfig


class BackboneConfig(TorchConfig):
    """Settings of a backbone of timm; training is the same for all of them.

    Attributes
    ----------
    backbone : str
        A name of ``timm.list_models()``.
    pretrained : bool
        Begin with timm's weights, which it downloads, or finds in the cache of the model hub.
    weight_decay : float
        Of AdamW.
    """

    backbone: str = "resnet18"
    pretrained: bool = False
    weight_decay: float = Field(0.05, ge=0)
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    warmup_epochs: float = Field(2, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"

    @field_validator("backbone")
    @classmethod
    def _known(cls, name: str) -> str:
        if not timm.is_model(name):
            raise ValueError(f"timm has no model {name!r}{suggestion(name, timm.list_models())}")
        return name

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(module.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True)


def timm_backbone(name: str, size: int, pretrained: bool = False, **settings: Any) -> nn.Module:
    """Make a backbone of timm for pictures of `size` pixels, (n, 3, size, size), in training mode.

    `settings` are timm's, such as ``num_classes``. SetupError, in one line, if it can't take the size, or if its
    pretrained weights can't be had.
    """
    make = partial(timm.create_model, name, **settings)
    if "vit" in name or "swin" in name:
        make = partial(make, img_size=size)
    try:
        net: nn.Module = downloaded(name, "pretrained: false", partial(make, pretrained=True)) if pretrained else make()
        with torch.no_grad():
            net.eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SetupError(f"{name} can't take images of {size} pixels ({why}): change size") from error
    return net.train()


def resnet_trunk(width: int = 64, blocks: int = 2, levels: int = 4, pool: bool = True) -> nn.Sequential:
    """Make the convolutions of a ResNet of basic blocks, (n, 3, size, size) -> (n, width * 2 ** (levels - 1), ...).

    A stem of stride 2, and of 4 with `pool`, then `levels` levels of `blocks` blocks, all but the first halving the
    side. With the defaults it is ResNet-18's. Parameters have timm's names.
    """
    parts = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(3, width, 7, 2, 3, bias=False), bn1=nn.BatchNorm2d(width), relu=nn.ReLU()
    )
    if pool:
        parts["pool"] = nn.MaxPool2d(3, 2, 1)
    for level in range(levels):
        parts[f"layer{level + 1}"] = _level(width * 2 ** max(level - 1, 0), width * 2**level, blocks)
    trunk = nn.Sequential(parts)
    for part in trunk.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    return trunk


def _level(before: int, after: int, blocks: int) -> nn.Sequential:
    first = BasicBlock(before, after)
    if before != after:
        skip = nn.Sequential(nn.Conv2d(before, after, 1, 2, bias=False), nn.BatchNorm2d(after))
        first = BasicBlock(before, after, stride=2, downsample=skip)
    return nn.Sequential(first, *(BasicBlock(after, after) for _ in range(blocks - 1)))


def resnet18_trunk(levels: int = 4, pool: bool = True) -> nn.Sequential:
    """Return ResNet-18's trunk with timm's weights; SetupError, in one line, if they can't be had."""
    trunk = resnet_trunk(levels=levels, pool=pool)
    make = partial(timm.create_model, "resnet18", pretrained=True)
    known: Any = downloaded("resnet18", "pretrained: false", make).state_dict()
    trunk.load_state_dict({name: known[name] for name in trunk.state_dict()})
    return trunk
