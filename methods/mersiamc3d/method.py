"""MERSiamC3D-style (after Zhao et al., Neurocomputing 2021): pairs first, then classes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from merbench.contracts.inputs import InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.face_net import FaceNet
from merbench.training.losses import focal_loss
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch

from .config import Config as Settings
from .net import Net, Similarity, pair_loss


class MERSiamC3D(FaceNet):
    """A 3D net trained on pairs, then on classes."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`."""
        return config.inputs()

    def module(self) -> nn.Module:
        """Return the net without the heads of a stage."""
        return Net(self.config)

    def scaled(self, levels: Tensor) -> Tensor:
        """Return the differences to the onset, times 10, or levels about 0."""
        return 10 * (levels[:, 1:] - levels[:, :1]) if self.config.change else 2 * levels - 1

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        config = self.config
        settings: dict[str, Any] = {"weight_decay": config.weight_decay, "fused": True}
        return torch.optim.AdamW(module.parameters(), config.learning_rate, **settings)

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Return both stages."""
        config = self.config
        heads = {"classifier": self._classifier}
        rates = {"trunk": config.trunk_rate} if config.prior_epochs else {}
        last = Phase("training", train.inputs, train.labels, rates=rates, heads=heads)
        if not config.prior_epochs:
            return [last]
        pairs = {"similarity": lambda: Similarity(config.hidden)}
        return [Phase("pairs", train.inputs, train.labels, config.prior, self._pair_loss, heads=pairs), last]

    def _classifier(self) -> nn.Module:
        config = self.config
        return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden, len(self.problem.outputs)))

    def _pair_loss(self, module: Any, batch: Batch, labels: Tensor) -> Tensor:
        return pair_loss(module.similarity(module(self.seen(batch))), labels)

    def scores(self, module: Any, batch: Batch) -> Tensor:
        """Return the class scores."""
        found: Tensor = module.classifier(module(self.seen(batch)))
        return found

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the focal loss."""
        return focal_loss(self.scores(module, batch), labels, self._weights, self.config.gamma)
