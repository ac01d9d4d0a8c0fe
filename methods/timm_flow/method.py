"""Any backbone of timm (https://github.com/huggingface/pytorch-image-models) on the flow image."""

import torch
from pydantic import Field
from torch import nn

from merbench.training.backbones import BackboneConfig, timm_backbone
from merbench.training.flow_net import FlowConfig, FlowNet


class Settings(BackboneConfig, FlowConfig):
    """Settings of a backbone on the flow image."""

    size: int = Field(112, ge=28)


class TimmFlow(FlowNet):
    """A backbone of timm on the flow image."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the backbone, with a new last layer; SetupError if it can't take images of this size."""
        config, classes = self.config, len(self.problem.outputs)
        net = timm_backbone(config.backbone, config.size, config.pretrained, num_classes=classes)
        return net.to(memory_format=torch.channels_last)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        return self.config.optimiser(module)
