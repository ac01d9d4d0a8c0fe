"""OrigiNet (Verma et al., IJCNN 2020) on the active image."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import DynamicImage, InputSpec
from merbench.training.face_net import FaceConfig, FaceNet

from .net import Net


class Settings(FaceConfig):
    """Settings of OrigiNet; the defaults are the configuration ``full``.

    - picture: the ``active`` image, in grey and cut to 0..255, or the dynamic image by ``exact`` rank pooling
    - span: the frames that are pooled
    - widths: channels of the four pairs of convolutions
    - hidden: width of the two dense layers
    - normed: the last 5 x 5 convolution sees the third sum normalised, as the 3 x 3 one does
    - norm_memory: share of the statistics of batch norms that a batch keeps
    """

    size: int = Field(128, ge=16)
    picture: Literal["active", "exact"] = "active"
    span: Literal["onset-apex", "onset-offset", "clip"] = "onset-offset"
    widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    hidden: int = Field(128, ge=1)
    normed: bool = False
    norm_memory: float = Field(0.99, ge=0, lt=1)


class OrigiNet(FaceNet):
    """Pairs of convolutions on the active image."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`: the picture of the clip."""
        return {"pictures": DynamicImage(size=config.size, weights=config.picture, span=config.span)}

    def module(self) -> nn.Module:
        """Return the net."""
        config = self.config
        sizes = (config.widths, config.hidden, config.norm_memory, config.normed)
        return Net(len(self.problem.outputs), config.size, *sizes)

    def scaled(self, levels: Tensor) -> Tensor:
        """Return levels as they are, a grey picture in three channels, as OpenCV reads it."""
        return levels.expand(-1, 3, -1, -1)
