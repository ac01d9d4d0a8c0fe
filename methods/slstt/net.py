"""The net of SLSTT, and flow drawn in colour."""

import math
from functools import partial
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from merbench.training.initial import made_apart
from merbench.training.pretrained import downloaded

from .config import Config

#: timm's name of the weights that the authors begin with: ImageNet-21k, then ImageNet, at 384 pixels.
WEIGHTS = "vit_base_patch16_384.orig_in21k_ft_in1k"


class Net(nn.Module):
    """Pictures, (n, frames, 3, size, size), or their features, (n, frames, width) -> scores (n, classes)."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.vit = made_apart("vit", _transformer, config)
        self.norm, self.vit.norm = self.vit.norm, nn.Identity()
        self.lstm = None
        if config.aggregation == "mean":
            self.classifier: nn.Module = nn.Linear(config.width, classes)
            return
        self.lstm = nn.LSTM(config.width, config.lstm_width, config.lstm_layers, batch_first=True)
        dense = nn.Linear(config.lstm_width, config.hidden)
        self.classifier = nn.Sequential(dense, nn.ReLU(), nn.Linear(config.hidden, classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return scores."""
        features = self.encoded(pictures) if pictures.ndim == 5 else pictures
        features = self.norm(features)
        joined = features.mean(dim=1) if self.lstm is None else self.lstm(features)[0][:, -1]
        scores: Tensor = self.classifier(joined)
        return scores

    def encoded(self, pictures: Tensor) -> Tensor:
        """Return the features of pictures, (n, frames, width), before their last normalisation."""
        features: Tensor = self.vit(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
        return features


def _transformer(config: Config) -> Any:
    made = VisionTransformer(
        img_size=config.size,
        patch_size=config.patch,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        num_classes=0,
        proj_drop_rate=config.dropout,
        attn_drop_rate=config.dropout,
        act_layer=partial(nn.GELU, approximate="tanh"),
    )
    if config.pretrained:
        make = partial(timm.create_model, WEIGHTS, pretrained=True, num_classes=0)
        known: Any = downloaded(WEIGHTS, "pretrained: false", make)
        made.load_state_dict(known.state_dict())
    return made


def coloured(fields: Tensor) -> Tensor:
    """Draw flow, (..., 2, height, width), right and down, as pictures (..., 3, height, width), RGB in 0..1.

    Hue is the direction, from the right (red) by way of down; value the length, scaled for each picture from its least,
    0, to its greatest, 1, so that the size of movements is lost. A still picture is black.
    """
    u, v = fields.unbind(dim=-3)
    hue, length = torch.atan2(v, u) % (2 * math.pi) * (3 / math.pi), torch.hypot(u, v)
    low, high = (edge(length, dim=(-2, -1), keepdim=True) for edge in (torch.amin, torch.amax))
    value = (length - low) / (high - low).clamp_min(1e-12)
    places = [(start + hue) % 6 for start in (5, 3, 1)]
    return torch.stack([value * (1 - torch.minimum(k, 4 - k).clamp(0, 1)) for k in places], dim=-3)
