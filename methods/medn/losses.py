"""The orthogonal losses, and the class loss."""

from torch import Tensor, nn


def cross_batch(motion: Tensor, emotion: Tensor) -> Tensor:
    r"""Compute the difference loss of Domain Separation Networks (Bousmalis et al., NIPS 2016), summed.

    .. math:: L = \frac{1}{B} \lVert \hat Z_m^\top \hat Z_e \rVert_F^2

    with features (B, D) centred over the batch and their rows scaled to length 1. It measures dependence between any
    directions of the two features; for independent features of a batch it is not 0 but 1 + 1 / (B - 1). A single clip
    has loss 0. Published code treats the length as a constant; then the loss also falls when features shrink towards
    their mean, which cost the emotion branch most of its accuracy (README.md), so here the length has a gradient.
    """
    rows = [z - z.mean(dim=0) for z in (motion, emotion)]
    rows = [z / z.norm(dim=1, keepdim=True).clamp(min=1e-6) for z in rows]
    return (rows[0].T @ rows[1]).square().sum() / len(motion)


def squared_cosine(motion: Tensor, emotion: Tensor) -> Tensor:
    """Compute the mean over clips of the squared cosine between the two features, shape (B, D) each.

    It is also 0 where one feature is the other rotated by 90 degrees: orthogonal, but fully dependent.
    """
    return nn.functional.cosine_similarity(motion, emotion, dim=1).square().mean()


ORTHOGONAL = {"cross-batch": cross_batch, "squared-cosine": squared_cosine}


def class_loss(scores: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Compute weighted cross-entropy with smoothed labels, over the sum of the clips' weights."""
    terms = nn.functional.cross_entropy(scores.float(), labels, weights, reduction="none", label_smoothing=smoothing)
    return terms.sum() / weights[labels].sum()
