"""Token pruning: how locations of the face are scored, and which are kept."""

from typing import Any

import torch
from torch import Tensor, nn

from .config import Config, kept_locations


def strongest(score: Tensor, rate: float, count: int | None = None) -> Tensor:
    """Return the locations kept of scores (n, N), ascending, int64 (n, kept): those with the highest score.

    ``N - floor(rate N)`` are kept, `rate` in [0, 1) being the share that is dropped, or `count` in its place.
    """
    kept = kept_locations(score.shape[1], rate) if count is None else count
    return score.topk(kept, dim=1, sorted=False).indices.sort(dim=1).values


def at_locations(tokens: Tensor, rows: Tensor) -> Tensor:
    """Take the same locations from every frame: (n, T, N, D) -> (n, T, kept, D)."""
    clips, count, _, width = tokens.shape
    return tokens.gather(2, rows[:, None, :, None].expand(clips, count, -1, width))


class Score(nn.Module):
    """The score of each location, (n, N), standardised within each clip; see ``Config.score``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, width = config, config.vit_width
        if config.score == "learned":
            # Half of each hint is the location's own, half the mean of all locations (DynamicViT).
            self.local = nn.Linear(width, width)
            self.judge = nn.Sequential(nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, 1))
        if config.score == "class-attention":
            self.query = nn.Parameter(0.02 * torch.randn(1, 1, width))
        if config.score == "random":
            self.fixed: Tensor
            # All test clips are pruned alike: a prediction may not depend on a draw.
            self.register_buffer("fixed", torch.rand(config.grid**2))

    def forward(self, frames: Tensor, patches: Tensor, tokens: Tensor, stem: nn.ModuleList) -> Tensor:
        """Score locations by the frames, the projected patches, (n, T, N, D), or the stem's output."""
        score = self._raw(frames, patches, tokens, stem)
        if self.config.score_smoothing:
            grid = score.reshape(len(score), 1, self.config.grid, self.config.grid)
            score = nn.functional.avg_pool2d(grid, 3, stride=1, padding=1, count_include_pad=False).flatten(1)
        return (score - score.mean(dim=1, keepdim=True)) / (score.std(dim=1, keepdim=True, correction=0) + 1e-6)

    def _raw(self, frames: Tensor, patches: Tensor, tokens: Tensor, stem: nn.ModuleList) -> Tensor:
        kind = self.config.score
        if kind in ("token", "random"):
            # Before the stem, which learns to change tokens where nothing moves; and not normalised: where nothing
            # moves a token is small, and its direction is noise.
            variation: Tensor = (patches[:, 1:] - patches[:, :-1]).square().sum(dim=-1).add(1e-12).sqrt()
            return variation.mean(dim=1)
        if kind == "pixel":
            change = (frames[:, 1:] - frames[:, :-1]).abs().mean(dim=(1, 2))
            return nn.functional.avg_pool2d(change[:, None], self.config.patch).flatten(1)
        if kind == "learned":
            hint = self.local((tokens[:, 1:] - tokens[:, :-1]).abs().mean(dim=1))
            own, shared = hint.chunk(2, dim=-1)
            judged: Tensor = self.judge(torch.cat([own, shared.mean(dim=1, keepdim=True).expand_as(own)], dim=-1))
            return judged.squeeze(-1)
        return self._class_attention(tokens, stem)

    def order(self, score: Tensor) -> Tensor:
        """Return the values by which locations are kept, the highest first: scores, or a draw for ``random``."""
        if self.config.score != "random":
            return score
        return torch.rand_like(score) if self.training else self.fixed.expand(len(score), -1)

    def _class_attention(self, tokens: Tensor, stem: nn.ModuleList) -> Tensor:
        """Return the attention that a class token would pay to each location in the stem's last block, over frames."""
        block: Any = stem[-1]
        clips, count, places, _ = tokens.shape
        sequence = torch.cat([self.query.expand(clips * count, 1, -1), tokens.flatten(0, 1)], dim=1)
        qkv = block.attn.qkv(block.norm1(sequence))
        qkv = qkv.reshape(len(sequence), places + 1, 3, self.config.heads, -1)
        query, key = qkv[:, :1, 0], qkv[:, 1:, 1]
        attention = torch.einsum("bqhd,bkhd->bhk", query, key) * float(block.attn.scale)
        return attention.softmax(dim=-1).mean(dim=1).reshape(clips, count, places).mean(dim=1)
