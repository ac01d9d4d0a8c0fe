"""The settings of EMR."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import Flow, InputSpec
from merbench.training.face_net import FaceConfig


class Config(FaceConfig):
    """Settings of EMR; the defaults are the configuration ``full``.

    - magnify: ``evm`` magnifies the frames before the flow; ``none`` does not
    - face_size: pixels of the faces on which the flow is computed
    - width, blocks: channels of the trunk's first level, doubled on each level, and blocks of a level
    - hidden, dropout: width of the layer after each half of the face, and dropout after it
    - pretrained: begin with ImageNet's weights, which timm downloads, or finds in the cache of the model hub
    - trunk_rate: of learning, of the trunk; `learning_rate` is that of the heads
    - halved_every: the heads' rate is halved after so many epochs, down to the trunk's; 0: never
    - weight_decay: of Adam
    - module_norm: longer gradients of a part of the net are shortened to this norm, but for the critic's
    - macro: databases of macro-expressions, which are trained on too; a critic separates them from micro-expressions
    - adversary_steps: steps in which the reversed gradient of the critic approaches its full size
    """

    rotation: float = Field(10.0, ge=0, le=180)
    padding: int = Field(16, ge=0)
    colour_jitter: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    magnify: Literal["none", "evm"] = "evm"
    face_size: int = Field(256, ge=16)
    width: int = Field(64, ge=1)
    blocks: int = Field(2, ge=1)
    hidden: int = Field(64, ge=2)
    dropout: float = Field(0.1, ge=0, lt=1)
    pretrained: bool = True
    trunk_rate: float = Field(1e-5, gt=0)
    halved_every: int = Field(10, ge=0)
    weight_decay: float = Field(1e-6, ge=0)
    module_norm: float = Field(1.0, gt=0)
    macro: tuple[str, ...] = ()
    adversary_steps: float = Field(1e4, gt=0)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield (
            self.size < 33,
            f"size {self.size} leaves one row of the last map for both halves of the face: take 33 or more",
        )
        other = (self.width, self.blocks) != (64, 2)
        yield self.pretrained and other, "pretrained: true needs width 64 and blocks 2: ResNet-18's"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the input of this configuration: the flow as a coloured picture."""
        return {
            "pictures": Flow(
                size=self.size,
                channels=("u", "v"),
                algorithm="farneback",
                normalise="hsv",
                face_size=self.face_size,
                magnify=self.magnify,
            )
        }
