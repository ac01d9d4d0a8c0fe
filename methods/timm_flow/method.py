"""Any backbone of timm (https://github.com/huggingface/pytorch-image-models) on the flow image."""

from functools import partial
from typing import Literal

import timm
import torch
from pydantic import Field, field_validator
from torch import nn

from merbench.contracts.errors import SetupError, suggestion
from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.pretrained import downloaded


class Settings(FlowConfig):
    """Settings of a backbone; training is the same for all of them.

    - backbone: a name of ``timm.list_models()``
    - pretrained: begin with timm's weights, which it downloads, or finds in the cache of the model hub
    - weight_decay: of AdamW
    """

    backbone: str = "resnet18"
    pretrained: bool = False
    size: int = Field(112, ge=28)
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


class TimmFlow(FlowNet):
    """A backbone of timm on the flow image."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the backbone, with a new last layer; SetupError if it can't take images of this size."""
        config = self.config
        make = partial(timm.create_model, config.backbone, num_classes=len(self.problem.outputs))
        if "vit" in config.backbone or "swin" in config.backbone:
            make = partial(make, img_size=config.size)
        try:
            if config.pretrained:
                net: nn.Module = downloaded(config.backbone, "pretrained: false", partial(make, pretrained=True))
            else:
                net = make()
            with torch.no_grad():
                net.eval()(torch.zeros(1, 3, config.size, config.size))
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SetupError(
                f"{config.backbone} can't take images of {config.size} pixels ({why}): change size"
            ) from error
        return net.train().to(memory_format=torch.channels_last)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        config = self.config
        return torch.optim.AdamW(
            module.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
