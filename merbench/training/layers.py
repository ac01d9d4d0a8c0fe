"""Layers that many small folds gain by."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

#: The generators of the folds that are trained in one program, in their order there; None: torch's own.
_GENERATORS: ContextVar[Sequence[torch.Generator] | None] = ContextVar("generators", default=None)


class FastDropout(nn.Module):
    """Dropout with probability 1/2 by raw random bits: the same distribution as ``nn.Dropout(0.5)``, other draws.

    On a CPU torch draws one number an element, which is a tenth of a small net's time; here a 64-bit draw serves eight.
    A fold's draws are the same whether it is trained alone or packed with others.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with half of its elements zero and the others doubled; `x` itself in eval mode."""
        return x * _DoubledOrZero.apply(x) if self.training else x


@contextmanager
def draws_of(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Within the block each fold of a pack draws from its own generator; vmapped tensors are in their order."""
    token = _GENERATORS.set(generators)
    try:
        yield
    finally:
        _GENERATORS.reset(token)


class _DoubledOrZero(torch.autograd.Function):
    """Draws 0 or 2 for every element of a tensor, as bytes; mapped over folds, by the generator of each."""

    @staticmethod
    def forward(like: Tensor) -> Tensor:
        return _mask(like.shape, like.device, None)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004 - torch's names
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:  # noqa: ARG004 - torch's names
        return None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], like: Tensor) -> tuple[Tensor, int]:
        generators = _GENERATORS.get()
        if generators is None or len(generators) != info.batch_size:
            raise RuntimeError(f"{info.batch_size} folds are packed: FastDropout needs a generator of each (draws_of)")
        shape = like.select(in_dims[0], 0).shape
        return torch.stack([_mask(shape, like.device, generator) for generator in generators]), 0


def _mask(shape: Sequence[int], device: torch.device, generator: torch.Generator | None) -> Tensor:
    """Draw the mask of one fold.

    Which draw meets which element depends on the shape alone, not on how its memory lies. Maps are taken to lie
    channels last, which costs least where they do.
    """
    maps = len(shape) == 4
    lying = [shape[0], *shape[2:], shape[1]] if maps else list(shape)
    count = torch.Size(shape).numel()
    draws = torch.empty((count + 7) // 8, dtype=torch.int64, device=device).random_(generator=generator)
    mask = draws.view(torch.uint8)[:count].bitwise_and_(1).mul_(2).view(lying)
    return mask.permute(0, 3, 1, 2) if maps else mask
