"""What nets on one flow image share: their input, its scale, and a loss that may balance the classes."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import Flow, Inputs, InputSpec
from merbench.contracts.methods import TrainingData
from merbench.training.balance import balanced_weights
from merbench.training.torch_method import Batch, TorchConfig, TorchMethod

#: Pixels of the published releases; other sizes are resampled from them, see :class:`merbench.contracts.inputs.Flow`.
RELEASED = 28


class FlowConfig(TorchConfig):
    """Settings of nets on one flow image, beside those of every net.

    Attributes
    ----------
    size : int
        Pixels of the image; from a release of 28 pixels, other sizes are interpolated.
    balanced : bool
        Weigh each clip in the loss by the inverse of its class's number of training clips.
    """

    size: int = Field(RELEASED, ge=8)
    balanced: bool = False


class FlowNet(TorchMethod):
    """Base of nets on the onset-to-apex flow image; a subclass defines `module`.

    The module gets images (n, channels, size, size) in 0..1.
    """

    Config: ClassVar[type[FlowConfig]] = FlowConfig
    _weights: Tensor | None
    channels: ClassVar[tuple[Literal["u", "v", "strain"], ...]] = ("u", "v", "strain")

    @classmethod
    def declare_inputs(cls, config: Any) -> dict[str, InputSpec]:
        """Return the flow image of `config`."""
        return {"flow": Flow(size=config.size, channels=cls.channels, resample=config.size != RELEASED)}

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes."""
        self._weights = None
        if self.config.balanced:
            self._weights = balanced_weights(train.labels, len(self.problem.outputs)).to(self._device)

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the images as float32 in 0..1, (n, channels, size, size), channels last in memory."""
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).float() / 255}

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the scores."""
        return nn.functional.cross_entropy(self.scores(module, batch), labels, self._weights)
