"""AffectiveNet-style (after Verma et al., IEEE MultiMedia 2021): a reconstruction, see README.md."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs, InputSpec
from merbench.contracts.methods import TrainingData
from merbench.training.augmentation import draw_moves, moved
from merbench.training.balance import balanced_weights
from merbench.training.torch_method import Batch, TorchMethod

from .config import Config as Settings
from .net import Net, Seen


class AffectiveNet(TorchMethod):
    """Four streams on one picture of the clip."""

    Config = Settings
    config: Settings
    _class_weights: Tensor | None = None

    @classmethod
    def declare_inputs(cls, config: Settings) -> dict[str, InputSpec]:
        """Return the inputs of `config`: the dynamic image."""
        return config.inputs()

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes: clips / (classes that occur * clips of the class)."""
        if self.config.class_weights == "balanced":
            self._class_weights = balanced_weights(train.labels, len(self.problem.outputs))

    def module(self) -> nn.Module:
        """Return the net."""
        return Net(self.config, len(self.problem.outputs))

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return pictures as bytes, (n, channels, size, size)."""
        picture = torch.from_numpy(inputs["picture"].batch(rng=rng))
        return {"picture": picture.permute(0, 3, 1, 2).contiguous()}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Flip, rotate and crop pictures after their scaling: what comes from outside is 0."""
        config = self.config
        picture = self.scaled(batch["picture"])
        return {
            "picture": moved(picture, draw_moves(len(picture), config.flip, config.rotation, config.padding, generator))
        }

    def scaled(self, picture: Tensor) -> Tensor:
        """Scale bytes to 0..1, less the median of each picture if the setting ``centred`` says so."""
        levels = picture.float() / 255
        return levels - levels.flatten(1).median(dim=1).values[:, None, None, None] if self.config.centred else levels

    def look(self, module: nn.Module, batch: Batch) -> Seen:
        """Run the net on a batch, augmented or not."""
        picture = batch["picture"]
        seen: Seen = module(self.scaled(picture) if picture.dtype == torch.uint8 else picture)
        return seen

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        return self.look(module, batch).scores

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy, with the weights of the classes if there are any."""
        weights = None if self._class_weights is None else self._class_weights.to(labels.device)
        return nn.functional.cross_entropy(self.scores(module, batch), labels, weights)

    def diagnose(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Return the mean of each stream's map over locations, and the feature before the classes."""
        parts = list(self.evaluated(inputs, lambda net, batch: _diagnosed(self.look(net, batch))))
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def _diagnosed(seen: Seen) -> dict[str, Tensor]:
    streams = {f"feature/stream-{kernel}": each.mean(dim=(2, 3)) for kernel, each in seen.streams.items()}
    return streams | {"feature/joined": seen.feature}
