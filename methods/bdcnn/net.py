"""BDCNN: a shared convolution on blocks of four flow pictures, and implicit augmentation of its features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

#: Channels after the blocks are joined, by their pixels, as in the authors' code.
JOINED = {8: 512, 10: 512, 20: 256, 30: 128, 40: 32}
MAPS = 4
_FILTERS = 8


class Net(nn.Module):
    """Four pictures, (n, 4, 3, size, size) -> features (n, features) and scores (n, classes)."""

    def __init__(self, classes: int, size: int = 120, block: int = 10, wide: int = 1024, features: int = 128) -> None:
        super().__init__()
        self.block = block
        side = (block - 1) // 3 + 1
        self.shared = nn.Conv2d(3, _FILTERS, 3, padding=1)
        self.join = nn.Conv2d((size // block) ** 2 * MAPS * _FILTERS, JOINED[block], 1)
        self.dense = nn.Sequential(
            *(nn.Linear(JOINED[block] * side**2, wide), nn.ReLU(), nn.Linear(wide, features), nn.ReLU())
        )
        self.classifier = nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and scores."""
        clips, block = len(maps), self.block
        cut = torch.unflatten(
            torch.unflatten(maps, 4, (-1, block)), 3, (-1, block)
        )  # n, maps, 3, rows, block, columns, block
        blocks = cut.permute(0, 1, 3, 5, 2, 4, 6).flatten(0, 3)
        x = torch.relu(max_pool2d(self.shared(blocks), 3, 3, 1))  # the same as after the ReLU, on a ninth of the values
        x = torch.relu(self.join(x.reshape(clips, -1, *x.shape[-2:])))
        features = self.dense(x.flatten(1))
        return features, self.classifier(features)


class Covariances(nn.Module):
    """Running mean and covariance of each class's features, and the loss that augments features by them.

    Implicit semantic data augmentation (Wang et al., NeurIPS 2019): with features drawn from a normal distribution
    around the clip's own, of covariance ``ratio x C[y]``, the expected cross-entropy is at most that of the scores
    ``s[k] + ratio / 2 (w[k] - w[y])' C[y] (w[k] - w[y])``.
    """

    count: Tensor
    mean: Tensor
    covariance: Tensor

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(classes))
        self.register_buffer("mean", torch.zeros(classes, features))
        self.register_buffer("covariance", torch.zeros(classes, features, features))

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Take in the features of a batch, (n, features)."""
        for index in torch.unique(labels):
            mine = features[labels == index]
            share = len(mine) / (self.count[index] + len(mine))
            mean = mine.mean(dim=0)
            centred, shift = mine - mean, self.mean[index] - mean
            new = centred.T @ centred / len(mine)
            between = share * (1 - share) * torch.outer(shift, shift)
            self.covariance[index] = (1 - share) * self.covariance[index] + share * new + between
            self.mean[index] = (1 - share) * self.mean[index] + share * mean
            self.count[index] += len(mine)

    def augmented(self, scores: Tensor, labels: Tensor, weight: Tensor, ratio: float) -> Tensor:
        """Return scores (n, classes) as augmented; `weight` is the classifier's, (classes, features)."""
        apart = weight[None] - weight[labels][:, None]
        spread: Tensor = torch.einsum("nkf,nfg,nkg->nk", apart, self.covariance[labels], apart)
        return scores + ratio / 2 * spread
