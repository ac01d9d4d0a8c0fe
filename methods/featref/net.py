"""FeatRef-style: inception features of both flow components, refined for each class by attention, and fused."""

import torch
from torch import Tensor, nn

from ..dual_inception.net import Inception


class Net(nn.Module):
    """Flow components, (n, 2, 28, 28) in 0..1 -> scores (n, classes), and proposals (n, classes).

    Shared features come from two inception modules a component. Each class has an attention over them, in 0..1, whose
    product with them is the class's own feature; a proposal says from that alone whether the clip is of the class, and
    the scores are computed from the sum of the classes' features.
    """

    def __init__(self, classes: int, width: int, reduction: int) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(Inception(1, 6), nn.MaxPool2d(2), Inception(24, 16), nn.MaxPool2d(2), nn.Flatten())
            for _ in range(2)
        )
        self.shared = nn.Sequential(nn.Linear(2 * 3136, width), nn.ReLU())
        hidden = width // reduction
        self.attentions = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid())
            for _ in range(classes)
        )
        self.proposals = nn.ModuleList(nn.Linear(width, 1) for _ in range(classes))
        self.classifier = nn.Linear(width, classes)

    def forward(self, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and proposals."""
        parts = torch.split(flow, 1, dim=1)
        shared = self.shared(torch.cat([s(p) for s, p in zip(self.streams, parts, strict=True)], dim=1))
        own = [shared * attention(shared) for attention in self.attentions]
        proposals = [proposal(each) for proposal, each in zip(self.proposals, own, strict=True)]
        return self.classifier(torch.stack(own).sum(dim=0)), torch.cat(proposals, dim=1)
