"""Random state: every fold starts from its own seeds, and predictions in between do not change a method's state."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the global generators of Python, NumPy and, if it is loaded, torch at the end."""
    torch: Any = sys.modules.get("torch")
    with ExitStack() as restore:
        restore.callback(random.setstate, random.getstate())
        restore.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        if torch:
            restore.callback(torch.set_rng_state, torch.get_rng_state())
        if torch and torch.cuda.is_initialized():
            restore.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators inside the block, and restore them afterwards.

    Methods should draw from ``run.rng``; this makes methods that use global generators reproducible too.
    """
    with preserved_random_state():
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch: Any = sys.modules.get("torch")
        if torch:
            torch.manual_seed(seed)
        yield


@contextmanager
def preserved_method(method: object) -> Iterator[None]:
    """Restore the modes of torch modules and the states of random generators that `method` holds."""
    torch: Any = sys.modules.get("torch")
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    kinds += (torch.nn.Module, torch.Generator) if torch else ()
    with ExitStack() as restore:
        for held in _held(method, kinds, set()):
            restore.callback(_restoring(held, torch))
        yield


def _restoring(held: Any, torch: Any) -> Callable[[], object]:
    """Return a call that restores the present state of a module or generator."""
    if isinstance(held, np.random.Generator):
        return partial(setattr, held.bit_generator, "state", held.bit_generator.state)
    if isinstance(held, random.Random):
        return partial(held.setstate, held.getstate())
    if torch and isinstance(held, torch.nn.Module):
        return partial(setattr, held, "training", held.training)
    return partial(held.set_state, held.get_state())


def _held(value: object, kinds: tuple[type, ...], seen: set[int]) -> Iterator[Any]:
    """Find objects of some kinds that can be reached from `value` through attributes, mappings and sequences."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | np.ndarray):
        return
    seen.add(id(value))
    if isinstance(value, kinds):
        yield value
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inside = list(value)
    else:
        slots = [name for cls in type(value).__mro__ for name in _slots(cls)]
        inside = [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]
    for item in inside:
        yield from _held(item, kinds, seen)


def _slots(cls: type) -> list[str]:
    slots = cls.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)
