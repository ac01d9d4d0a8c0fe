"""SLSTT (Zhang et al., TAFFC 2022) on long-term flow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.face_net import FaceNet
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch

from .config import Config as Settings
from .net import Net, coloured


class SLSTT(FaceNet):
    """A vision transformer for each frame's flow, and an LSTM."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`."""
        return config.inputs()

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return stochastic gradient descent, or AdamW."""
        config = self.config
        settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        if config.optimiser == "adamw":
            return torch.optim.AdamW(module.parameters(), **settings)
        return torch.optim.SGD(module.parameters(), momentum=config.momentum, **settings)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the flow of each frame as a coloured picture, bytes, (n, frames, 3, size, size)."""
        drawn = [self._drawn(clip) for clip in torch.from_numpy(inputs["pictures"].batch(rng=rng))]
        return {"pictures": torch.stack(drawn)}

    def _drawn(self, fields: Tensor) -> Tensor:
        smaller = adaptive_avg_pool2d(fields.movedim(-1, 1), self.config.size)
        return (coloured(smaller) * 255).round().byte()

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Return one phase; clips are encoded once if the transformer is frozen."""
        if not self.config.frozen:
            return [Phase("training", train.inputs, train.labels)]
        rates = {"vit": 0.0}
        return [Phase("training", train.inputs, train.labels, tensors=self._encoded, augment=_as_it_is, rates=rates)]

    @torch.no_grad()
    def _encoded(self, inputs: Inputs, rng: np.random.Generator | None) -> Batch:
        """Return the features of all clips, clip by clip."""
        vit, found = self.net.eval(), []
        for rows in torch.split(torch.arange(inputs.clips), 1):
            batch = self.on_device(inputs.take(rows.numpy()), rng)
            found.append(vit.encoded(self.seen(batch)))  # type: ignore[operator]
        return {"pictures": torch.cat(found)}


def _as_it_is(batch: Batch, generator: torch.Generator) -> Batch:  # noqa: ARG001 - as `augment`
    return batch
