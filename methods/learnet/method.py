"""LEARNet (Verma et al., TIP 2020) on the dynamic image."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import DynamicImage, InputSpec
from merbench.training.face_net import FaceConfig, FaceNet

from .net import Net


class Settings(FaceConfig):
    """Settings of LEARNet; the defaults are the configuration ``full``.

    - picture: the weights of frames in the dynamic image: the ``lab``'s own, which add the face itself, or ``exact``
      rank pooling
    - span: the frames that are pooled
    - widths: channels of the stem and the columns' first convolution, of their second and third, and of the last one
    - hidden, dropout: width of the dense layer, and dropout after it
    - norm_memory: share of the statistics of batch norms that a batch keeps
    """

    size: int = Field(112, ge=16)
    picture: Literal["lab", "exact"] = "lab"
    span: Literal["onset-apex", "onset-offset", "clip"] = "onset-offset"
    widths: tuple[int, int, int, int] = (16, 32, 64, 256)
    hidden: int = Field(256, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    norm_memory: float = Field(0.99, ge=0, lt=1)


class LEARNet(FaceNet):
    """Four columns on the dynamic image."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`: the dynamic image."""
        return {"pictures": DynamicImage(size=config.size, weights=config.picture, span=config.span)}

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        sizes = (config.widths, config.hidden, config.norm_memory, config.dropout)
        return Net(len(self.problem.outputs), config.size, *sizes)

    def scaled(self, levels: Tensor) -> Tensor:
        """Return levels as they are."""
        return levels
