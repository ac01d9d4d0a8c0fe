"""Losses that several methods have."""

from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss


def focal_loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Return the mean, weighted by class, of ``-(1 - p)^gamma log p`` of each clip's class (Lin et al., ICCV 2017)."""
    logs = log_softmax(scores, dim=1)
    return nll_loss((1 - logs.exp()) ** gamma * logs, labels, weights)
