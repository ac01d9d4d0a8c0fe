"""The settings of SLSTT."""

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import FlowSeries, InputSpec
from merbench.training.face_net import FaceConfig

#: The sizes of the authors' ViT-B/16: pixels, patch, width, depth, heads, expansion of perceptrons.
BASE = (384, 16, 768, 12, 12, 4.0)


class Config(FaceConfig):
    """Settings of SLSTT; the defaults are the configuration ``full``.

    - face_size: pixels of the faces on which the flow is computed; it is averaged to `size`
    - frames: pictures of a clip: the flow from the onset to so many frames at equal steps, the last one the offset
    - patch, width, depth, heads, mlp_ratio, dropout: of the vision transformer
    - aggregation: of the frames' features: ``lstm``, or their ``mean``
    - lstm_width, lstm_layers, hidden: of the LSTM, and of the dense layer after it
    - pretrained: begin with ImageNet's weights, which timm downloads, or finds in the cache of the model hub
    - frozen: the vision transformer does not learn, but for its last normalisation
    - optimiser: stochastic gradient descent, ``sgd``, or ``adamw``
    - momentum, weight_decay: of stochastic gradient descent; AdamW has the latter alone
    - restart_epochs: the rate falls along a half cosine and restarts after so many epochs; 0: `schedule` alone
    """

    size: int = Field(384, ge=16)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(1, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    face_size: int = Field(384, ge=16)
    frames: int = Field(11, ge=1)
    patch: int = Field(16, ge=1)
    width: int = Field(768, ge=1)
    depth: int = Field(12, ge=1)
    heads: int = Field(12, ge=1)
    mlp_ratio: float = Field(4.0, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    aggregation: Literal["lstm", "mean"] = "lstm"
    lstm_width: int = Field(512, ge=1)
    lstm_layers: int = Field(3, ge=1)
    hidden: int = Field(256, ge=1)
    pretrained: bool = True
    frozen: bool = True
    optimiser: Literal["sgd", "adamw"] = "sgd"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    restart_epochs: int = Field(4, ge=0)

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate, with its restarts."""
        whole = super().rate(trained, epochs)
        if not self.restart_epochs:
            return whole
        return whole * (1 + math.cos(math.pi * (trained % self.restart_epochs) / self.restart_epochs)) / 2

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield self.size % self.patch > 0, f"size {self.size} must be a multiple of patch {self.patch}"
        yield self.face_size % self.size > 0, f"face_size {self.face_size} must be a multiple of size {self.size}"
        yield self.width % self.heads > 0, f"width {self.width} must be a multiple of heads {self.heads}"
        sizes = (self.size, self.patch, self.width, self.depth, self.heads, self.mlp_ratio)
        step = "or set pretrained to false"
        yield self.pretrained and sizes != BASE, f"pretrained: true needs the sizes of ViT-B/16 at 384 pixels, {step}"
        moved = self.flip or self.rotation or self.padding or self.colour_jitter
        yield (
            bool(self.frozen and moved),
            "frozen: true encodes every clip once: set flip, rotation, padding and colour_jitter to 0",
        )

    def inputs(self) -> dict[str, InputSpec]:
        """Return the input of this configuration: the flow from the onset to each frame."""
        return {"pictures": FlowSeries(count=self.frames + 1, size=self.face_size, algorithm="farneback")}
