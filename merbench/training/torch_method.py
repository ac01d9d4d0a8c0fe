"""The adapter for neural nets: a method builds a module and computes a loss, the loop is here, the same for all."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.training.memory import keep_freed_memory


class TorchConfig(MethodConfig):
    """Settings that every net has.

    Attributes
    ----------
    epochs : int
        Passes over the training clips.
    batch_size : int
        Clips a step; the last batch of an epoch may be smaller.
    learning_rate : float
        Of the optimiser that `TorchMethod.optimiser` makes, Adam unless a method says otherwise.
    shuffle : bool
        Draw a new order of the clips for each epoch.
    """

    epochs: int = Field(100, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    shuffle: bool = True


Batch = dict[str, Tensor]


class TorchMethod:
    """Base of methods that are a net. A subclass defines `module`, and what else of the following it wants otherwise.

    The inputs of all training clips lie on the device from the first epoch on and are indexed there.
    """

    Config: ClassVar[type[TorchConfig]] = TorchConfig

    def __init__(self, config: Any, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def module(self) -> nn.Module:
        """Return the net, freshly initialised; called with torch's generator seeded for the fold."""
        raise NotImplementedError(f"{type(self).__name__} must define module()")

    def tensors(self, inputs: Inputs) -> Batch:
        """Turn the inputs of clips to tensors, row by row; by default every declared input as it is."""
        return {name: torch.from_numpy(inputs[name].batch()) for name in inputs.names()}

    def scores(self, module: nn.Module, batch: Batch) -> Tensor:
        """Return the net's scores of a batch, shape (n_clips, n_outputs); by default the module gets all tensors."""
        result: Tensor = module(*batch.values())
        return result

    def loss(self, module: nn.Module, batch: Batch, labels: Tensor) -> Tensor:
        """Return the loss of a training batch, a scalar; by default cross-entropy of the scores."""
        return nn.functional.cross_entropy(self.scores(module, batch), labels)

    def optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of the net's parameters."""
        return torch.optim.Adam(module.parameters(), lr=self.config.learning_rate, fused=True)

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Train the net: ``config.epochs`` passes, telling the harness of each."""
        torch.set_num_threads(run.threads)
        self._device = torch.device(run.device)
        if self._device.type == "cpu":
            keep_freed_memory()
        torch.manual_seed(run.stream_seed("torch"))
        self.net = self.module().to(self._device)
        data = self._on_device(train.inputs)
        labels = torch.from_numpy(np.asarray(train.labels)).to(self._device)
        optimiser = self.optimiser(self.net)
        order = run.rng("shuffle")
        for epoch in range(1, self.config.epochs + 1):
            self.net.train()
            for rows in self._batches(len(labels), order):
                batch = {name: values[rows] for name, values in data.items()}
                optimiser.zero_grad(set_to_none=True)
                self.loss(self.net, batch, labels[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            run.progress(epoch, self.config.epochs)
            if run.epoch_end(epoch, self):
                break

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict with the net in eval mode, at most a batch at a time."""
        self.net.eval()
        data = self._on_device(inputs)
        rows = torch.split(torch.arange(inputs.clips, device=self._device), self.config.batch_size)
        with torch.inference_mode():
            parts = [self.scores(self.net, {name: values[r] for name, values in data.items()}) for r in rows]
        return Prediction(torch.cat(parts).double().cpu().numpy())

    def _on_device(self, inputs: Inputs) -> Batch:
        return {name: values.to(self._device) for name, values in self.tensors(inputs).items()}

    def _batches(self, clips: int, order: np.random.Generator) -> Iterator[Any]:
        """Give the rows of each batch of an epoch: slices, which cost no copy, where nothing is shuffled."""
        if self.config.shuffle:
            yield from torch.split(torch.from_numpy(order.permutation(clips)).to(self._device), self.config.batch_size)
        else:
            size = self.config.batch_size
            yield from (slice(start, start + size) for start in range(0, clips, size))
