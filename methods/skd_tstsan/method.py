"""SKD-TSTSAN (Zhu et al., 2024), from random weights."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.training.balanced_net import BalancedNet
from merbench.training.losses import focal_loss
from merbench.training.torch_method import Batch

from .config import Config as Settings
from .losses import distillation, feature_distance
from .net import GRID, Net, Seen


class SKDTSTSAN(BalancedNet):
    """Three streams with learned magnification."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the inputs of `config`."""
        return config.inputs()

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        sizes = (config.width, config.magnified, config.amplification, config.dropout)
        return Net(len(self.problem.outputs), *sizes)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return Adam."""
        config = self.config
        settings: dict[str, Any] = {"betas": (0.9, 0.99), "weight_decay": config.weight_decay}
        return torch.optim.Adam(module.parameters(), config.learning_rate, **settings, fused=True)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return faces (n, 2, 1, size, size), blocks (n, 2, 16, ...) and flows (n, 2, 2, ...), float32 in 0..1.

        Each picture is scaled from its darkest to its brightest level.
        """
        found = inputs.batch(rng=rng)
        frames = torch.from_numpy(found["frames"])[..., 0].float()  # n, 2, 4 size, 4 size
        low, high = (edge(frames, dim=(2, 3), keepdim=True) for edge in (torch.amin, torch.amax))
        frames = (frames - low) / (high - low).clamp_min(1)
        side = self.config.size
        cut = torch.unflatten(
            torch.unflatten(frames, 3, (GRID, side)), 2, (GRID, side)
        )  # n, 2, rows, row, columns, column
        flows = torch.stack([torch.from_numpy(found[name]) for name in ("rise", "decay")], dim=1)
        return {
            "faces": adaptive_avg_pool2d(frames, side)[:, :, None],
            "blocks": cut.transpose(3, 4).flatten(2, 3).contiguous(),
            "flows": flows.movedim(-1, 2).contiguous().float() / 255,
        }

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch."""
        seen: Seen = module(*batch.values())
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the scores of the last head."""
        return self.look(module, batch).scores[0]

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the focal losses of the heads, and the distillation from the last one to the others."""
        config, seen = self.config, self.look(module, batch)
        found = focal_loss(seen.scores[0], labels, self._weights, config.gamma)
        for scores, features in zip(seen.scores[1:], seen.features[1:], strict=True):
            own = focal_loss(scores, labels, self._weights, config.gamma)
            taught = distillation(scores, seen.scores[0], config.temperature)
            apart = feature_distance(features, seen.features[0])
            found = (
                found + (1 - config.distillation) * own + config.distillation * taught + config.feature_weight * apart
            )
        return found
