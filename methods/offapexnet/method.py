"""OFF-ApexNet (Gan et al., 2019)."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from merbench.training.flow_net import FlowConfig, FlowNet

from .net import Net


class Settings(FlowConfig):
    """Settings of OFF-ApexNet.

    - width: of both dense layers
    - activated: a ReLU behind each convolution
    """

    size: Literal[28] = 28
    width: int = Field(1024, ge=1)
    activated: bool = True
    epochs: int = Field(1000, ge=1)
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(1e-4, gt=0)


class OffApexNet(FlowNet):
    """A convolutional net for each component of the flow."""

    Config = Settings
    config: Settings
    channels: ClassVar[tuple[Literal["u", "v", "strain"], ...]] = ("u", "v")

    def module(self) -> nn.Module:
        """Return the net, channels last, which is what its convolutions are fastest in on a CPU."""
        net = Net(len(self.problem.outputs), self.config.width, self.config.activated)
        return net.to(memory_format=torch.channels_last)
