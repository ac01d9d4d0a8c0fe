"""The net: a separator of shape and texture, a motion extractor, and the heads of pre-training and fine-tuning.

As in its template, a net for motion magnification, convolutions of separator, motion extractor and decoder have neither
biases nor normalisation, and pad by reflection. So two equal frames have motion 0 exactly.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from .config import Config


class _Residual(nn.Module):
    """Two convolutions and the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(width, width), nn.ReLU(inplace=True), _convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class Encoder(nn.Module):
    """Trunk and shape head of the separator, and the motion extractor.

    Frames (n, colours, size, size) have features and shapes (n, width, side, side), side = size / (2 stem_stride).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, stem = config.width, config.width // 2
        self.trunk = nn.Sequential(
            _convolution(config.channels, stem, 7, config.stem_stride), nn.ReLU(inplace=True),
            _convolution(stem, width, 3, 2), nn.ReLU(inplace=True),
            *_residuals(width, config.blocks),
        )  # fmt: skip
        self.shape = _head(width, 1, config.head_blocks)
        self.both = config.motion == "concat"
        first = _convolution(2 * width if self.both else width, width)
        self.motion = nn.Sequential(first, nn.ReLU(inplace=True), _convolution(width, width), _Residual(width))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features and shapes of onset and apex, (n, 2, ...), and the motion; frames (n, 2, colours, ...)."""
        features = self.trunk(frames.flatten(0, 1))
        shapes = self.shape(features).unflatten(0, (-1, 2))
        return features.unflatten(0, (-1, 2)), shapes, self.extracted(shapes)

    def extracted(self, shapes: Tensor) -> Tensor:
        """Return the motion from the shapes of onset and apex, (n, 2, width, side, side)."""
        onset, apex = shapes.unbind(dim=1)
        result: Tensor = self.motion(torch.cat([onset, apex], dim=1) if self.both else apex - onset)
        return result


class Decoder(nn.Module):
    """Reconstructs the apex from the motion and the texture of the onset, and perhaps its shape; never of the apex."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.with_shape = config.decoder == "motion+texture+shape"
        inputs, width = (3 if self.with_shape else 2) * config.width, 2 * config.width
        layers: list[nn.Module] = [] if inputs == width else [_convolution(inputs, width)]
        layers += _residuals(width, config.decoder_blocks)
        layers += [nn.Upsample(scale_factor=2), _convolution(width, config.width), nn.ReLU(inplace=True)]
        if config.stem_stride == 2:
            layers.append(nn.Upsample(scale_factor=2))
        self.body = nn.Sequential(*layers, _convolution(config.width, config.channels, 7))

    def forward(self, texture: Tensor, motion: Tensor, shape: Tensor) -> Tensor:
        """Return pictures, (n, colours, size, size), about -1..1; `texture` has half the side of the others."""
        found = [nn.functional.interpolate(texture, scale_factor=2.0), motion, *([shape] if self.with_shape else [])]
        result: Tensor = self.body(torch.cat(found, dim=1))
        return result


class Projection(nn.Module):
    """Motion to vectors of unit length, (n, projection)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = (config.width, 2 * config.width, 4 * config.width)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.linear = nn.Linear(widths[-1], config.projection)

    def forward(self, motion: Tensor) -> Tensor:
        """Project motion, (n, width, side, side)."""
        return nn.functional.normalize(self.linear(self.body(motion).mean(dim=(2, 3))))


class Classifier(nn.Module):
    """Motion to class scores, (n, classes)."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(config.width * factor for factor in (1, 2, 4, 8)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.linear = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(8 * config.width, classes))

    def forward(self, motion: Tensor) -> Tensor:
        """Classify motion, (n, width, side, side)."""
        result: Tensor = self.linear(self.pooled(motion))
        return result

    def pooled(self, motion: Tensor) -> Tensor:
        """Return the feature before the last layer, (n, 8 width)."""
        result: Tensor = self.body(motion).mean(dim=(2, 3))
        return result


class Net(nn.Module):
    """The encoder; each phase adds its heads: texture, decoder and projection, then the classifier."""

    classifier: nn.Module

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = Encoder(config)

    def forward(self, frames: Tensor) -> Tensor:
        """Score onset and apex, (n, 2, colours, size, size) in -1..1."""
        result: Tensor = self.classifier(self.encoder(frames)[2])
        return result


def texture_head(config: Config) -> nn.Sequential:
    """Return the separator's texture head, which halves the side of the trunk's features."""
    return _head(config.width, 2, config.head_blocks)


def _head(width: int, stride: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(_convolution(width, width, 3, stride), nn.ReLU(inplace=True), *_residuals(width, blocks))


def _residuals(width: int, count: int) -> list[nn.Module]:
    return [_Residual(width) for _ in range(count)]


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    padding = kernel // 2
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False, padding_mode="reflect")
