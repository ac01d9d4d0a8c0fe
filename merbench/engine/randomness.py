"""Random state: every fold starts from its own seeds, and what happens around a method leaves its state as it was."""

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Put the global generators of Python, NumPy and, if it is loaded, torch back as they were at the start."""
    torch: Any = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.get_rng_state() if torch else None
    devices = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch and cpu is not None:
            torch.set_rng_state(cpu)
        if torch and devices is not None:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators for what runs inside, and put them back afterwards.

    Methods are asked to draw from ``run.rng``; this makes those that use global generators reproducible too.
    """
    with preserved_random_state():
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch: Any = sys.modules.get("torch")
        if torch:
            torch.manual_seed(seed)
        yield


@contextmanager
def preserved_modes(method: object) -> Iterator[None]:
    """Put the train/eval mode of every torch module that `method` holds back as it was."""
    torch: Any = sys.modules.get("torch")
    held = list(_held_modules(method, torch.nn.Module, set())) if torch else []
    modes = [(module, module.training) for parent in held for module in parent.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _held_modules(value: object, module: type, seen: set[int]) -> Iterator[Any]:
    """Find the modules that can be reached from `value` through attributes, mappings and sequences."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | np.ndarray):
        return
    seen.add(id(value))
    if isinstance(value, module):
        yield value
        return
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inside = list(value)
    else:
        slots = [name for cls in type(value).__mro__ for name in _slots(cls)]
        inside = [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]
    for item in inside:
        yield from _held_modules(item, module, seen)


def _slots(cls: type) -> list[str]:
    slots = cls.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)
