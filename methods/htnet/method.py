"""HTNet (Wang et al., 2024) on fixed regions of the flow image."""

from typing import Literal

import numpy as np
from pydantic import Field
from torch import nn

from merbench.contracts.inputs import Inputs
from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.torch_method import Batch

from .net import Net, tiled


class Settings(FlowConfig):
    """Settings of HTNet.

    - width: channels of the first level, doubled on each level
    - heads: of the first level, doubled on each level
    - repeats: transformer blocks of the three levels
    """

    size: Literal[28] = 28
    width: int = Field(256, ge=4)
    heads: int = Field(3, ge=1)
    repeats: tuple[int, int, int] = (2, 2, 10)
    epochs: int = Field(800, ge=1)
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(5e-5, gt=0)


class HTNet(FlowNet):
    """Four regions of the flow picture, merged level by level."""

    Config = Settings
    config: Settings

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        return Net(len(self.problem.outputs), config.size, config.width, config.heads, config.repeats)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the tiles, (n, 3, 28, 28), with values 0..255 as in the authors' code."""
        return {"flow": tiled(super().tensors(inputs, rng)["flow"] * 255).contiguous()}
