"""The settings of SKD-TSTSAN."""

from typing import Any

from pydantic import Field

from merbench.contracts.inputs import Flow, Frames, InputSpec
from merbench.training.balanced_net import BalancedConfig


class Config(BalancedConfig):
    """Settings of SKD-TSTSAN; the defaults are the configuration ``full``.

    - size: pixels of the face, of each of its 16 blocks, and of the flow; the blocks are cut from a face four times as
      large
    - width, magnified: channels of the first convolutions, and of the encoders of motion
    - amplification: factor of the motion
    - dropout: before the heads' linear layers
    - balanced: weigh clips by the inverse of their class's number of training clips
    - gamma: of the focal loss
    - temperature, distillation: of the auxiliary heads' distillation, and its share of their loss
    - feature_weight: of the distance to the last head's features
    - weight_decay: of Adam
    """

    epochs: int = Field(715, ge=1)
    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    balanced: bool = True
    size: int = Field(48, ge=16, multiple_of=4)
    width: int = Field(64, ge=8)
    magnified: int = Field(32, ge=2, multiple_of=2)
    amplification: float = Field(2.0, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)
    gamma: float = Field(2.0, ge=0)
    temperature: float = Field(3.0, gt=0)
    distillation: float = Field(0.1, ge=0, le=1)
    feature_weight: float = Field(1e-6, ge=0)
    weight_decay: float = Field(5e-4, ge=0)

    def inputs(self) -> dict[str, InputSpec]:
        """Return the inputs of this configuration: onset and apex frame, and both flows."""
        flow: dict[str, Any] = {"size": self.size, "channels": ("u", "v")}
        return {
            "frames": Frames(span="onset-apex", count=2, size=4 * self.size),
            "rise": Flow(span="onset-apex", **flow),
            "decay": Flow(span="apex-offset", **flow),
        }
