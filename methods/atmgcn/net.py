"""The net: an encoder of the movement in each frame, graph layers with adaptive edges, a classifier of the nodes."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from merbench.training.continuous_attention import AttentionChain
from merbench.training.initial import made_apart

from .config import Config


class Seen(NamedTuple):
    """Output of the net for n clips of t frames after the onset, v nodes: the global one first, if there is one.

    ``scores`` (n, classes); ``motion`` (n, t, width), what the encoder gives; ``clip``, what the classifier gets;
    ``adjacency``, (n, v, v) of each layer; ``weights`` (n, v) of the nodes, which sum to 1; ``attentions`` of the
    encoder's blocks, (frames of all clips, 1, side, side) each.
    """

    scores: Tensor
    motion: Tensor
    clip: Tensor
    adjacency: list[Tensor]
    weights: Tensor
    attentions: list[Tensor]


class Encoder(nn.Module):
    """MMNet's blocks of attention on differences to the onset, and a linear layer: (n, 3, size, size) -> (n, width).

    The product of attentions leaves so little of a movement that the layer's bias is most of every vector: `scale`
    removes it, by a batch norm without parameters.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        norm, chained = config.norm, config.attention_chain
        strides = (2, 1, 2, 2, 2)
        self.chain = made_apart(
            "chain", AttentionChain, config.stem_width, config.widths, strides, chain=chained, norm=norm
        )
        self.pool = nn.AdaptiveAvgPool2d(1) if config.pool == "mean" else nn.Identity()
        places = 1 if config.pool == "mean" else (config.size // 16) ** 2
        self.out = made_apart("out", nn.Linear, config.widths[-1] * places, config.width)
        scaled = config.scale == "batch"
        self.scale: nn.Module = nn.BatchNorm1d(config.width, affine=False) if scaled else nn.Identity()

    def forward(self, movement: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the vector of each difference, and the attentions of the blocks."""
        last, attentions = self.chain(movement)
        return self.scale(self.out(self.pool(last).flatten(1))), attentions


class Layer(nn.Module):
    """A graph layer: edges from the nodes and their times, mixed with those of the layer before, then a step of nodes.

    With nodes h, time codes T, allowed edges, and forgetting rate phi::

        S = softmax over allowed edges of (W_q (h + T)) . (W_k (h + T)) / sqrt(width)
        A = (1 - phi) A_before + phi S
        h = h_before + dropout(ReLU(LN(A h_before W)))
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.query = made_apart("query", nn.Linear, width, width)
        self.key = made_apart("key", nn.Linear, width, width)
        self.step = made_apart("step", nn.Linear, width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        self.rate = config.forgetting_rate

    def forward(self, nodes: Tensor, times: Tensor, allowed: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nodes (n, v, width) and the adjacency (n, v, v), whose rows sum to 1."""
        placed = nodes + times
        alike = self.query(placed) @ self.key(placed).transpose(1, 2) / math.sqrt(nodes.shape[-1])
        new = alike.masked_fill(~allowed, -math.inf).softmax(dim=-1)
        adjacency = (1 - self.rate) * before + self.rate * new
        return nodes + self.dropout(torch.relu(self.norm(self.step(adjacency @ nodes)))), adjacency


class Classifier(nn.Module):
    """Self-attention over the nodes, ``softmax(v . tanh(U h))`` as their weights, and a linear layer on their sum."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        width = config.width
        self.attends, self.all = config.classifier == "attention", config.nodes == "all"
        if self.attends:
            self.attention = made_apart("attention", nn.MultiheadAttention, width, config.heads, batch_first=True)
            self.norm = nn.LayerNorm(width)
            self.inner = made_apart("inner", nn.Linear, width, width)
            self.outer = made_apart("outer", nn.Linear, width, 1, bias=False)
        self.out = made_apart("out", nn.Linear, width * (config.layers + 1 if self.all else 1), classes)

    def forward(self, layers: list[Tensor], real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores, their input, and weights (n, v), given the nodes of all layers and which nodes are `real`."""
        nodes, logits = layers[-1], real.float().log()  # -inf for nodes of padding
        if self.attends:
            heard, _ = self.attention(nodes, nodes, nodes, key_padding_mask=~real, need_weights=False)
            nodes = self.norm(nodes + heard)
            logits = logits + self.outer(torch.tanh(self.inner(nodes)))[..., 0]
        weights = logits.softmax(dim=1)
        every = torch.cat([*layers[:-1], nodes], dim=-1) if self.all else nodes
        clip = (weights[..., None] * every).sum(dim=1)
        return self.out(clip), clip, weights


class Net(nn.Module):
    """Encoder, layers of the graph, and classifier, each with initial weights of its own stream."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.encoder = made_apart("encoder", Encoder, config)
        self.layers = nn.ModuleList(made_apart(f"layer{number}", Layer, config) for number in range(config.layers))
        self.classifier = made_apart("classifier", Classifier, config, classes)
        self.learned: nn.Parameter | None = None
        if config.global_node == "learned":
            self.learned = nn.Parameter(made_apart("global", torch.randn, config.width) * config.width**-0.5)
        self.has_global, self.window = config.global_node != "none", config.window
        self.in_nodes, self.ragged = config.time_in == "nodes", config.frames is None

    def forward(self, movement: Tensor, times: Tensor, real: Tensor) -> Seen:
        """Process differences to the onset, (n, t, 3, size, size), their time codes (n, t, width), and which are real.

        Those that are not, padding of shorter clips, are not looked at.
        """
        motion, attentions = self._encoded(movement, real)
        nodes = motion + times * self.in_nodes
        if self.has_global:
            mean = (nodes * real[..., None]).sum(dim=1, keepdim=True) / real.sum(dim=1)[:, None, None]
            start = mean if self.learned is None else self.learned.expand_as(mean)
            nodes = torch.cat([start, nodes], dim=1)
            times = nn.functional.pad(times, (0, 0, 1, 0))
            real = nn.functional.pad(real, (1, 0), value=True)
        allowed = self._allowed(real)
        adjacency = [allowed / allowed.sum(dim=2, keepdim=True)]
        layers = [nodes]
        for layer in self.layers:
            nodes, edges = layer(layers[-1], times * (not self.in_nodes), allowed, adjacency[-1])
            layers.append(nodes)
            adjacency.append(edges)
        scores, clip, weights = self.classifier(layers, real)
        return Seen(scores, motion, clip, adjacency[1:], weights, attentions)

    def _encoded(self, movement: Tensor, real: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode all frames of a batch together, but none of padding."""
        if not self.ragged:
            motion, attentions = self.encoder(movement.flatten(0, 1))
            return motion.unflatten(0, real.shape), attentions
        encoded, attentions = self.encoder(movement[real])
        motion = encoded.new_zeros(*real.shape, encoded.shape[-1])
        motion[real] = encoded
        return motion, attentions

    def _allowed(self, real: Tensor) -> Tensor:
        """Return the edges, (n, v, v): between real nodes, of frames within the window; and of each node to itself."""
        places = torch.arange(real.shape[1], device=real.device)
        near = torch.ones_like(places[:, None] == places)
        if self.window is not None:
            near = (places[:, None] - places).abs() <= self.window
            if self.has_global:
                near[0] = near[:, 0] = True
        itself = torch.eye(len(places), dtype=torch.bool, device=real.device)
        return near & real[:, :, None] & real[:, None, :] | itself


def time_codes(positions: Tensor, width: int) -> Tensor:
    """Return sinusoids of positions, (..., width): sines, then cosines, of wavelengths from 2 pi to 20000 pi."""
    rates = 10000 ** -(torch.arange(width // 2, device=positions.device) / (width // 2))
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
