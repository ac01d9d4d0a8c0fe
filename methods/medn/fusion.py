"""The Collaborative Fusion Module and simpler alternatives: two features to one, with the weight of each."""

import torch
from torch import Tensor, nn

from merbench.training.initial import made_apart


class Fusion(nn.Module):
    r"""Fuse the motion and the emotion feature.

    ``cofm``: each feature attends to the other branch's tokens, only those of kept locations, then a gate weighs the
    two channel by channel::

        m' = LN(f_m + Attention(f_m, E)),   e' = LN(f_e + Attention(f_e, M))
        g = sigmoid(W [m'; e'; m' * e']),   h = g * m' + (1 - g) * e'
        u = LN(h + FFN(h))

    ``gate`` has no attention, ``concat`` is a linear layer on both, ``add`` their mean.
    """

    def __init__(self, kind: str, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.kind = kind
        if kind == "cofm":
            self.ask_emotion = made_apart("ask_emotion", nn.MultiheadAttention, width, heads, batch_first=True)
            self.ask_motion = made_apart("ask_motion", nn.MultiheadAttention, width, heads, batch_first=True)
            self.norm_motion, self.norm_emotion = nn.LayerNorm(width), nn.LayerNorm(width)
        if kind in ("cofm", "gate"):
            self.gate = made_apart("gate", nn.Linear, 3 * width, width)
            inner = made_apart("mix.inner", nn.Linear, width, 2 * width)
            outer = made_apart("mix.outer", nn.Linear, 2 * width, width)
            self.mix = nn.Sequential(inner, nn.GELU(), nn.Dropout(dropout), outer)
        if kind == "concat":
            self.join = made_apart("join", nn.Linear, 2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, motion: Tensor, emotion: Tensor, places: Tensor, patches: Tensor, kept: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse features, (n, D) each, given the motion branch's tokens, `places`, and the emotion branch's, `patches`.

        `kept`, of bool (n, N), says which of `patches` any rate keeps.

        Returns the fused feature and the gate, (n, D) each: weight of motion by channel, in 0..1; 1/2 without a gate.
        """
        even = torch.full_like(motion, 0.5)
        if self.kind == "add":
            return self.norm((motion + emotion) / 2), even
        if self.kind == "concat":
            return self.norm(self.join(torch.cat([motion, emotion], dim=1))), even
        if self.kind == "cofm":
            motion, emotion = (
                self.norm_motion(motion + _asked(self.ask_emotion, motion, patches, ~kept)),
                self.norm_emotion(emotion + _asked(self.ask_motion, emotion, places)),
            )
        gate = torch.sigmoid(self.gate(torch.cat([motion, emotion, motion * emotion], dim=1)))
        mixed = gate * motion + (1 - gate) * emotion
        return self.norm(mixed + self.mix(mixed)), gate


def _asked(attention: nn.MultiheadAttention, feature: Tensor, tokens: Tensor, ignored: Tensor | None = None) -> Tensor:
    answer: Tensor = attention(feature[:, None], tokens, tokens, ignored, need_weights=False)[0]
    return answer.squeeze(1)
