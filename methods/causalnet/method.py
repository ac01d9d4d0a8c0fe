"""CausalNet (Zhang, Tang, Chen, ICCV 2025), with the published training and the last epoch."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from merbench.contracts.inputs import Flow, Inputs, InputSpec, MotionPositions
from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.torch_method import Batch

from ..htnet.net import tiled
from .net import HEADS, Net


class Settings(FlowConfig):
    """Settings of CausalNet.

    - width, heads, repeats: of both trunks, as of `htnet`
    - gamma: by which attention avoids places that touch at a corner only
    - positions: see the maps of positions that move; only a release has them
    """

    size: Literal[28] = 28
    width: int = Field(256, ge=HEADS, multiple_of=HEADS)
    heads: int = Field(3, ge=1)
    repeats: tuple[int, int, int] = (3, 3, 9)
    gamma: float = Field(0.5, ge=0)
    positions: bool = True
    epochs: int = Field(200, ge=1)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(5e-5, gt=0)


class CausalNet(FlowNet):
    """Rise and decay of the movement, and the positions that move."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the pictures of `config`, in the order of the net's."""
        flow: dict[str, InputSpec] = {"rise": Flow(), "decay": Flow(span="apex-offset")}
        maps: dict[str, InputSpec] = {
            "rise_positions": MotionPositions(),
            "decay_positions": MotionPositions(span="apex-offset"),
        }
        return flow | maps if config.positions else flow

    def module(self) -> nn.Module:
        """Return the net."""
        config, classes = self.config, len(self.problem.outputs)
        return Net(classes, config.width, config.heads, config.repeats, config.gamma, config.positions)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the tiles of all pictures, (n, pictures, 3, 28, 28), 0..255; the third channel of maps is 0."""
        batch = inputs.batch(rng=rng)
        pictures = [batch[name] for name in type(self).declare_inputs(self.config)]
        same = [np.pad(each, ((0, 0),) * 3 + ((0, 3 - each.shape[-1]),)) for each in pictures]
        return {"tiles": tiled(torch.from_numpy(np.stack(same, axis=1)).permute(0, 1, 4, 2, 3).float()).contiguous()}
