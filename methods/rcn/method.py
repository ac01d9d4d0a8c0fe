"""RCN-A, S, W, P, C and F (Xia et al., TIP 2020), trained as their authors' code trains them."""

from typing import Any

import torch
from pydantic import Field
from torch import nn

from merbench.training.flow_net import FlowConfig, FlowNet

from .net import Net, Variant


class Settings(FlowConfig):
    """Settings of an RCN; the defaults are RCN-A as published.

    - variant: ``a``, ``s``, ``w``, ``p``, ``c`` or ``f``
    - maps, pool: channels, and side of the map that is classified
    - third_stream: of ``f``; false uses the second one twice, as the authors' code does
    - momentum: of stochastic gradient descent
    """

    size: int = Field(60, ge=16)
    variant: Variant = "a"
    maps: int = Field(64, ge=4, multiple_of=4)
    pool: int = Field(7, ge=1)
    third_stream: bool = True
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(5e-4, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)


class RCN(FlowNet):
    """A recurrent convolutional net on the flow image."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        net = Net(config.variant, len(self.problem.outputs), config.maps, config.pool, config.third_stream)
        return net.to(memory_format=torch.channels_last)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return stochastic gradient descent; the authors' code makes a schedule, but never steps it."""
        settings: dict[str, Any] = {"lr": self.config.learning_rate, "momentum": self.config.momentum}
        return torch.optim.SGD(module.parameters(), **settings, fused=True)
