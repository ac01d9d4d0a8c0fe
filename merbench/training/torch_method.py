"""The adapter for neural nets: a method builds a module and computes a loss; the training loop is here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.training.memory import keep_freed_memory
from merbench.training.phases import Phase, check_phases, freeze, scale_rates, set_heads, share, train_mode


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
    def _consistent(self) -> Self:
        for broken, line in self.faults():
            if broken:
                raise ValueError(line)
        return self

    def faults(self) -> Iterator[tuple[bool, str]]:
        """Yield whether a rule between settings is broken, and the line that says so; a subclass adds its own."""
        yield (
            self.warmup_epochs > self.epochs,
            f"warmup_epochs {self.warmup_epochs:g} must not be above epochs {self.epochs}",
        )

    def passes(self, clips: int) -> int:
        """Return how many passes are made over so many training clips."""
        return max(self.epochs, math.ceil(self.least_steps / len(batch_ends(clips, self.batch_size))))

    def rate(self, trained: float, epochs: int) -> float:
        """Return the factor of the learning rate after so many of all epochs."""
        if trained < self.warmup_epochs:
            return float((trained + 1e-3) / self.warmup_epochs)
        if self.schedule == "constant":
            return 1.0
        left = float(max(epochs - self.warmup_epochs, 1e-9))
        return (1 + math.cos(math.pi * float(trained - self.warmup_epochs) / left)) / 2

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Compute within the block in the configured precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device.type, getattr(torch, self.precision))


Batch = dict[str, Tensor]


class TorchMethod:
    """Base of methods that are a net. A subclass defines `module`, and overrides other methods as needed.

    The inputs of all training clips are on the device from the first epoch on and are indexed there. Inputs with a
    jitter window are drawn anew for each epoch. Training has one phase, unless `phases` says otherwise.
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
    _device = torch.device("cpu")

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

    def phases(self, train: TrainingData, run: RunContext) -> Sequence[Phase]:
        """Return the phases of training, in their order; by default one, on the clips of the fold.

        Called with the net made. `run` gives auxiliary data; the epochs of the last phase are reported without it.
        """
        return [Phase("training", train.inputs, train.labels)]

    def pretraining(self, run: RunContext) -> Sequence[Phase]:
        """Return the phases of pretraining on auxiliary data alone; by default none."""
        return []

    def pretrain(self, run: RunContext) -> dict[str, npt.NDArray[Any]]:
        """Train a net by the phases of `pretraining`; returns what it learned, for the net of every fold.

        These are the parameters and buffers that training changed, and those of submodules with a rate in a phase. The
        others, such as those of a classifier that the loss does not use, are drawn in the fold.
        """
        phases = self.pretraining(replace(run, on_epoch=_refuse_epochs))
        if not phases:
            return {}
        self._make(run)
        before = {name: values.clone() for name, values in self.net.state_dict().items()}
        self._train_before(phases, run, self._passes(phases))
        set_heads(self.net, {}, phases[-1].heads)
        named = [part for phase in phases for part in phase.rates]
        return {
            name: values.cpu().numpy()
            for name, values in self.net.state_dict().items()
            if not torch.equal(values, before[name]) or share(name, dict.fromkeys(named, 0.0)) == 0
        }

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Train the net, phase by phase, and report each epoch of the last phase."""
        last = self.start(train, run)
        for epoch in last.train():
            run.progress(last.before + epoch, last.before + last.epochs)
            if run.epoch_end(epoch, self):
                break

    def start(self, train: TrainingData, run: RunContext) -> "_PhaseInTraining":
        """Make the net, on its device, and train it by all phases but the last; returns the last, about to begin."""
        self._make(run, train)
        phases = self.phases(train, replace(run, on_epoch=_refuse_epochs))
        if not phases:
            raise ValueError(f"{type(self).__name__}.phases returned no phase: return at least one")
        before = self._train_before(phases[:-1], run, self._passes(phases))
        heads = phases[-2].heads if len(phases) > 1 else {}
        return _PhaseInTraining(self, phases[-1], run, heads, before)

    def _make(self, run: RunContext, train: TrainingData | None = None) -> None:
        torch.set_num_threads(run.threads)
        self._device = torch.device(run.device)
        if self._device.type == "cpu":
            keep_freed_memory()
        torch.manual_seed(run.stream_seed("torch"))
        if train is not None:
            self.begin(train)
        self.net = self.module().to(self._device)
        if run.pretrained:
            _take(self.net, run.pretrained)
        if self.config.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)

    def _passes(self, phases: Sequence[Phase]) -> int:
        """Check phases, and count the epochs of all of them."""
        check_phases(phases)
        return sum((phase.settings or self.config).passes(len(phase.labels)) for phase in phases)

    def _train_before(self, phases: Sequence[Phase], run: RunContext, total: int) -> int:
        """Train by phases before the last one, whose random numbers they leave alone; returns their epochs."""
        done = 0
        heads: Mapping[str, Any] = {}
        for phase in phases:
            with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
                torch.manual_seed(run.stream_seed(f"{phase.name}:torch"))
                training = _PhaseInTraining(self, phase, run, heads, done, f"{phase.name}:")
                for epoch in training.train():
                    run.progress(done + epoch, total)
            training.end()
            done, heads = done + training.epochs, phase.heads
        return done

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

    def on_device(self, inputs: Inputs, rng: np.random.Generator | None = None) -> Batch:
        """Return the tensors of clips on the method's device."""
        return {name: values.to(self._device) for name, values in self.tensors(inputs, rng).items()}


def _refuse_epochs(epoch: int, method: Any) -> bool:
    raise ValueError(
        f"a phase of {type(method).__name__} called epoch_end({epoch}): TorchMethod reports the epochs of the last "
        "phase, and those of earlier phases are not reported"
    )


def _take(net: nn.Module, pretrained: Mapping[str, npt.NDArray[Any]]) -> None:
    """Load pretrained arrays into a net; ValueError for one that does not fit."""
    state = net.state_dict()
    for name, values in pretrained.items():
        if name not in state or state[name].shape != values.shape:
            has = f"shape {tuple(state[name].shape)}" if name in state else "none of this name"
            raise ValueError(f"pretrained {name!r} has shape {values.shape}, but the net that module() makes has {has}")
        state[name].copy_(torch.tensor(values))


class _PhaseInTraining:
    """A phase of a method about to be trained: its batches, with the tensors of its clips on the device, and its loss.

    `data` is empty before the first epoch; `jittered` says that the tensors differ from epoch to epoch; `before` counts
    the epochs of earlier phases. `streams` comes before the names of random streams.
    """

    def __init__(
        self,
        method: TorchMethod,
        phase: Phase,
        run: RunContext,
        heads_before: Mapping[str, Any],
        before: int = 0,
        streams: str = "",
    ) -> None:
        self.device, self.net, self.before = torch.device(run.device), method.net, before
        self.settings: TorchConfig = phase.settings or method.config
        self.loss = phase.loss or method.loss
        self.labels = torch.from_numpy(np.asarray(phase.labels)).to(self.device)
        self.epochs = self.settings.passes(len(self.labels))
        self.data: Batch = {}
        self.jittered = any(phase.inputs[name].spec.drawn is not None for name in phase.inputs.names())
        self.augments = phase.augment is not None or type(method).augment is not TorchMethod.augment
        self._method, self._phase = method, phase
        for name in set_heads(self.net, phase.heads, heads_before):
            head = self.net.get_submodule(name).to(self.device)
            if method.config.channels_last:
                head.to(memory_format=torch.channels_last)
        self._frozen = freeze(self.net, phase.rates)
        self._order, self._jitter = run.rng(f"{streams}shuffle"), run.rng(f"{streams}jitter")
        self._generator = torch.Generator(self.device).manual_seed(run.stream_seed(f"{streams}augment"))

    def train(self) -> Iterator[int]:
        """Train the net, pass by pass; yields after each epoch, counted from 1."""
        settings, net = self.settings, self.net
        compiled: Any = torch.compile(net) if settings.compiled else net
        optimiser = self.optimiser()
        bases = [group["lr"] for group in optimiser.param_groups]
        for epoch in range(1, self.epochs + 1):
            self._method.epoch = epoch
            self.train_mode()
            batches = self.batches()
            for step, rows in enumerate(batches):
                rate = settings.rate(epoch - 1 + step / len(batches), self.epochs)
                for group, base in zip(optimiser.param_groups, bases, strict=True):
                    group["lr"] = base * rate
                batch = self.batch(rows)
                optimiser.zero_grad(set_to_none=True)
                with settings.autocast(self.device):
                    loss = self.loss(compiled, batch, self.labels[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                if settings.gradient_norm:
                    nn.utils.clip_grad_norm_(net.parameters(), settings.gradient_norm)
                optimiser.step()
            yield epoch

    def end(self) -> None:
        """Let frozen parts learn again."""
        for values in self._frozen:
            values.requires_grad_(True)

    def train_mode(self) -> None:
        """Set the net into training mode, its frozen parts into eval mode."""
        train_mode(self.net, self._phase.rates)

    def optimiser(self) -> torch.optim.Optimizer:
        """Return the optimiser of the net's parameters, with the learning rates of the phase."""
        own = self._phase.optimiser
        made = own(self.net) if own else self._method.optimiser(self.net)
        factor = 1.0 if own else self.settings.learning_rate / self._method.config.learning_rate
        if factor != 1 or self._phase.rates:
            scale_rates(made, self.net, self._phase.rates, factor)
        return made

    def order(self) -> npt.NDArray[np.int64] | None:
        """Begin an epoch: return the order of the training clips; None if it is not shuffled."""
        if not self.data or self.jittered:
            found = (self._phase.tensors or self._method.tensors)(self._phase.inputs, self._jitter)
            self.data = {name: values.to(self.device) for name, values in found.items()}
        return self._order.permutation(len(self.labels)) if self.settings.shuffle else None

    def batches(self) -> list[Any]:
        """Begin an epoch: return the rows of each batch; slices, which cost no copy, if nothing is shuffled."""
        order = self.order()
        ends = batch_ends(len(self.labels), self.settings.batch_size)
        slices = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        if order is None:
            return slices
        rows = torch.from_numpy(order).to(self.labels.device)
        return [rows[each] for each in slices]

    def batch(self, rows: Any) -> Batch:
        """Return the tensors of these rows, augmented."""
        augment = self._phase.augment or self._method.augment
        return augment({name: values[rows] for name, values in self.data.items()}, self._generator)


def batch_ends(clips: int, size: int) -> list[int]:
    """Return where each batch of an epoch ends."""
    ends = [*range(size, clips, size), clips]
    if len(ends) > 1 and clips - ends[-2] == 1:
        del ends[-2]  # a last clip alone, for which batch norm has no variance, joins the batch before
    return ends
