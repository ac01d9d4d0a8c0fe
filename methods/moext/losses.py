"""The contrastive loss of pre-training."""

import torch
from torch import Tensor


def contrastive(first: Tensor, second: Tensor, temperature: float, groups: Tensor | None = None) -> Tensor:
    """Return NT-Xent of the two views of each clip, (n, d) each, of unit length.

    With z the 2n vectors, and P(i) the positives of i, without i itself::

        mean over i, p in P(i) of -log(exp(z_i . z_p / temperature) / sum over k != i of exp(z_i . z_k / temperature))

    The positive of a vector is the other view of its clip. With `groups`, (n,), all clips of its group are positives
    too (SupCon, Khosla et al. 2020); a negative group has no other member.
    """
    clips = len(first)
    vectors = torch.cat([first, second])
    likeness = vectors @ vectors.T / temperature
    own = torch.eye(2 * clips, dtype=torch.bool, device=vectors.device)
    log_share = likeness - likeness.masked_fill(own, -torch.inf).logsumexp(dim=1, keepdim=True)
    number = torch.arange(clips, device=vectors.device).repeat(2)
    positive = number[:, None] == number
    if groups is not None:
        named = groups.repeat(2)
        positive |= (named[:, None] == named) & (named >= 0)
    positive &= ~own
    return -((log_share * positive).sum(dim=1) / positive.sum(dim=1)).mean()
