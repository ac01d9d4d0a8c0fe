"""Distillation from the last head to the others."""

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def distillation(scores: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the divergence of softened scores from the teacher's, which get no gradient, times temperature squared."""
    wanted = torch.softmax(teacher.detach() / temperature, dim=1)
    return kl_div(log_softmax(scores / temperature, dim=1), wanted, reduction="batchmean") * temperature**2


def feature_distance(features: Tensor, teacher: Tensor) -> Tensor:
    """Return the sum of squared differences to the teacher's features, which get no gradient."""
    return (features - teacher.detach()).square().sum()
