"""Packed folds: the nets of many folds, stacked along a new first axis, trained step by step in one program.

Leave-one-subject-out trains the same small net once a subject, and a GPU is idle most of the time while one of them
trains. Here parameters and buffers of all folds are stacked, the loss is mapped over the stack
(:func:`torch.func.vmap`), and one optimiser, which works element by element, steps them all. Each fold keeps its own
clips, order, initial weights and draws, so it becomes the net that it would have become alone, up to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from merbench.contracts.methods import RunContext, TrainingData
from merbench.training.layers import draws_of
from merbench.training.torch_method import Batch, Source, TorchMethod, batch_ends


def packs(methods: Sequence[TorchMethod], clips: Sequence[int]) -> list[list[int]]:
    """Say which folds can be trained together: those with as many steps an epoch, and as many epochs.

    Parameters
    ----------
    methods : sequence of TorchMethod
        One a fold, of the same class and configuration.
    clips : sequence of int
        Training clips of each fold.

    Returns
    -------
    list of list of int
        Places in `methods`, each once; every fold by itself where the class does not pack.
    """
    if not all(method.packs for method in methods):
        return [[place] for place in range(len(methods))]
    found: dict[tuple[int, int], list[int]] = {}
    for place, (method, count) in enumerate(zip(methods, clips, strict=True)):
        steps = len(batch_ends(count, method.config.batch_size))
        found.setdefault((steps, method.passes(count)), []).append(place)
    return list(found.values())


def fit_packed(methods: Sequence[TorchMethod], trains: Sequence[TrainingData], runs: Sequence[RunContext]) -> None:
    """Train the nets of several folds together; afterwards each method is as its own ``fit`` would have left it.

    Parameters
    ----------
    methods, trains, runs : sequences
        One a fold: methods of one class and configuration, that `packs` puts together; what each would be fitted with.

    Raises
    ------
    ValueError
        The folds can't be packed.
    """
    if len(packs(methods, [len(train.labels) for train in trains])) > 1:
        raise ValueError("these folds can't be trained together: their method does not pack, or their steps differ")
    sources, generators = _start(methods, trains, runs)
    stack = _Stack(methods)
    lead, epochs = methods[0], sources[0].epochs
    optimiser = stack.optimiser(lead)
    bases = [group["lr"] for group in optimiser.param_groups]
    going = dict.fromkeys(range(len(methods)))
    for epoch in range(1, epochs + 1):
        for method in methods:
            method.epoch = epoch
            method.net.train()
        batches = [source.batches() for source in sources]
        for step, rows in enumerate(zip(*batches, strict=True)):
            rate = lead.rate(epoch - 1 + step / len(batches[0]), epochs)
            for group, base in zip(optimiser.param_groups, bases, strict=True):
                group["lr"] = base * rate
            optimiser.zero_grad(set_to_none=True)
            with lead.precision():
                loss = stack.loss(sources, rows, generators)
            loss.backward()  # type: ignore[no-untyped-call]
            if lead.config.gradient_norm:
                stack.shorten_gradients(lead.config.gradient_norm)
            optimiser.step()
        for place in list(going):
            runs[place].progress(epoch, epochs)
            if runs[place].epoch_end(epoch, methods[place]):
                stack.release(place)  # it stays in the pack, where its weights go on, but its net does not
                del going[place]
        if not going:
            break
    for place in going:
        stack.release(place)


def _start(
    methods: Sequence[TorchMethod], trains: Sequence[TrainingData], runs: Sequence[RunContext]
) -> tuple[list[Source], list[torch.Generator]]:
    """Make each fold's net and batches, and a generator that goes on where making the net left torch's own."""
    sources, generators = [], []
    for method, train, run in zip(methods, trains, runs, strict=True):
        sources.append(method.start(train, run))
        device = sources[-1].labels.device
        generators.append(torch.Generator(device))
        state = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
        generators[-1].set_state(state)
    return sources, generators


class _Losing(nn.Module):
    """A net whose output is the method's loss, so that it can be called with other weights."""

    def __init__(self, method: TorchMethod) -> None:
        super().__init__()
        self.net, self._method = method.net, method

    def forward(self, batch: Batch, labels: Tensor) -> Tensor:
        return self._method.loss(self.net, batch, labels)


class _Stack:
    """Parameters and buffers of all folds, stacked; the methods' nets become views of them."""

    def __init__(self, methods: Sequence[TorchMethod]) -> None:
        self._nets = [method.net for method in methods]
        self.parameters = {
            name: nn.Parameter(torch.stack([net.get_parameter(name).detach() for net in self._nets]))
            for name, _ in self._nets[0].named_parameters()
        }
        self.buffers = {
            name: torch.stack([net.get_buffer(name) for net in self._nets]) for name, _ in self._nets[0].named_buffers()
        }
        # The first net gives the shape of the computation; its weights are replaced.
        one = _Losing(methods[0])

        def loss(parameters: Batch, buffers: Batch, batch: Batch, labels: Tensor) -> Tensor:
            found: Tensor = functional_call(one, (parameters, buffers), (batch, labels))
            return found

        mapped: Callable[..., Tensor] = vmap(loss)
        self._loss = torch.compile(mapped) if methods[0].config.compiled else mapped
        for place, net in enumerate(self._nets):
            for name, values in net.named_parameters():
                values.data = self.parameters[name].data[place]
            for name, buffer in net.named_buffers():
                buffer.data = self.buffers[name][place]

    def optimiser(self, method: TorchMethod) -> torch.optim.Optimizer:
        """Return the method's optimiser, with the same groups and settings, of the stacked parameters."""
        names = {id(values): name for name, values in method.net.named_parameters()}
        alone = method.optimiser(method.net)
        groups = [
            {**group, "params": [self.parameters[names[id(values)]] for values in group["params"]]}
            for group in alone.param_groups
        ]
        made: Any = type(alone)
        found: torch.optim.Optimizer = made(groups)
        return found

    def loss(self, sources: Sequence[Source], rows: Sequence[Any], generators: Sequence[torch.Generator]) -> Tensor:
        """Return the sum of the folds' losses for a step.

        The last batch of an epoch differs in size from fold to fold: folds with equal batches are mapped together, so
        that no clip is padded and no statistic of a batch is wrong.
        """
        taken = [(source.batch(of_fold), source.labels[of_fold]) for source, of_fold in zip(sources, rows, strict=True)]
        sizes: dict[int, list[int]] = {}
        for place, (_, labels) in enumerate(taken):
            sizes.setdefault(len(labels), []).append(place)
        losses = []
        for places in sizes.values():
            batch = {name: torch.stack([taken[place][0][name] for place in places]) for name in taken[0][0]}
            labels = torch.stack([taken[place][1] for place in places])
            with draws_of([generators[place] for place in places]):
                losses.append(self._mapped(places, batch, labels).sum())
        return torch.stack(losses).sum()

    def _mapped(self, places: list[int], batch: Batch, labels: Tensor) -> Tensor:
        if len(places) == len(self._nets):
            return self._loss(_within(self.parameters), _within(self.buffers), batch, labels)
        index = torch.tensor(places, device=labels.device)
        parameters = {name: values.index_select(0, index) for name, values in self.parameters.items()}
        buffers = {name: values.index_select(0, index) for name, values in self.buffers.items()}
        losses = self._loss(_within(parameters), _within(buffers), batch, labels)
        for name, values in buffers.items():
            self.buffers[name].index_copy_(0, index, values)
        return losses

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


def _within(stacked: Any) -> dict[str, Tensor]:
    """Name tensors as they are called within `_Losing`."""
    return {f"net.{name}": values for name, values in stacked.items()}
