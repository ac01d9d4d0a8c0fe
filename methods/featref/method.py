"""A reconstruction of FeatRef (Zhou et al., Pattern Recognition 2022) from its abstract."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.torch_method import Batch

from .net import Net


class Settings(FlowConfig):
    """Settings of FeatRef-style.

    - width: of the shared features
    - reduction: by which the attentions' hidden layers are narrower
    - proposal: weight of the proposal loss, the mean over classes of their binary cross-entropies
    """

    size: Literal[28] = 28
    width: int = Field(1024, ge=4)
    reduction: int = Field(16, ge=1)
    proposal: float = Field(1.0, ge=0)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-4, gt=0)


class FeatRef(FlowNet):
    """Inception features, refined for each class."""

    Config = Settings
    config: Settings
    channels: ClassVar[tuple[Literal["u", "v", "strain"], ...]] = ("u", "v")

    def module(self) -> nn.Module:
        """Return the net, channels last, which is what its convolutions are fastest in on a CPU."""
        net = Net(len(self.problem.outputs), self.config.width, self.config.reduction)
        return net.to(memory_format=torch.channels_last)

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        scores: Tensor = module(batch["flow"])[0]
        return scores

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the scores and the weighted loss of the proposals."""
        scores, proposals = module(batch["flow"])
        of_class = one_hot(labels, scores.shape[1]).to(scores.dtype)
        proposal = binary_cross_entropy_with_logits(proposals, of_class, self._weights)
        return cross_entropy(scores, labels, self._weights) + self.config.proposal * proposal
