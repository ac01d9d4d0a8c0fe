"""What nets on one flow image share: their input, and its scale."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from merbench.contracts.inputs import Flow, Inputs, InputSpec
from merbench.training.balanced_net import BalancedConfig, BalancedNet
from merbench.training.torch_method import Batch

#: Pixels of the published releases; other sizes are resampled from them, see :class:`merbench.contracts.inputs.Flow`.
RELEASED = 28


class FlowConfig(BalancedConfig):
    """Settings of nets on one flow image, beside those of every net that may balance the classes.

    Attributes
    ----------
    size : int
        Pixels of the image; from a release of 28 pixels, other sizes are interpolated.
    """

    size: int = Field(RELEASED, ge=8)


class FlowNet(BalancedNet):
    """Base of nets on the onset-to-apex flow image; a subclass defines `module`.

    The module gets images (n, channels, size, size) in 0..1.
    """

    Config: ClassVar[type[FlowConfig]] = FlowConfig
    channels: ClassVar[tuple[Literal["u", "v", "strain"], ...]] = ("u", "v", "strain")

    @classmethod
    def declare_inputs(cls, config: Any) -> dict[str, InputSpec]:
        """Return the flow image of `config`."""
        return {"flow": Flow(size=config.size, channels=cls.channels, resample=config.size != RELEASED)}

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the images as float32 in 0..1, (n, channels, size, size), channels last in memory."""
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).float() / 255}
