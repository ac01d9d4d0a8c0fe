"""MSCT-Net: three branches that see a flow picture in patches of three sizes, and a gate that weighs them."""

import torch
from torch import Tensor, nn

from merbench.training.channel_transformer import MapTransformer, patches

PATCHES = (7, 14, 28)


class Net(nn.Module):
    """Flow pictures, (n, 3, 28, 28) in 0..1 -> scores (n, classes).

    The branch with patches of 28 pixels has a single place, over which attention does nothing. The public code scales
    the maps of all branches to 2 x 2 places, by means of 2 x 2 or by copies, and uses means over these: the same as the
    means over a branch's own places.
    """

    def __init__(self, classes: int, width: int, heads: int, depths: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _Branch(patch, width, depth, heads, dropout) for patch, depth in zip(PATCHES, depths, strict=True)
        )
        half = width // 2
        self.gate = nn.Sequential(nn.Linear(3 * width, half), nn.GELU(), nn.Linear(half, 3))
        hidden = nn.Linear(width, half)
        self.classifier = nn.Sequential(hidden, nn.GELU(), nn.Dropout(dropout), nn.Linear(half, classes))

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        means = torch.stack([branch(flow) for branch in self.branches], dim=1)
        weights = self.gate(means.flatten(1)).softmax(dim=1)[:, :, None]
        scores: Tensor = self.classifier((means * weights).sum(dim=1))
        return scores


class _Branch(nn.Module):
    """Patches of one size: (n, 3, 28, 28) -> mean over their places, (n, width)."""

    def __init__(self, patch: int, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.patch = patch
        self.embedding = nn.Sequential(nn.Linear(3 * patch**2, width), nn.LayerNorm(width))
        self.position = nn.Parameter(0.02 * torch.randn(1, width, (28 // patch) ** 2))
        self.transformer = MapTransformer(width, depth, heads, dropout=dropout)
        self.attention = nn.Conv1d(1, 1, _kernel(width), padding=_kernel(width) // 2, bias=False)

    def forward(self, flow: Tensor) -> Tensor:
        x = self.embedding(patches(flow, self.patch).flatten(1, 2))
        mean = self.transformer(x + self.position.transpose(1, 2)).mean(dim=1)
        attended: Tensor = mean * self.attention(mean[:, None])[:, 0].sigmoid()
        return attended


def _kernel(channels: int) -> int:
    """Return the kernel of efficient channel attention (Wang et al., CVPR 2020): odd, near (log2(channels) + 1) / 2."""
    found = int((channels.bit_length() - 1 + 1) / 2)
    return found if found % 2 else found + 1
