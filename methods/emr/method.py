"""EMR, also NMER (Liu et al., FG 2019), on the coloured flow of the magnified clip."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from merbench.contracts.inputs import InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.face_net import FaceNet
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch

from .config import Config as Settings
from .net import Net, Seen, reversed_gradient


class EMR(FaceNet):
    """Upper and lower face on the flow."""

    Config = Settings
    config: Settings
    _steps: int = 0

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`."""
        return config.inputs()

    @classmethod
    def auxiliary(cls, config: Settings) -> dict[str, None]:
        """Return the databases of macro-expressions, with the method's own input."""
        return dict.fromkeys(config.macro)

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes, and count steps from 0."""
        super().begin(train)
        self._steps = 0

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def scaled(self, levels: Tensor) -> Tensor:
        """Scale levels to -1..1."""
        return 2 * levels - 1

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return Adam, which clips the gradient of each part and halves the rate of the heads."""
        config = self.config
        heads = [values for name, values in module.named_parameters() if not name.startswith("trunk.")]
        groups: list[dict[str, Any]] = [
            {"params": list(module.trunk.parameters()), "lr": config.trunk_rate},  # type: ignore[union-attr]
            {"params": heads, "lr": config.learning_rate},
        ]
        made = torch.optim.Adam(groups, weight_decay=config.weight_decay)
        parts = [part for name, part in module.named_children() if name != "critic"]

        def before_a_step(optimiser: torch.optim.Optimizer, *_: Any) -> None:
            for part in parts:
                nn.utils.clip_grad_norm_(part.parameters(), config.module_norm)
            optimiser.param_groups[1]["lr"] *= self.halved(self.epoch)

        made.register_step_pre_hook(before_a_step)
        return made

    def halved(self, epoch: int) -> float:
        """Return the factor of the heads' rate in an epoch, from 1: halved until the rate is not above the trunk's."""
        config = self.config
        if not config.halved_every:
            return 1.0
        most = max(math.ceil(math.log2(config.learning_rate / config.trunk_rate)), 0)
        return float(0.5 ** min((epoch - 1) // config.halved_every, most))

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Return one phase, on the clips of the fold and macro-expressions; labels are class and 1 for micro."""
        known = [(train.inputs, train.labels, 1)]
        known += [(clips.inputs, clips.labels, 0) for clips in map(run.auxiliary, self.config.macro)]
        labels = [np.stack([own, np.full_like(own, micro)], axis=1) for _, own, micro in known]
        inputs, *others = (each for each, _, _ in known)
        return [Phase("training", inputs.joined(*others), np.concatenate(labels))]

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch, augmented or not."""
        seen: Seen = module(self.seen(batch))
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the scores of both halves together."""
        return self.look(module, batch).scores

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the sum of the heads' cross-entropies and the critic's, whose gradient is reversed in the features.

        A macro-expression without a class of the protocol counts for the critic alone.
        """
        seen = self.look(module, batch)
        classes, micro = labels.unbind(dim=1)
        found = seen.scores.new_zeros(())
        if (classes >= 0).any():
            parts = (seen.scores, seen.top, seen.bottom)
            found = found + sum(cross_entropy(each, classes, self._weights, ignore_index=-1) for each in parts)
        if module.critic is not None:
            self._steps += 1
            judged = module.critic(reversed_gradient(seen.features, self.adversary(self._steps)))[:, 0]  # type: ignore[operator]
            found = found + binary_cross_entropy_with_logits(judged, micro.float())
        return found

    def adversary(self, steps: int) -> float:
        """Return the coefficient of the reversed gradient after so many steps, 0 to 1."""
        return 2 / (1 + math.exp(-10 * steps / self.config.adversary_steps)) - 1
