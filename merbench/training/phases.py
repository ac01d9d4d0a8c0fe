"""Phases of training: each has clips, a loss and settings of its own, and says how fast each submodule learns.

A phase may have heads, submodules that the net has in it only, such as a decoder that fine-tuning does not need. Random
numbers of a phase before the last are drawn from streams under its name, and so move none of the last one: a
configuration with pretraining and one without stay paired.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from merbench.contracts.inputs import Inputs

if TYPE_CHECKING:
    from merbench.training.torch_method import Batch, TorchConfig


@dataclass(frozen=True)
class Phase:
    """A phase of training. What is None is the method's own.

    Attributes
    ----------
    name : str
        Of the phase, and of its random streams unless it is the last one.
    inputs, labels
        The clips to train on: those of the fold, of auxiliary data, or of both (`Inputs.joined`). Labels are numbers,
        shape (n_clips, ...).
    settings : TorchConfig, optional
        Epochs, batches, learning rate and its schedule; by default the method's configuration.
    loss, tensors, augment, optimiser : callable, optional
        As the methods of `TorchMethod` with these names. The learning rates of the method's own optimiser are scaled to
        that of `settings`.
    rates : mapping
        Submodule of the net, such as ``encoder`` or ``encoder.stem``, -> its share of the learning rate. With 0 it is
        frozen: no gradient, and eval mode, so that the statistics of batch norms do not change either.
    heads : mapping
        Name -> a function that makes the submodule. The net has it from this phase on, until the first phase that does
        not name it; those of the last phase stay.
    """

    name: str
    inputs: Inputs
    labels: npt.NDArray[Any]
    settings: "TorchConfig | None" = None
    loss: Callable[[nn.Module, "Batch", Tensor], Tensor] | None = None
    tensors: Callable[[Inputs, np.random.Generator | None], "Batch"] | None = None
    augment: Callable[["Batch", torch.Generator], "Batch"] | None = None
    optimiser: Callable[[nn.Module], torch.optim.Optimizer] | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    heads: Mapping[str, Callable[[], nn.Module]] = field(default_factory=dict)


def check_phases(phases: Sequence[Phase]) -> None:
    """Raise a ValueError for phases without clips, two of one name, a rate that is not a share, labels not numbers."""
    names = [phase.name for phase in phases]
    for phase in phases:
        if names.count(phase.name) > 1:
            raise ValueError(f"two phases are named {phase.name!r}: give each its own name")
        clips = phase.inputs.clips
        if not clips or len(phase.labels) != clips:
            has = f"{clips} clips and {len(phase.labels)} labels"
            raise ValueError(f"phase {phase.name!r} has {has}, expected at least one clip and a label each")
        if (dtype := np.asarray(phase.labels).dtype).kind not in "biuf":
            step = "number them, as by np.unique(..., return_inverse=True)"
            raise ValueError(f"phase {phase.name!r} has labels of type {dtype}, expected numbers: {step}")
        for name, rate in phase.rates.items():
            if not (math.isfinite(rate) and rate >= 0):
                raise ValueError(f"phase {phase.name!r}: the rate of {name!r} is {rate}, expected 0 (frozen) or above")


def set_heads(net: nn.Module, heads: Mapping[str, Callable[[], nn.Module]], before: Mapping[str, Any]) -> list[str]:
    """Delete the heads of the phase `before` that are not among `heads`, and make the missing ones; returns these."""
    for name in before.keys() - heads.keys():
        delattr(net, name)
    if heads and isinstance(net, nn.Sequential):
        raise ValueError(
            "heads of an nn.Sequential would be further layers of it: let module() return a class of its own"
        )
    made = [name for name in heads if name not in before]
    for name in made:
        if hasattr(net, name):
            raise ValueError(f"the net has a submodule {name!r} already: give the head another name")
        net.add_module(name, heads[name]())
    return made


def freeze(net: nn.Module, rates: Mapping[str, float]) -> list[nn.Parameter]:
    """Switch off the gradient of frozen submodules; returns the parameters that had one.

    ValueError for a submodule that the net lacks.
    """
    known = dict(net.named_modules())
    for name in rates:
        if name not in known or not name:
            children = ", ".join(child for child, _ in net.named_children())
            raise ValueError(f"a phase has a rate for {name!r}, but the net has no such submodule; it has {children}")
    found = [values for name, values in net.named_parameters() if values.requires_grad and share(name, rates) == 0]
    for values in found:
        values.requires_grad_(False)
    return found


def train_mode(net: nn.Module, rates: Mapping[str, float]) -> None:
    """Set a net into training mode, its frozen submodules into eval mode."""
    net.train()
    for name in sorted(rates, key=len):  # inner ones later
        net.get_submodule(name).train(rates[name] > 0)


def share(name: str, rates: Mapping[str, float]) -> float:
    """Return the share of the learning rate of a parameter: that of its innermost submodule with a rate, or 1."""
    inside = [module for module in rates if name.startswith(f"{module}.")]
    return rates[max(inside, key=len)] if inside else 1.0


def scale_rates(made: torch.optim.Optimizer, net: nn.Module, rates: Mapping[str, float], factor: float) -> None:
    """Scale the learning rates of an optimiser, and take out frozen parameters; groups keep their settings."""
    shares = {id(values): share(name, rates) for name, values in net.named_parameters()}
    groups, made.param_groups = made.param_groups, []
    for group in groups:
        for rate in dict.fromkeys(shares.get(id(values), 1.0) for values in group["params"]):
            if rate > 0:
                own = [values for values in group["params"] if shares.get(id(values), 1.0) == rate]
                made.add_param_group({**group, "params": own, "lr": group["lr"] * factor * rate})
    if not made.param_groups:
        raise ValueError("every submodule is frozen: nothing is left to learn")
