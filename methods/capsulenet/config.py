"""The settings of CapsuleNet."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from merbench.contracts.inputs import Frames, InputSpec
from merbench.training.face_net import FaceConfig


class Config(FaceConfig):
    """Settings of CapsuleNet; the defaults are the configuration ``full``.

    - picture: the ``apex`` frame, or its ``difference`` from the onset frame
    - neighbours: in training, the apex is drawn from so many frames before and after the annotated one, too
    - width, blocks: channels of the trunk's first level, doubled on each level, and blocks of a level
    - maps, capsules, kernel: channels of the convolution after the trunk, maps of primary capsules, kernel of both
    - routings: rounds of routing
    - pretrained: begin with ImageNet's weights, which timm downloads, or finds in the cache of the model hub
    - frozen: keep the trunk's stem and first level as they are
    - oversample: repeat clips in each epoch until every class has so many times the clips of the smallest; 0: none
    - rate_factor: of the learning rate, once before the first and after every epoch
    """

    flip: bool = True
    rotation: float = Field(8.0, ge=0, le=180)
    padding: int = Field(8, ge=0)
    colour_jitter: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(30, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    picture: Literal["apex", "difference"] = "apex"
    neighbours: int = Field(2, ge=0)
    width: int = Field(64, ge=1)
    blocks: int = Field(2, ge=1)
    maps: int = Field(256, ge=1)
    capsules: int = Field(32, ge=1)
    kernel: int = Field(9, ge=1)
    routings: int = Field(3, ge=1)
    pretrained: bool = True
    frozen: bool = False
    oversample: float = Field(5.0, ge=0)
    rate_factor: float = Field(0.9, gt=0, le=1)

    @property
    def side(self) -> int:
        """Side of the trunk's last map."""
        return -(-self.size // 8)

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate: it falls before every epoch."""
        return super().rate(trained, epochs) * self.rate_factor ** (int(trained) + 1)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        least = 8 * (2 * self.kernel - 2) + 1
        yield (
            self.size < least,
            f"size {self.size} is too small for two convolutions of {self.kernel} x {self.kernel}: "
            f"take {least} or more, or a smaller kernel",
        )
        other = (self.width, self.blocks) != (64, 2)
        yield self.pretrained and other, "pretrained: true needs width 64 and blocks 2: ResNet-18's"
        yield (
            self.frozen and not self.pretrained,
            "frozen: true keeps random weights without pretrained: true: set frozen to false",
        )

    def inputs(self) -> dict[str, InputSpec]:
        """Return the input of this configuration: the apex frame, or it and the onset frame."""
        which: dict[str, Any] = {"span": "apex", "count": 1}
        if self.picture == "difference":
            which = {"span": "onset-apex", "count": 2}
        return {"pictures": Frames(**which, size=self.size, colour="rgb", apex_jitter=self.neighbours)}
