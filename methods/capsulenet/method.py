"""CapsuleNet (Van Quang et al., FG 2019) on the apex frame."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from merbench.contracts.inputs import InputSpec
from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.balance import oversampled
from merbench.training.face_net import FaceNet
from merbench.training.phases import Phase
from merbench.training.torch_method import Batch

from .config import Config as Settings
from .net import Net, margin_loss


class CapsuleNet(FaceNet):
    """Capsules on the apex frame."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the input of `config`."""
        return config.inputs()

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def scaled(self, levels: Tensor) -> Tensor:
        """Return levels as they are, as in the authors' code, or the difference of two frames."""
        return levels if levels.ndim == 4 else levels[:, 1] - levels[:, 0]

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Return one phase, on clips repeated until the classes are balanced."""
        inputs, labels = train.inputs, train.labels
        if self.config.oversample:
            rows = oversampled(labels, self.config.oversample, run.rng("oversample"))
            inputs, labels = inputs.take(rows), labels[rows]
        rates = dict.fromkeys(("trunk.conv1", "trunk.bn1", "trunk.layer1"), 0.0) if self.config.frozen else {}
        return [Phase("training", inputs, np.asarray(labels), rates=rates)]

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the margin loss."""
        return margin_loss(self.scores(module, batch), labels, self._weights)
