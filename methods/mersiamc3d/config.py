"""The settings of MERSiamC3D-style: what its abstract names, and choices that fill in the rest."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from merbench.contracts.inputs import Frames, InputSpec
from merbench.training.face_net import FaceConfig
from merbench.training.torch_method import TorchConfig


class Config(FaceConfig):
    """Settings of MERSiamC3D-style; the defaults are the configuration ``full``. All are inferred, see the card.

    - frames: of a clip, onset and apex among them
    - change: the net sees the differences of frames to the onset, else the frames
    - widths: channels of the 3D convolutions; the first halves the side of frames alone, the others time, too
    - hidden, dropout: width of the dense layer, and dropout after it
    - prior_epochs, prior_rate: length and learning rate of the first stage, on pairs of clips; 0 epochs: none
    - trunk_rate: share of the learning rate of what the first stage taught, in the second
    - gamma: of the focal loss
    - weight_decay: of AdamW
    """

    size: int = Field(112, ge=16)
    flip: bool = True
    rotation: float = Field(4.0, ge=0, le=180)
    padding: int = Field(4, ge=0)
    epochs: int = Field(60, ge=1)
    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    frames: int = Field(9, ge=3)
    change: bool = True
    widths: tuple[int, ...] = (32, 64, 128, 128)
    hidden: int = Field(256, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    prior_epochs: int = Field(30, ge=0)
    prior_rate: float = Field(1e-3, gt=0)
    trunk_rate: float = Field(1.0, ge=0)
    gamma: float = Field(2.0, ge=0)
    weight_decay: float = Field(0.01, ge=0)

    @property
    def prior(self) -> TorchConfig:
        """Length, batches and learning rate of the first stage."""
        sizes = {"epochs": self.prior_epochs, "batch_size": self.batch_size, "learning_rate": self.prior_rate}
        return TorchConfig.model_validate(sizes)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield (
            not self.widths or min(self.widths) < 1,
            "widths must be one or more numbers of channels, such as [32, 64]",
        )
        least = 2 ** len(self.widths)
        yield self.size < least, f"size {self.size} is too small for {len(self.widths)} levels: take {least} or more"

    def inputs(self) -> dict[str, InputSpec]:
        """Return the input of this configuration: frames of rise and decay."""
        return {"pictures": Frames(span="onset-offset", count=self.frames, size=self.size, sampling="phase")}
