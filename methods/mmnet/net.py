"""The net: a main branch with a chain of attention, and a position branch that is added to its last map."""

from functools import partial
from typing import Any, NamedTuple

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from merbench.training.continuous_attention import AttentionChain

from .config import Config


class Seen(NamedTuple):
    """Output of the net.

    ``scores`` (n, classes); ``main`` and ``position`` (n, width, grid, grid), the maps that are added, None without a
    position branch; ``attentions``, those of the four blocks, (n, 1, side, side) each, in 0..1.
    """

    scores: Tensor
    main: Tensor
    position: Tensor | None
    attentions: list[Tensor]


def main_branch(config: Config) -> AttentionChain:
    """Return the main branch: (n, 3, size, size) -> (n, width, size / 16, size / 16), and the four attentions."""
    strides = (2, 1, 2, 2, 2) if config.stem == "code" else (1, 2, 2, 2, 2)
    return AttentionChain(config.stem_width, config.widths, strides, config.attention_chain, config.attention_norm)


class PositionBranch(nn.Module):
    """A transformer on the onset frame, a token for each location: (n, 3, size, size) -> (n, width, grid, grid)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.grid, width = config.grid, config.widths[-1]
        self.resized, self.antialias = config.position_input == "small", config.resize == "antialias"
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        drops = torch.linspace(0, config.drop_path, config.position_depth).tolist()
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp_ratio, qkv_bias=True, drop_path=drop, norm_layer=norm)
            for drop in drops
        )
        for part in self.blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)
        self.norm = norm(width)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, self.grid**2, width), std=0.02))
        patch = 1 if self.resized else 16
        self.patches = nn.Conv2d(3, width, patch, patch)

    def forward(self, onset: Tensor) -> Tensor:
        """Process onset frames."""
        if self.resized:
            onset = nn.functional.interpolate(
                onset, (self.grid, self.grid), mode="bilinear", align_corners=False, antialias=self.antialias
            )
        tokens = self.patches(onset).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        result: Tensor = self.norm(tokens).transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return result


class Net(nn.Module):
    """Both branches, added, and one linear layer on the whole map.

    The position branch is made last: without it, the other weights are the same.
    """

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.main = main_branch(config)
        self.classifier = nn.Linear(config.widths[-1] * config.grid**2, classes)
        self.position = PositionBranch(config) if config.position else None

    def forward(self, movement: Tensor, onset: Tensor | None) -> Seen:
        """Process the input of the main branch and the onset frame, (n, 3, size, size) each."""
        main, attentions = self.main(movement)
        position = self.position(onset) if self.position else None
        fused = main if position is None else main + position
        return Seen(self.classifier(fused.flatten(1)), main, position, attentions)
