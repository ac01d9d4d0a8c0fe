"""SSSNet (Varanka, Peng, Zhao, 2021), as meb trains it."""

import torch
from pydantic import Field
from torch import nn

from merbench.training.flow_net import FlowConfig, FlowNet

from .net import SMALLEST, Net


class Settings(FlowConfig):
    """Settings of SSSNet.

    - widths: channels of both convolutions, and of the dense layer
    """

    size: int = Field(64, ge=SMALLEST)
    widths: tuple[int, int, int] = (32, 64, 256)
    dropout: float = Field(0.5, ge=0, lt=1)
    weight_decay: float = Field(1e-3, ge=0)
    epochs: int = Field(200, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-4, gt=0)


class SSSNet(FlowNet):
    """A shallow net on the flow picture."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        net = Net(len(self.problem.outputs), config.size, config.widths, config.dropout)
        return net.to(memory_format=torch.channels_last)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return Adam with weight decay."""
        config = self.config
        return torch.optim.Adam(module.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True)
