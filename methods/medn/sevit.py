"""SEVit: a vision transformer that keeps, at several sparsity rates, only the locations that change over time.

Tensors: n clips, T frames, N locations (a square grid of patches), D channels.
"""

from functools import partial
from typing import NamedTuple

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from merbench.training.initial import made_apart

from .config import Config, kept_locations
from .tokens import Score, at_locations, strongest


class Emotion(NamedTuple):
    """Output of the emotion branch.

    ``tokens`` (n, N, D): kept tokens, averaged over frames, at their locations, and 0 elsewhere; weighted over rates,
    then projected. ``feature`` (n, D), merged. ``kept`` of bool (n, rates, N): the locations kept at each rate.
    """

    tokens: Tensor
    feature: Tensor
    kept: Tensor


class SEVit(nn.Module):
    """Frames -> tokens -> a stem within each frame -> scores of locations -> kept tokens -> a feature a rate -> one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, width = config, config.vit_width
        locations, channels = config.grid**2, 3 if config.colour == "rgb" else 1
        self.embed = _Embedding(config, channels)
        self.position = made_apart("position", _small, 1, 1, locations, width)
        self.frame = made_apart("frame", _small, 1, config.frames, 1, width)
        drops = torch.linspace(0, config.drop_path, config.stem_depth + config.depth).tolist()
        self.stem = _blocks("stem", config, drops[: config.stem_depth])
        self.blocks = _blocks("blocks", config, drops[config.stem_depth :])
        self.score = made_apart("score", Score, config)
        streams = len(config.rates) if config.scales == "parallel" else 1
        folded = config.time == "folded"
        self.fold = made_apart("fold", nn.Linear, config.frames * width, width) if folded else None
        self.class_tokens = made_apart("class_tokens", _small, streams, width)
        self.norm = nn.LayerNorm(width)
        self.merge = made_apart("merge", Merge, config.merge if streams > 1 else "mean", streams, width)
        self.project, self.out = made_apart("project", nn.Linear, width, config.width), nn.LayerNorm(config.width)
        self.project_tokens = made_apart("project_tokens", nn.Linear, width, config.width)

    def forward(self, frames: Tensor) -> Emotion:
        """Process frames of faces, (n, T, channels, size, size), grey levels 0..1."""
        patches = self.embed(frames)
        tokens = self.stemmed(patches)
        score = self.score(frames, patches, tokens, self.stem)
        prune = self._parallel if self.config.scales == "parallel" else self._progressive
        streams = prune(tokens, score)
        features, maps, kept = (torch.stack(part, dim=1) for part in zip(*streams, strict=True))
        feature, weights = self.merge(self.norm(features))
        pooled = torch.einsum("nr,nrld->nld", weights, maps)
        return Emotion(self.project_tokens(pooled), self.out(self.project(feature)), kept)

    def stemmed(self, patches: Tensor) -> Tensor:
        """Return the stem's tokens, (n, T, N, D): attention stays within each frame, weights are shared over frames."""
        clips, count = patches.shape[:2]
        tokens = (patches + self.position + self.frame).flatten(0, 1)
        for block in self.stem:
            tokens = block(tokens)
        result: Tensor = tokens.reshape(clips, count, *tokens.shape[1:])
        return result

    def _parallel(self, tokens: Tensor, score: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Prune the stem's tokens to each rate; the blocks are shared."""
        streams = []
        for index, rate in enumerate(self.config.rates):
            rows = strongest(self.score.order(score), rate)
            sequence = self._chosen(tokens, score, rows, index)
            for block in self.blocks:
                sequence = block(sequence)
            streams.append(self._stream(sequence, rows, score))
        return streams

    def _progressive(self, tokens: Tensor, score: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Prune one stream to one rate after another, after equal shares of the blocks."""
        locations, rates = tokens.shape[2], self.config.rates
        score_order = self.score.order(score)
        rows = strongest(score_order, rates[0])
        sequence = self._chosen(tokens, score, rows, 0)
        for index, block in enumerate(self.blocks):
            step = index * len(rates) // len(self.blocks)
            if kept_locations(locations, rates[step]) < rows.shape[1]:
                stay = strongest(score_order.gather(1, rows), 0, kept_locations(locations, rates[step]))
                rows = rows.gather(1, stay)
                frames = sequence[:, 1:].reshape(len(sequence), self._depth_in_time, -1, sequence.shape[-1])
                again = at_locations(frames, stay).flatten(1, 2)  # without residual tokens, which need parallel scales
                sequence = torch.cat([sequence[:, :1], again], dim=1)
            sequence = block(sequence)
        return [self._stream(sequence, rows, score)]

    def _chosen(self, tokens: Tensor, score: Tensor, rows: Tensor, stream: int) -> Tensor:
        """Take the stream's class token, those of the kept locations in all frames, and the others' residual token.

        Kept tokens are scaled by twice the sigmoid of their score, which gives it a gradient; the choice has none.
        """
        tokens = tokens * (2 * torch.sigmoid(score))[:, None, :, None]
        chosen = at_locations(tokens, rows)
        if self.config.residual_token:
            all_stay = rows.shape[1] == score.shape[1]
            share = torch.zeros_like(score) if all_stay else score.scatter(1, rows, -torch.inf).softmax(dim=1)
            rest = torch.einsum("nl,ntld->ntd", share, tokens)
            chosen = torch.cat([chosen, rest[:, :, None]], dim=2)
        chosen = self.fold(chosen.transpose(1, 2).flatten(2)) if self.fold else chosen.flatten(1, 2)
        return torch.cat([self.class_tokens[stream].expand(len(tokens), 1, -1), chosen], dim=1)

    @property
    def _depth_in_time(self) -> int:
        """Tokens of a kept location in the blocks."""
        return 1 if self.fold else self.config.frames

    def _stream(self, sequence: Tensor, rows: Tensor, score: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the stream's feature, the map of kept tokens averaged over frames, and which locations are kept."""
        width, locations = sequence.shape[-1], score.shape[1]
        frames = sequence[:, 1:].reshape(len(sequence), self._depth_in_time, -1, width)
        frames = frames[:, :, : rows.shape[1]].mean(dim=1)
        places = frames.new_zeros(len(frames), locations, width).scatter(
            1, rows[..., None].expand(-1, -1, width), frames
        )
        kept = torch.zeros(len(rows), locations, dtype=torch.bool, device=rows.device).scatter(1, rows, True)
        if self.config.pool == "class":
            return sequence[:, 0], places, kept
        even = self.config.pool == "mean"
        share = (
            torch.full_like(rows, 1 / rows.shape[1], dtype=score.dtype) if even else score.gather(1, rows).softmax(1)
        )
        return torch.einsum("nl,nld->nd", share, frames), places, kept


def _small(*shape: int) -> nn.Parameter:
    """Draw a position, a frame or a class token."""
    return nn.Parameter(0.02 * torch.randn(shape))


def _blocks(name: str, config: Config, drops: list[float]) -> nn.ModuleList:
    make = partial(Block, config.vit_width, config.heads, config.mlp_ratio, qkv_bias=True)
    return nn.ModuleList(made_apart(f"{name}.{index}", make, drop_path=rate) for index, rate in enumerate(drops))


class Merge(nn.Module):
    """Merges parallel streams to one feature, with the weight of each."""

    def __init__(self, kind: str, streams: int, width: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "learned":
            self.judge = nn.Linear(width, 1)
        if kind == "concat":
            self.join = nn.Linear(streams * width, width)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Merge (n, streams, D) to (n, D) and weights (n, streams) that sum to 1."""
        even = features.new_full(features.shape[:2], 1 / features.shape[1])
        if self.kind == "concat":
            joined: Tensor = self.join(features.flatten(1))
            return joined, even
        weights: Tensor = self.judge(features).squeeze(-1).softmax(dim=1) if self.kind == "learned" else even
        return torch.einsum("nr,nrd->nd", weights, features), weights


class _Embedding(nn.Module):
    """Cut frames, their changes since the onset frame, or both, into patches and project each: (n, T, N, D)."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.kind, self.gain = config.emotion_input, config.change_gain
        names = ["faces", "changes"] if self.kind == "both" else [self.kind]
        self.patches = nn.ModuleDict(
            {
                name: made_apart(name, nn.Conv2d, channels, config.vit_width, config.patch, stride=config.patch)
                for name in names
            }
        )

    def forward(self, frames: Tensor) -> Tensor:
        changes = (frames - frames[:, :1]) * self.gain
        pictures = {"faces": (frames - 0.5) / 0.5, "changes": changes.abs(), "signed-changes": changes}
        maps = torch.stack([cut(pictures[name].flatten(0, 1)) for name, cut in self.patches.items()]).sum(dim=0)
        tokens = maps.flatten(2).transpose(1, 2)
        return tokens.reshape(*frames.shape[:2], *tokens.shape[1:])
