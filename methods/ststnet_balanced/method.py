"""STSTNet (Liong et al., FG 2019) with a loss in which all classes count alike."""

from torch import Tensor, nn

from merbench.contracts.methods import TrainingData
from merbench.training.balance import balanced_weights
from merbench.training.torch_method import Batch

from ..ststnet.method import STSTNet


class BalancedSTSTNet(STSTNet):
    """STSTNet with class weights."""

    packs = False  # the loss depends on the training clips

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes."""
        self._weights = balanced_weights(train.labels, len(self.problem.outputs)).to(self._device)

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the weighted cross-entropy of the scores."""
        return nn.functional.cross_entropy(self.scores(module, batch), labels, self._weights)
