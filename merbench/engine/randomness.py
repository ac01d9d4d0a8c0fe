"""Random state: every fold starts from its own seeds, and what happens around a method leaves its state as it was."""

import random
import sys
from collections.abc import Iterator
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
    """Put the train/eval mode of every torch module that `method` holds as an attribute back as it was."""
    torch: Any = sys.modules.get("torch")
    held = [value for value in vars(method).values() if torch and isinstance(value, torch.nn.Module)]
    modes = [(module, module.training) for parent in held for module in parent.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
