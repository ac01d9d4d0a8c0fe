"""MSCT-Net, as the public code has it."""

from typing import Literal

from pydantic import Field
from torch import nn

from merbench.training.flow_net import FlowConfig, FlowNet

from .net import Net


class Settings(FlowConfig):
    """Settings of MSCT-Net.

    - width, heads: channels of all branches, and heads of their attention
    - depths: transformer blocks of the branches with patches of 7, 14 and 28 pixels
    """

    size: Literal[28] = 28
    width: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    depths: tuple[int, int, int] = (2, 2, 8)
    dropout: float = Field(0.1, ge=0, lt=1)
    epochs: int = Field(200, ge=1)
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(5e-5, gt=0)


class MSCTNet(FlowNet):
    """Three branches that see the flow picture in patches of three sizes."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        return Net(len(self.problem.outputs), config.width, config.heads, config.depths, config.dropout)
