"""Layers that many small folds gain by."""

import torch
from torch import Tensor, nn


class FastDropout(nn.Module):
    """Dropout with probability 1/2 by raw random bits: the same distribution as ``nn.Dropout(0.5)``, other draws.

    On a CPU torch draws one number an element, which is a tenth of a small net's time; here a 64-bit draw serves eight.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with half of its elements zero and the others doubled; `x` itself in eval mode."""
        if not self.training:
            return x
        if not (x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)):
            x = x.contiguous()
        draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device).random_()
        kept = draws.view(torch.uint8)[: x.numel()].bitwise_and_(1)
        # The mask takes the memory layout of x: which bit meets which element is of no importance.
        return x * (kept.as_strided(x.size(), x.stride()) * 2)
