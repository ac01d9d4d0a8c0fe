"""Packed folds: the nets of many folds trained in one program, since one small net leaves a GPU idle.

Parameters and buffers of all folds are stacked along a new first axis, the loss is mapped over the stack
(:func:`torch.func.vmap`), and one optimiser, which works element by element, steps them all. Each fold keeps its own
clips, order, initial weights and draws, so its net is that of training alone, up to rounding. Of training in phases,
the last one is packed; those before it are trained fold by fold.

The folds' last batches differ in size: shorter ones are padded by clips without a label, which the loss and the
statistics of batch norms exclude, and for which no random bits are drawn.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.layers import FastDropout, packed_masks
from merbench.training.torch_method import Batch, TorchMethod, batch_ends

#: The label that torch's cross-entropy ignores; labels of action units are NaN where they are not known.
NO_CLASS = -100


def can_pack(method: type) -> bool:
    """Return whether folds of a method can be trained together, according to its class."""
    return issubclass(method, TorchMethod) and method.packs and method.fit is TorchMethod.fit


def grouped_by_steps(method: TorchMethod, clips: Sequence[int]) -> list[list[int]]:
    """Group folds with so many training clips by equally many steps an epoch and equally many epochs.

    Returns places in `clips`, each once; those of one group can be trained together. Each fold is alone if the class of
    `method`, of any of the folds, does not pack.
    """
    if not can_pack(type(method)):
        return [[place] for place in range(len(clips))]
    found: dict[tuple[int, int], list[int]] = {}
    for place, count in enumerate(clips):
        steps = len(batch_ends(count, method.config.batch_size))
        found.setdefault((steps, method.config.passes(count)), []).append(place)
    return list(found.values())


@dataclass(frozen=True)
class _PackedFold:
    """A fold that is about to be packed; its generator continues from torch's own after the net was made."""

    method: TorchMethod
    run: RunContext
    phase: Any  # the last one, about to begin, from the method
    generator: torch.Generator


def start_packed(method: TorchMethod, train: TrainingData, run: RunContext) -> _PackedFold:
    """Make the net of a fold that is to be trained together with others, and train it by all phases but the last."""
    phase = method.start(train, run)
    device = phase.device
    generator = torch.Generator(device)
    generator.set_state(torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state())
    return _PackedFold(method, run, phase, generator)


def fit_packed(folds: Sequence[_PackedFold]) -> None:
    """Train the nets of several folds together; each method ends in the state that its own ``fit`` leads to.

    The folds are of one class and configuration, and of one group of `grouped_by_steps`; else a `ValueError` is raised.
    """
    methods, phases = [fold.method for fold in folds], [fold.phase for fold in folds]
    lead, settings, epochs = methods[0], phases[0].settings, phases[0].epochs
    ends = {(len(batch_ends(len(phase.labels), settings.batch_size)), phase.epochs) for phase in phases}
    if not can_pack(type(lead)) or len(ends) > 1 or any(phase.settings != settings for phase in phases):
        raise ValueError("folds can't be trained together: the method does not pack, or the numbers of steps differ")
    for phase in phases:
        phase.train_mode()
    stack, batches = _Stack(folds), _Batches(folds)
    optimiser = stack.optimiser()
    bases = [group["lr"] for group in optimiser.param_groups]
    going = dict.fromkeys(range(len(folds)))
    for epoch in range(1, epochs + 1):
        for method in methods:
            method.epoch = epoch
        steps = batches.epoch()
        for step, rows in enumerate(steps):
            rate = settings.rate(epoch - 1 + step / len(steps), epochs)
            for group, base in zip(optimiser.param_groups, bases, strict=True):
                group["lr"] = base * rate
            batch = batches.batch(rows)
            optimiser.zero_grad(set_to_none=True)
            with settings.autocast(phases[0].device):
                loss = stack.loss(batch, rows)
            loss.backward()  # type: ignore[no-untyped-call]
            if settings.gradient_norm:
                stack.shorten_gradients(settings.gradient_norm)
            optimiser.step()
        for place in list(going):
            folds[place].run.progress(phases[place].before + epoch, phases[place].before + epochs)
            if folds[place].run.epoch_end(epoch, methods[place]):
                stack.release(place)  # the pack trains its weights on, but its net is detached
                del going[place]
        if not going:
            break
    for place in going:
        stack.release(place)


@dataclass(frozen=True)
class _Rows:
    """The clips of a step: rows among those of all folds, padded by a clip of the fold's own, without a label.

    `rows` and `labels` have shape (n_folds, n_longest, ...), as has `own`, which is None without padding; `sizes` says
    how many clips are each fold's own.
    """

    rows: Tensor
    labels: Tensor
    sizes: tuple[int, ...]
    own: Tensor | None


class _Batches:
    """The batches of all folds, by few and large operations on the device for any number of folds."""

    def __init__(self, folds: Sequence[_PackedFold]) -> None:
        self._sources = [fold.phase for fold in folds]
        lead = self._sources[0]
        self._augments = lead.augments
        self._clips = np.array([len(source.labels) for source in self._sources])
        self._first = np.cumsum([0, *self._clips[:-1]])
        self._ends = np.array([[0, *batch_ends(clips, lead.settings.batch_size)] for clips in self._clips])
        self._labels = torch.cat([source.labels for source in self._sources])
        self._data: Batch = {}
        self._steps: list[_Rows] = []

    def epoch(self) -> list[_Rows]:
        """Begin an epoch: return the clips of each step."""
        orders = [source.order() for source in self._sources]
        if not self._augments and (not self._data or self._sources[0].jittered):
            self._gather()
        if not self._steps or orders[0] is not None:
            both = zip(orders, self._clips, strict=True)
            lying = [np.arange(clips) if order is None else order for order, clips in both]
            self._steps = [self._step(lying, step) for step in range(self._ends.shape[1] - 1)]
        return self._steps

    def _gather(self) -> None:
        """Concatenate the clips of all folds into one tensor of each input; each fold has a slice of it."""
        for name in self._sources[0].data:
            self._data[name] = torch.cat([source.data[name] for source in self._sources])
            parts = torch.split(self._data[name], self._clips.tolist())
            for source, part in zip(self._sources, parts, strict=True):
                source.data[name] = part

    def _step(self, orders: Sequence[Any], step: int) -> _Rows:
        begins, ends = self._ends[:, step], self._ends[:, step + 1]
        sizes = ends - begins
        places = np.arange(sizes.max())
        own = places < sizes[:, None]
        within = np.where(own, begins[:, None] + places, begins[:, None])
        rows = np.stack([order[each] for order, each in zip(orders, within, strict=True)]) + self._first[:, None]
        device = self._labels.device
        on_device = torch.from_numpy(rows).to(device)
        labels = self._labels[on_device]
        mask = None if own.all() else torch.from_numpy(own).to(device)
        if mask is not None:
            labels[~mask] = torch.nan if labels.is_floating_point() else NO_CLASS
        return _Rows(on_device, labels, tuple(sizes.tolist()), mask)

    def batch(self, step: _Rows) -> Batch:
        """Return the tensors of a step's clips, augmented fold by fold if the method augments."""
        if not self._augments:
            return {name: values[step.rows] for name, values in self._data.items()}
        found = []
        for source, rows, first, size in zip(self._sources, step.rows, self._first, step.sizes, strict=True):
            batch = source.batch(rows[:size] - int(first))
            padding = [0] * (len(rows) - size)
            found.append({name: torch.cat([values, values[padding]]) for name, values in batch.items()})
        return {name: torch.stack([batch[name] for batch in found]) for name in found[0]}


class _Stack:
    """Parameters and buffers of all folds, stacked; the methods' nets become views of them."""

    def __init__(self, folds: Sequence[_PackedFold]) -> None:
        self._lead = folds[0].phase
        self._nets = nets = [fold.method.net for fold in folds]
        self._generators = [fold.generator for fold in folds]
        self.parameters, self.buffers = {}, {}
        for name, one in nets[0].named_parameters():
            stacked = torch.stack([net.get_parameter(name).detach() for net in nets])
            self.parameters[name] = nn.Parameter(stacked, requires_grad=one.requires_grad)
        for name, _ in nets[0].named_buffers():
            self.buffers[name] = torch.stack([net.get_buffer(name) for net in nets])
        for place, net in enumerate(nets):
            for name, values in net.named_parameters():
                values.data = self.parameters[name].data[place]
            for name, buffer in net.named_buffers():
                buffer.data = self.buffers[name][place]
        # The first net gives the shape of the computation; its weights are replaced.
        self._losses = {padded: self._mapped(_Losing(self._lead, padded)) for padded in (False, True)}
        self._norms = [name for name, module in nets[0].named_modules() if _learns_statistics(module)]
        self._dropped: dict[int, dict[str, torch.Size]] = {}

    def _mapped(self, one: "_Losing") -> Any:
        def loss(parameters: Batch, buffers: Batch, given: Batch, batch: Batch, labels: Tensor) -> Tensor:
            within = {f"net.{name}": values for name, values in {**parameters, **buffers, **given}.items()}
            found: Tensor = functional_call(one, within, (batch, labels))
            return found

        mapped = vmap(loss)
        return torch.compile(mapped) if self._lead.settings.compiled else mapped

    def optimiser(self) -> torch.optim.Optimizer:
        """Return the optimiser of a fold alone, with its groups and settings, of the stacked parameters."""
        names = {id(values): name for name, values in self._lead.net.named_parameters()}
        alone = self._lead.optimiser()
        groups = [
            {**group, "params": [self.parameters[names[id(values)]] for values in group["params"]]}
            for group in alone.param_groups
        ]
        made: Any = type(alone)
        found: torch.optim.Optimizer = made(groups)
        return found

    def loss(self, batch: Batch, step: _Rows) -> Tensor:
        """Return the sum of the folds' losses for a step."""
        longest = step.rows.shape[1]
        if longest not in self._dropped:
            self._dropped[longest] = _dropped(self._lead, batch, step.labels)
        shares = [size / longest for size in step.sizes]
        dropped = self._dropped[longest].items()
        given = {f"{name}.mask": packed_masks(shape, shares, self._generators) for name, shape in dropped}
        if step.own is not None:
            given |= {f"{name}.own": step.own for name in self._norms}
        mapped = self._losses[step.own is not None]
        losses: Tensor = mapped(self.parameters, self.buffers, given, batch, step.labels)
        return losses.sum()

    def shorten_gradients(self, longest: float) -> None:
        """Shorten each fold's gradient to a norm."""
        gradients = [values.grad for values in self.parameters.values() if values.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        scale = (longest / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))

    def release(self, place: int) -> None:
        """Give a fold's net weights of its own again, as they are now."""
        for values in [*self._nets[place].parameters(), *self._nets[place].buffers()]:
            values.data = values.data.clone()


def _dropped(phase: Any, batch: Batch, labels: Tensor) -> dict[str, torch.Size]:
    """Return the shape that each `FastDropout` is called with, in the order of the calls, by one pass."""
    net = copy.deepcopy(phase.net)
    found: dict[str, torch.Size] = {}

    def looking(name: str) -> Any:
        def look(_: nn.Module, inputs: tuple[Tensor]) -> None:
            if name in found:
                raise RuntimeError(f"the FastDropout {name} is called twice per step: packed folds need one call")
            found[name] = inputs[0].shape

        return look

    for name, module in net.named_modules():
        if _drops(module):
            module.register_forward_pre_hook(looking(name))
    with torch.no_grad(), phase.settings.autocast(phase.device):
        phase.loss(net, {name: values[0] for name, values in batch.items()}, labels[0])
    return found


class _Losing(nn.Module):
    """A net whose output is the phase's loss, so that it can be called with other weights, masks and statistics."""

    def __init__(self, phase: Any, padded: bool) -> None:
        super().__init__()
        self.net, self._loss = copy.deepcopy(phase.net), phase.loss
        for name, module in list(self.named_modules()):
            if _drops(module):
                self.set_submodule(name, _GivenDropout())
            elif padded and _learns_statistics(module):
                self.set_submodule(name, _BatchNormOfOwn(module))

    def forward(self, batch: Batch, labels: Tensor) -> Tensor:
        found: Tensor = self._loss(self.net, batch, labels)
        return found


def _drops(module: nn.Module) -> bool:
    return isinstance(module, FastDropout) and module.training  # not in a frozen part


def _learns_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.training


class _GivenDropout(nn.Module):
    """`FastDropout` with a mask that was drawn before, for all folds."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask


class _BatchNormOfOwn(nn.Module):
    """Batch norm in training that excludes padding from its statistics."""

    own: Tensor
    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        if norm.momentum is None:  # the average then depends on a count, which is a tensor
            raise ValueError("batch norm without momentum can't be packed: give it one")
        for name, parameter in norm.named_parameters():
            self.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)
        self.register_buffer("own", torch.empty(0))
        self._momentum, self._eps = norm.momentum, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        own = self.own.repeat_interleave(len(x) // len(self.own)).view(-1, *[1] * (x.ndim - 1))
        axes = [axis for axis in range(x.ndim) if axis != 1]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        count = own.sum().to(wide.dtype) * x[0, 0].numel()
        mean = torch.where(own, wide, 0).sum(axes, keepdim=True) / count
        centred = wide - mean
        spread = torch.where(own, centred, 0).square().sum(axes, keepdim=True) / count
        if "running_mean" in self._buffers:
            following = (self.running_mean, mean), (self.running_var, spread * (count / (count - 1)))
            for running, found in following:
                running.mul_(1 - self._momentum).add_(self._momentum * found.detach().flatten())
            self.num_batches_tracked.add_(1)
        scale = (spread + self._eps).rsqrt()
        if "weight" not in self._parameters:
            return (centred * scale).to(x.dtype)
        weight, bias = (each.view(1, -1, *[1] * (x.ndim - 2)) for each in (self.weight, self.bias))
        return (centred * (scale * weight) + bias).to(x.dtype)
