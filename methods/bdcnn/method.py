"""BDCNN (Chen et al., 2022), with pictures made from one flow image."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import TrainingData
from merbench.training.flow_net import FlowConfig, FlowNet
from merbench.training.torch_method import Batch

from .net import Covariances, Net

#: Mean and deviation of CIFAR-10's colours, by which the authors' code scales its pictures.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2470, 0.2435, 0.2616)
PUBLISHED = (0.15, 0.425, 0.425)


class Settings(FlowConfig):
    """Settings of BDCNN.

    - block: pixels of a block: 8, 10, 20, 30 or 40
    - wide, features: of the dense layers
    - class_weights: of the loss: ``published``, .15 for the first and .425 for the two other classes; or ``none``
    - augmentation: strength of the implicit augmentation in the last epoch; it rises evenly from 0
    - lowered: the rate is a tenth after this share of the epochs
    """

    size: int = Field(120, ge=40)
    block: Literal[8, 10, 20, 30, 40] = 10
    wide: int = Field(1024, ge=1)
    features: int = Field(128, ge=1)
    class_weights: Literal["published", "none"] = "published"
    augmentation: float = Field(0.5, ge=0)
    lowered: float = Field(0.8, gt=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(128, ge=2)
    learning_rate: float = Field(0.01, gt=0)

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate: a tenth towards the end."""
        return super().rate(trained, epochs) * (0.1 if trained >= self.lowered * epochs else 1.0)

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield the rules of this method."""
        yield from super().faults()
        yield self.size % self.block > 0, f"size {self.size} must be a multiple of block {self.block}"
        both = self.balanced and self.class_weights != "none"
        yield both, "balanced replaces class_weights: published: set class_weights to none"


class BDCNN(FlowNet):
    """Blocks of four flow pictures."""

    Config = Settings
    config: Settings

    def begin(self, train: TrainingData) -> None:
        """Compute the weights of the classes."""
        super().begin(train)
        if self.config.class_weights == "published":
            classes = len(self.problem.outputs)
            if classes != len(PUBLISHED):
                raise ValueError(f"class_weights: published is for 3 classes, not {classes}: set class_weights to none")
            self._weights = torch.tensor(PUBLISHED, device=self._device)

    def module(self) -> nn.Module:
        """Return the net, and what is known of its features' covariances."""
        config, classes = self.config, len(self.problem.outputs)
        net = Net(classes, config.size, config.block, config.wide, config.features)
        return nn.ModuleDict({"net": net, "covariances": Covariances(classes, config.features)})

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return stochastic gradient descent with Nesterov's momentum."""
        config = self.config
        settings: dict[str, Any] = {"momentum": config.momentum, "weight_decay": config.weight_decay}
        return torch.optim.SGD(
            module.parameters(), config.learning_rate, nesterov=config.momentum > 0, fused=True, **settings
        )

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return u, v, strain and magnitude, (n, 4, 1, size, size) in 0..1."""
        return {"maps": torch.from_numpy(with_magnitude(inputs["flow"].batch(rng=rng)))[:, :, None]}

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the class scores."""
        return self._seen(module, batch)[1]

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the cross-entropy of scores augmented by the covariances of features seen so far."""
        covariances, classifier = module["covariances"], module["net"].classifier  # type: ignore[index]
        features, scores = self._seen(module, batch)
        covariances.update(features.detach(), labels)
        ratio = self.config.augmentation * self.epoch / self.config.epochs
        augmented = covariances.augmented(scores, labels, classifier.weight, ratio)
        return nn.functional.cross_entropy(augmented, labels, self._weights)

    def _seen(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        maps = batch["maps"]
        mean, deviation = (maps.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        seen: tuple[Tensor, Tensor] = module["net"]((maps - mean) / deviation)  # type: ignore[index]
        return seen


def with_magnitude(flow: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return u, v, strain and magnitude of flow images, (n, size, size, 3) -> (n, 4, size, size), each in 0..1.

    Each image's zero movement is taken to be its median, since the images are scaled clip by clip.
    """
    values = np.moveaxis(flow, -1, 1).astype(np.float32) / 255
    moved = values[:, :2] - np.median(values[:, :2], axis=(2, 3), keepdims=True)
    magnitude = np.linalg.norm(moved, axis=1, keepdims=True)
    largest = magnitude.max(axis=(2, 3), keepdims=True)
    scaled = np.divide(magnitude, largest, out=np.zeros_like(magnitude), where=largest > 0)
    return np.concatenate([values, scaled], axis=1)
