import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.cases import each
from support.nets import random_states
from torch import nn

from merbench.engine.fold.randomness import preserved_method, preserved_random_state, seeded


def draws():
    return [random.random(), np.random.random(), torch.rand(()).item(), random.gauss(), np.random.standard_normal()]  # noqa: NPY002


def test_global_generators_are_restored_also_after_an_error():
    for error in each((ValueError, KeyboardInterrupt)):
        for context in each((preserved_random_state(), seeded(3))):
            draws()  # leaves half a Gaussian pair behind, which is part of the state
            before = random_states()
            with pytest.raises(error), context:  # noqa: PT012
                draws()
                random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
                raise error
            assert random_states() == before


def test_a_seed_decides_every_global_generator():
    found = {}
    for seed in (3, 3, 4, 2**63 - 1):
        draws()
        with seeded(seed):
            found.setdefault(seed, []).append(draws())
    assert found[3][0] == found[3][1]
    for one, other in ((3, 4), (4, 2**63 - 1)):
        assert all(a != b for a, b in zip(found[one][0], found[other][0], strict=True))
    with seeded(3):
        assert draws() == found[3][0]
        with seeded(2):  # seeding nests
            draws()
        after = draws()
    with seeded(3):
        assert [draws(), draws()] == [found[3][0], after]


class Slotted:
    __slots__ = ("net", "unset")

    def __init__(self, net):
        self.net = net


HELD = {
    "itself": lambda held: held,
    "attribute": lambda held: SimpleNamespace(held=held, count=3),
    "slot": Slotted,
    "list": lambda held: SimpleNamespace(held=[held]),
    "dict of dicts": lambda held: SimpleNamespace(held={"main": {"held": held}}),
    "other object": lambda held: SimpleNamespace(other=SimpleNamespace(held=held)),
    "net": lambda held: setattr(net := nn.Dropout(), "noise", held) or net,
}
GENERATORS = [
    (np.random.default_rng, lambda made: made.random()),
    (np.random.RandomState, lambda made: made.random_sample()),
    (random.Random, lambda made: made.random()),
    (lambda seed: torch.Generator().manual_seed(seed), lambda made: torch.rand((), generator=made).item()),
]


def test_modes_and_generators_are_restored_wherever_they_are_held_also_after_an_error():
    for _, hold in each(HELD.items()):
        net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
        net[1][0].eval()
        with pytest.raises(ValueError, match="no"), preserved_method(hold(net)):  # noqa: PT012
            net.eval()
            net[1][0].train()
            raise ValueError("no")
        assert [module.training for module in net.modules()] == [True, True, True, False, True]
        for make, draw in GENERATORS:
            made = make(5)
            draw(made)
            with preserved_method(hold(made)):
                first = draw(made)
                assert draw(made) != first
            assert draw(made) == first
