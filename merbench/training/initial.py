"""Initial weights by named parts: removing a part of a net leaves those of the others as they were."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from merbench.contracts.digests import derived_seed

_Arguments = ParamSpec("_Arguments")
_Part = TypeVar("_Part")


def made_apart(
    name: str, make: Callable[_Arguments, _Part], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Part:
    """Return ``make(*args, **kwargs)``, a part of a net whose weights are drawn from a random stream of its own.

    The seed depends on the name and on the seed of torch's CPU generator, which is left as it was. Parts may be nested:
    names need to differ only within the part that contains them.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(derived_seed(generator.initial_seed(), name))
    try:
        return make(*args, **kwargs)
    finally:
        generator.set_state(before)
