"""The adapter for neural nets: a method builds a module and computes a loss; the training loop is here."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.training.memory import keep_freed_memory


class TorchConfig(MethodConfig):
    """Settings of every net.

    Attributes
    ----------
    least_steps : int
        More passes over the training clips are made if `epochs` are fewer steps: few clips give few steps an epoch.
    batch_size : int
        Clips a step; the last batch of an epoch may be smaller, or one clip larger.
    learning_rate : float
        Of the optimiser that `TorchMethod.optimiser` makes, Adam unless a method says otherwise.
    shuffle : bool
        Draw a new order of the clips for each epoch.
    warmup_epochs : float
        The learning rate rises linearly from 0 over this many epochs.
    schedule : str
        After the warm-up: ``constant``, or ``cosine`` down to 0 at the last step.
    gradient_norm : float, optional
        Longer gradients are shortened to this norm.
    precision : str
        Of training: ``float32``, or ``bfloat16``, which lets torch compute products in 16 bits (autocast).
        Predictions are always made in float32.
    channels_last : bool
        Memory layout of pictures and filters; speeds up convolutions on GPUs with mixed precision.
    compiled : bool
        Compile the net by ``torch.compile`` for training: pays where a fold takes minutes.
    """

    epochs: int = Field(100, ge=1)
    least_steps: int = Field(0, ge=0)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    shuffle: bool = True
    warmup_epochs: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_norm: float | None = Field(None, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    compiled: bool = False

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs:g} must not be above epochs {self.epochs}")
        return self


Batch = dict[str, Tensor]


class TorchMethod:
    """Base of methods that are a net. A subclass defines `module`, and overrides other methods as needed.

    The inputs of all training clips are on the device from the first epoch on and are indexed there. Inputs with a
    jitter window are drawn anew for each epoch.
    """

    Config: ClassVar[type[TorchConfig]] = TorchConfig

    #: Whether many folds may be trained in one program (:mod:`merbench.training.packed`): `loss` depends on nothing but
    #: settings, module, batch and labels; clips of a batch interact only in batch norms and the loss, which ignores
    #: those labelled -100 (NaN for action units), as torch's cross-entropy does; random parts of the
    #: module are layers of :mod:`merbench.training.layers`, called once a step; the optimiser works element by element
    #: (as SGD, Adam and AdamW do, and LAMB and Muon do not); and `fit` is the one below.
    packs: ClassVar[bool] = False

    #: The epoch that is being trained, from 1.
    epoch: int = 0

    def __init__(self, config: Any, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def begin(self, train: TrainingData) -> None:
        """Compute statistics of the training clips, such as class weights, before the net is made."""

    def module(self) -> nn.Module:
        """Return the net, freshly initialised; called with torch's generator seeded for the fold."""
        raise NotImplementedError(f"{type(self).__name__} must define module()")

    def tensors(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Turn the inputs of clips into tensors, row by row; by default every declared input unchanged.

        Test clips lack inputs that are for training only. `rng`, None for test clips, draws the versions of clips, for
        ``inputs.batch(rng=rng)``.
        """
        return {name: torch.from_numpy(values) for name, values in inputs.batch(rng=rng).items()}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Change a training batch at random, drawing from `generator`, on the batch's device; by default not at all."""
        return batch

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
        """Train the net, pass by pass, and report each epoch."""
        source = self.start(train, run)
        net: Any = torch.compile(self.net) if self.config.compiled else self.net
        optimiser = self.optimiser(self.net)
        bases = [group["lr"] for group in optimiser.param_groups]
        for epoch in range(1, source.epochs + 1):
            self.epoch = epoch
            self.net.train()
            batches = source.batches()
            for step, rows in enumerate(batches):
                rate = self.rate(epoch - 1 + step / len(batches), source.epochs)
                for group, base in zip(optimiser.param_groups, bases, strict=True):
                    group["lr"] = base * rate
                batch = source.batch(rows)
                optimiser.zero_grad(set_to_none=True)
                with self.precision():
                    loss = self.loss(net, batch, source.labels[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                if self.config.gradient_norm:
                    nn.utils.clip_grad_norm_(self.net.parameters(), self.config.gradient_norm)
                optimiser.step()
            run.progress(epoch, source.epochs)
            if run.epoch_end(epoch, self):
                break

    def start(self, train: TrainingData, run: RunContext) -> "_BatchSource":
        """Make the net, on its device, and the source of its batches."""
        torch.set_num_threads(run.threads)
        self._device = torch.device(run.device)
        if self._device.type == "cpu":
            keep_freed_memory()
        torch.manual_seed(run.stream_seed("torch"))
        self.begin(train)
        self.net = self.module().to(self._device)
        if self.config.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        return _BatchSource(self, train, run)

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict with the net in eval mode, at most a batch at a time."""
        return Prediction(torch.cat(list(self.evaluated(inputs, self.scores))).double().cpu().numpy())

    def evaluated(self, inputs: Inputs, look: Any) -> Iterator[Any]:
        """Yield ``look(net, batch)`` for the clips of `inputs` batch by batch, in eval mode and without gradients."""
        self.net.eval()
        data = self.on_device(inputs)
        # Full single precision: a GPU's TF32 would let a prediction depend on the batch.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for rows in torch.split(torch.arange(inputs.clips, device=self._device), self.config.batch_size):
                yield look(self.net, {name: values[rows] for name, values in data.items()})

    def precision(self) -> AbstractContextManager[Any]:
        """Compute within the block in the configured precision."""
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, getattr(torch, self.config.precision))

    def passes(self, clips: int) -> int:
        """Return how many passes are made over so many training clips."""
        config: TorchConfig = self.config
        return max(config.epochs, math.ceil(config.least_steps / len(batch_ends(clips, config.batch_size))))

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate after so many of all epochs."""
        if trained < self.config.warmup_epochs:
            return float((trained + 1e-3) / self.config.warmup_epochs)
        if self.config.schedule == "constant":
            return 1.0
        left = float(max(epochs - self.config.warmup_epochs, 1e-9))
        return (1 + math.cos(math.pi * float(trained - self.config.warmup_epochs) / left)) / 2

    def on_device(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the tensors of clips on the method's device."""
        return {name: values.to(self._device) for name, values in self.tensors(inputs, rng).items()}


class _BatchSource:
    """A method's training batches: the clips' tensors on the device, and the fold's random streams.

    `data` is empty before the first epoch; `jittered` says that the tensors differ from epoch to epoch.
    """

    def __init__(self, method: TorchMethod, train: TrainingData, run: RunContext) -> None:
        device = torch.device(run.device)
        self.labels = torch.from_numpy(np.asarray(train.labels)).to(device)
        self.epochs = method.passes(len(self.labels))
        self.data: Batch = {}
        self.jittered = any(train.inputs[name].spec.drawn is not None for name in train.inputs.names())
        self._method, self._inputs = method, train.inputs
        self._order, self._jitter = run.rng("shuffle"), run.rng("jitter")
        self._generator = torch.Generator(device).manual_seed(run.stream_seed("augment"))

    def order(self) -> npt.NDArray[np.int64] | None:
        """Begin an epoch: return the order of the training clips; None if it is not shuffled."""
        if not self.data or self.jittered:
            self.data = self._method.on_device(self._inputs, self._jitter)
        return self._order.permutation(len(self.labels)) if self._method.config.shuffle else None

    def batches(self) -> list[Any]:
        """Begin an epoch: return the rows of each batch; slices, which cost no copy, if nothing is shuffled."""
        order = self.order()
        ends = batch_ends(len(self.labels), self._method.config.batch_size)
        slices = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        if order is None:
            return slices
        rows = torch.from_numpy(order).to(self.labels.device)
        return [rows[each] for each in slices]

    def batch(self, rows: Any) -> Batch:
        """Return the tensors of these rows, augmented."""
        return self._method.augment({name: values[rows] for name, values in self.data.items()}, self._generator)


def batch_ends(clips: int, size: int) -> list[int]:
    """Return where each batch of an epoch ends."""
    ends = [*range(size, clips, size), clips]
    if len(ends) > 1 and clips - ends[-2] == 1:
        del ends[-2]  # a last clip alone, for which batch norm has no variance, joins the batch before
    return ends
