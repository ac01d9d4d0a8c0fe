"""MSCT-Net: three branches that see a flow picture in patches of three sizes, and a gate that weighs them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from merbench.training.channel_transformer import ChannelNorm, MapTransformer

PATCHES = (7, 14, 28)


class Net(nn.Module):
    """Flow pictures, (n, 3, 28, 28) in 0..1 -> scores (n, classes).

    The branch with patches of 28 pixels has a single place, over which attention does nothing.
    """

    def __init__(self, classes: int, width: int, heads: int, depths: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _Branch(patch, width, depth, heads, dropout) for patch, depth in zip(PATCHES, depths, strict=True)
        )
        half = width // 2
        self.gate = nn.Sequential(nn.Conv2d(3 * width, half, 1), nn.GELU(), nn.Conv2d(half, 3, 1))
        hidden = nn.Linear(width, half)
        self.classifier = nn.Sequential(hidden, nn.GELU(), nn.Dropout(dropout), nn.Linear(half, classes))

    def forward(self, flow: Tensor) -> Tensor:
        """Return scores."""
        maps = [branch(flow) for branch in self.branches]
        pooled = torch.cat(maps, dim=1).mean(dim=(2, 3), keepdim=True)
        weights = self.gate(pooled).softmax(dim=1)[:, :, None]
        fused = (torch.stack(maps, dim=1) * weights).sum(dim=1)
        scores: Tensor = self.classifier(fused.mean(dim=(2, 3)))
        return scores


class _Branch(nn.Module):
    """Patches of one size: (n, 3, 28, 28) -> (n, width, 2, 2)."""

    def __init__(self, patch: int, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.patch = patch
        self.embedding = nn.Sequential(nn.Conv2d(3 * patch**2, width, 1), ChannelNorm(width, outside=False))
        self.position = nn.Parameter(torch.randn(1, width, (28 // patch) ** 2))
        self.transformer = MapTransformer(width, depth, heads, dropout=dropout, outside=False)
        self.attention = nn.Conv1d(1, 1, _kernel(width), padding=_kernel(width) // 2, bias=False)

    def forward(self, flow: Tensor) -> Tensor:
        patch = self.patch
        cut = (
            torch.unflatten(torch.unflatten(flow, 3, (-1, patch)), 2, (-1, patch))
            .permute(0, 3, 5, 1, 2, 4)
            .flatten(1, 3)
        )
        x = self.embedding(cut)
        x = self.transformer(x + torch.unflatten(self.position, 2, x.shape[-2:]))
        mean = x.mean(dim=(2, 3))
        x = x * self.attention(mean[:, None]).sigmoid()[:, 0, :, None, None]
        return interpolate(x, (2, 2), mode="bilinear", align_corners=False)


def _kernel(channels: int) -> int:
    """Return the kernel of efficient channel attention (Wang et al., CVPR 2020): odd, near (log2(channels) + 1) / 2."""
    found = int((channels.bit_length() - 1 + 1) / 2)
    return found if found % 2 else found + 1
