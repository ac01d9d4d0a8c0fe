"""Dual-Inception (Zhou, Mao, Xue, 2019)."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.torch_method import Batch

from .net import Net


class Settings(FlowConfig):
    """Settings of Dual-Inception.

    - copies: channels in which each component is repeated; the authors read grey pictures as colour
    - width: of the dense layer
    """

    size: Literal[28] = 28
    copies: int = Field(3, ge=1)
    width: int = Field(1024, ge=1)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(3, ge=1)
    learning_rate: float = Field(1e-4, gt=0)


class DualInception(FlowNet):
    """Two inception modules for each component of the flow."""

    Config = Settings
    config: Settings
    channels: ClassVar[tuple[Literal["u", "v", "strain"], ...]] = ("u", "v")

    def module(self) -> nn.Module:
        """Return the net, channels last, which is what its convolutions are fastest in on a CPU."""
        net = Net(len(self.problem.outputs), self.config.copies, self.config.width)
        return net.to(memory_format=torch.channels_last)

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        copies = [part.expand(-1, self.config.copies, -1, -1) for part in torch.split(batch["flow"], 1, dim=1)]
        scores: Tensor = module(*(each.contiguous(memory_format=torch.channels_last) for each in copies))
        return scores
