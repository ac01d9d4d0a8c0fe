"""Any backbone of timm (https://github.com/huggingface/pytorch-image-models) on pictures of the face."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import DynamicImage, Frames, InputSpec
from merbench.training.backbones import BackboneConfig, timm_backbone
from merbench.training.face_net import FaceConfig, FaceNet


class Settings(BackboneConfig, FaceConfig):
    """Settings of a backbone on faces, beside those of every backbone.

    - picture: the ``difference`` of apex and onset frame, the ``apex`` frame alone, or the ``dynamic`` image
    """

    picture: Literal["difference", "apex", "dynamic"] = "difference"
    size: int = Field(112, ge=28)
    flip: bool = True
    padding: int = Field(4, ge=0)


class TimmFrames(FaceNet):
    """A backbone of timm on pictures of the face."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`: one frame or two, or the dynamic image."""
        if config.picture == "dynamic":
            return {"pictures": DynamicImage(size=config.size)}
        if config.picture == "apex":
            return {"pictures": Frames(span="apex", count=1, size=config.size, colour="rgb")}
        return {"pictures": Frames(span="onset-apex", count=2, size=config.size, colour="rgb")}

    def module(self) -> nn.Module:
        """Return the backbone, with a new last layer; SetupError if it can't take pictures of this size."""
        config, classes = self.config, len(self.problem.outputs)
        net = timm_backbone(config.backbone, config.size, config.pretrained, num_classes=classes)
        return net.to(memory_format=torch.channels_last)

    def scaled(self, levels: Tensor) -> Tensor:
        """Scale levels as ImageNet's; of two frames, return the difference."""
        scaled = super().scaled(levels)
        return scaled if scaled.ndim == 4 else scaled[:, 1] - scaled[:, 0]

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW."""
        return self.config.optimiser(module)
