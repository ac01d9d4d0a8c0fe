"""What nets of baselines share: a loss that may balance the classes."""

from typing import ClassVar

from torch import Tensor, nn

from merbench.contracts.methods import TrainingData
from merbench.training.balance import balanced_weights
from merbench.training.torch_method import Batch, TorchConfig, TorchMethod


class BalancedConfig(TorchConfig):
    """Settings of a net whose loss may balance the classes, beside those of every net.

    Attributes
    ----------
    balanced : bool
        Weigh each clip in the loss by the inverse of its class's number of training clips.
    """

    balanced: bool = False


class BalancedNet(TorchMethod):
    """Base of nets whose loss, cross-entropy unless a method says otherwise, may balance the classes."""

    Config: ClassVar[type[BalancedConfig]] = BalancedConfig
    #: Of the classes, on the device; None where clips count alike.
    _weights: Tensor | None = None

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes."""
        self._weights = None
        if self.config.balanced:
            self._weights = balanced_weights(train.labels, len(self.problem.outputs)).to(self._device)

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the scores."""
        return nn.functional.cross_entropy(self.scores(module, batch), labels, self._weights)
