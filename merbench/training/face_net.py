"""What nets on pictures of faces share: their scale, and augmentation by one draw for all pictures of a clip."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.training.augmentation import draw_light, draw_moves, lit, moved, standardised
from merbench.training.balanced_net import BalancedConfig, BalancedNet
from merbench.training.torch_method import Batch


class FaceConfig(BalancedConfig):
    """Settings of nets on pictures of faces, beside those of every net that may balance the classes.

    Attributes
    ----------
    size : int
        Pixels of the pictures.
    flip : bool
        Mirror half of the clips in training.
    rotation : float
        Largest angle in training, degrees.
    padding : int
        Largest shift in training, pixels.
    colour_jitter : float
        Largest change of contrast and brightness in training.
    """

    size: int = Field(224, ge=16)
    flip: bool = False
    rotation: float = Field(0.0, ge=0, le=180)
    padding: int = Field(0, ge=0)
    colour_jitter: float = Field(0.0, ge=0, lt=1)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of these nets."""
        yield from super().faults()
        yield self.padding >= self.size, f"padding {self.padding} must be below size {self.size}"


class FaceNet(BalancedNet):
    """Base of nets on pictures of faces; a subclass defines `module`, and `declare_inputs` with an input ``pictures``.

    The module gets pictures, (n, channels, size, size), as `scaled` returns them; several of a clip as
    (n, count, channels, size, size).
    """

    Config: ClassVar[type[FaceConfig]] = FaceConfig

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the pictures as bytes, channels before height; a single frame of a clip without its axis."""
        pictures = torch.from_numpy(inputs["pictures"].batch(rng=rng)).movedim(-1, -3)
        single = pictures.ndim == 5 and pictures.shape[1] == 1
        return {"pictures": (pictures[:, 0] if single else pictures).contiguous()}

    def scaled(self, levels: Tensor) -> Tensor:
        """Scale levels, (..., channels, size, size), 0..1: by ImageNet's mean and deviation unless a method differs."""
        return standardised(levels)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Change contrast and brightness, scale, and then flip, rotate and shift: what comes from outside is 0."""
        config, levels = self.config, batch["pictures"].float() / 255
        moves = draw_moves(len(levels), config.flip, config.rotation, config.padding, generator)
        if config.colour_jitter:
            levels = lit(levels, draw_light(len(levels), config.colour_jitter, generator))
        pictures = self.scaled(levels)
        if config.flip or config.rotation or config.padding:
            pictures = moved(pictures.flatten(1, -3), moves).view_as(pictures)
        return batch | {"pictures": pictures}

    def seen(self, batch: Batch) -> Tensor:
        """Return the pictures of a batch for the net: scaled, unless `augment` has scaled them."""
        pictures = batch["pictures"]
        return self.scaled(pictures.float() / 255) if pictures.dtype == torch.uint8 else pictures

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the net's scores of the pictures."""
        result: Tensor = module(self.seen(batch))
        return result
